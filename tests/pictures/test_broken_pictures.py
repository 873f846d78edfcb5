"""Reading files that are broken, hostile, oddly named or huge: a picture or one clear sentence, never more."""

import io
import os
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from recolor_torch.pictures import PictureError, probe, read_picture
from recolor_torch.pictures.encode import write_png
from recolor_torch.pictures.read import PictureWarning


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def tiff(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def smooth(size=64):
    ramp = np.linspace(0, 255, size)
    return Image.fromarray(np.stack(np.broadcast_arrays(ramp, ramp[:, None], 128.0), axis=-1).astype(np.uint8))


def deep_png():
    file = io.BytesIO()
    write_png(file, np.asarray(smooth()).astype(np.uint16) * 257)
    return file.getvalue()


def is_smooth(picture):
    return np.array_equal((picture.image[0] * 255).round().permute(1, 2, 0).numpy(), np.asarray(smooth()))


GOOD = saved(smooth(), "PNG")


@pytest.mark.parametrize(
    "name",
    [
        "with space.png",
        "Füße 色.png",
        "a" * 240 + ".png",
        "line\nbreak.png",
        "-o.png",
        "%s{}.png",
        os.fsdecode(b"\xff.png"),
    ],
)
def test_odd_names(name, tmp_path):
    (tmp_path / name).write_bytes(GOOD)
    assert probe(tmp_path / name).width == 64
    assert is_smooth(read_picture(tmp_path / name))
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(PictureError) as caught:
        read_picture(tmp_path / name)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()  # can be printed


def test_tiny_and_long_pictures(tmp_path):
    for size in ((1, 1), (100_000, 1), (1, 100_000)):
        image = Image.new("RGB", size, (1, 2, 3))
        (tmp_path / "a.png").write_bytes(saved(image, "PNG"))
        picture = read_picture(tmp_path / "a.png")
        assert (picture.info.width, picture.info.height) == size
        assert torch.equal(picture.image[0, :, 0, 0] * 255, torch.tensor([1.0, 2.0, 3.0]))


def fails(path, match, **options):
    for function in (probe, read_picture):
        with pytest.raises(PictureError, match=match) as caught:
            function(path, **options)
        message = str(caught.value)
        assert message.endswith(".")
        assert "\n" not in message


def test_what_is_no_picture(tmp_path):
    fails(tmp_path / "none.png", "there is no such file")
    fails(tmp_path / "none" / "none.png", "there is no such file")
    fails(tmp_path, "is a folder")
    (tmp_path / "text.png").write_text("This is a letter.\n" * 50)
    fails(tmp_path / "text.png", r"text\.png: not a picture")
    (tmp_path / "empty.jpg").touch()
    fails(tmp_path / "empty.jpg", "the file is empty")
    (tmp_path / "zeros.jpg").write_bytes(bytes(5000))
    fails(tmp_path / "zeros.jpg", "not a picture")
    (tmp_path / "loop.png").symlink_to("loop.png")
    fails(tmp_path / "loop.png", "loop")
    fails("nul\0.png", "there is no such file")
    fails(str(tmp_path / ("x" * 300)), "name is too long")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    fails(tmp_path / "pipe.png", "not a regular file")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_no_permission(tmp_path):
    (tmp_path / "secret.png").write_bytes(GOOD)
    (tmp_path / "secret.png").chmod(0)
    fails(tmp_path / "secret.png", "no permission")


def test_no_permission_as_the_system_says_it(tmp_path, monkeypatch):
    (tmp_path / "secret.png").write_bytes(GOOD)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    fails(tmp_path / "secret.png", "no permission to read")


CUT = {
    "JPEG": saved(smooth(), "JPEG"),
    "progressive JPEG": saved(smooth(), "JPEG", progressive=True),
    "PNG": saved(smooth(), "PNG"),
    "16-bit PNG": deep_png(),
    "GIF": saved(smooth(), "GIF"),
    "WebP": saved(smooth(), "WEBP"),
    "TIFF": saved(smooth(), "TIFF"),
    "TIFF LZW": saved(smooth(), "TIFF", compression="tiff_lzw"),
    "16-bit TIFF": tiff(np.asarray(smooth()).astype(np.uint16) * 257, photometric="rgb"),
    "16-bit TIFF in planes": tiff(
        np.asarray(smooth()).astype(np.uint16).transpose(2, 0, 1), photometric="rgb", planarconfig="separate"
    ),
    "BMP": saved(smooth(), "BMP"),
    "PPM": saved(smooth(), "PPM"),
    "16-bit PPM": b"P6 64 64 65535\n" + np.asarray(smooth()).astype(">u2").tobytes(),
    "AVIF": saved(smooth(), "AVIF"),
    "JPEG 2000": saved(smooth(), "JPEG2000"),
}


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9])
def test_a_file_that_is_cut_short_is_an_error(kind, share, tmp_path):
    data = CUT[kind]
    (tmp_path / "cut").write_bytes(data[: int(len(data) * share)])
    if (kind, share) == ("PNG", 0.9):  # only the checksum is missing
        assert is_smooth(read_picture(tmp_path / "cut"))
        return
    with pytest.raises(PictureError, match=r"^[^\n]*\.$"):
        read_picture(tmp_path / "cut")


def test_a_jpeg_that_ends_in_zeros_is_an_error(tmp_path):
    data = CUT["JPEG"]
    (tmp_path / "zeros.jpg").write_bytes(data[: len(data) * 2 // 3] + bytes(20_000))
    fails(tmp_path / "zeros.jpg", "cut short")
    (tmp_path / "zeros.jpg").write_bytes(data + bytes(20_000))
    assert read_picture(tmp_path / "zeros.jpg").info.width == 64  # padding behind the end harms nothing


def test_truncation_is_called_by_its_name(tmp_path):
    for kind in ("JPEG", "PNG", "16-bit PNG", "16-bit PPM", "16-bit TIFF in planes", "BMP", "PPM"):
        data = CUT[kind]
        (tmp_path / "cut").write_bytes(data[: len(data) * 2 // 3])
        with pytest.raises(PictureError, match="cut short"):
            read_picture(tmp_path / "cut")


def test_size_limit_is_ours_alone(tmp_path):
    (tmp_path / "a.png").write_bytes(GOOD)
    assert read_picture(tmp_path / "a.png", max_pixels=64 * 64).image.shape[-1] == 64
    fails(tmp_path / "a.png", "64 x 64 pixels are over the limit", max_pixels=64 * 64 - 1)
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunk = b"\0\0\0\x0dIHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\x0aIDAT")
    fails(tmp_path / "bomb.png", "40000 x 40000 pixels are over the limit of 1000 megapixels")
    # Between Pillow's limit, at which it warns or refuses, and ours: opened without a word.
    (tmp_path / "large.png").write_bytes(saved(Image.new("1", (20_000, 15_000)), "PNG"))
    limit = Image.MAX_IMAGE_PIXELS
    assert probe(tmp_path / "large.png").width == 20_000
    assert limit == Image.MAX_IMAGE_PIXELS


def mutations(data, rng):
    """The file with bytes changed, a part cut out, doubled, or filled; headers are hit more often."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        reach = len(data) if rng.random() < 0.5 else min(len(data), 200)
        place = int(rng.integers(0, max(reach, 1)))
        kind = rng.integers(0, 5)
        if kind == 0:
            data[place : place + 1] = bytes([int(rng.integers(0, 256))])
        elif kind == 1:
            data[place : place + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"])
        elif kind == 2:
            del data[place : place + int(rng.integers(1, 50))]
        elif kind == 3:
            data[place:place] = data[place : place + int(rng.integers(1, 50))]
        else:
            data = data[: place + 1]
    return bytes(data)


def described(format, **options):
    """A picture with EXIF, a profile and a resolution to damage."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif[0x8769] = {0x8827: 400, 0x9003: "2026:01:02 03:04:05"}
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return saved(smooth(), format, exif=exif.tobytes(), icc_profile=icc, dpi=(300, 300), **options)


FRAMES = {"save_all": True, "append_images": [smooth().rotate(90), smooth().rotate(180)]}
SEEDS = {
    **{
        f"{mode} {format}": saved(smooth().convert("L").convert(mode), format)
        for format, modes in {
            "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
            "TIFF": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"),
            "PPM": ("1", "L", "RGB", "I;16", "F"),
            "BMP": ("1", "L", "P", "RGB"),
            "TGA": ("L", "P", "RGB", "RGBA"),
        }.items()
        for mode in modes
    },
    "group 4": saved(smooth().convert("1"), "TIFF", compression="group4"),
    "deflated 16-bit TIFF": tiff(np.asarray(smooth()).astype(np.uint16), photometric="rgb", compression="zlib"),
    **CUT,
    **{f"described {format}": described(format) for format in ("JPEG", "PNG", "TIFF", "WEBP", "AVIF")},
    **{f"animated {format}": saved(smooth(), format, **FRAMES) for format in ("GIF", "PNG", "WEBP", "TIFF", "MPO")},
    "CMYK JPEG": saved(smooth().convert("CMYK"), "JPEG"),
    "CMYK TIFF": saved(smooth().convert("CMYK"), "TIFF"),
    "palette PNG": saved(smooth().quantize(16), "PNG", transparency=bytes(16)),
    "ICO": saved(smooth(), "ICO"),
    "QOI": saved(smooth(), "QOI"),
}


@pytest.mark.parametrize("seed", range(2))
def test_fuzzed_files_give_a_picture_or_one_sentence(seed, tmp_path, capfd):
    rng = np.random.default_rng(seed)
    path = tmp_path / "fuzzed"
    pictures, sentences = 0, []
    for data in SEEDS.values():
        for _ in range(8):
            path.write_bytes(mutations(data, rng))
            start = time.monotonic()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", PictureWarning)
                try:
                    picture = read_picture(path, max_pixels=1_000_000)
                    assert 0 <= picture.image.min() <= picture.image.max() <= 1
                    assert picture.image.shape[-2:] == (picture.info.height, picture.info.width)
                    pictures += 1
                except PictureError as error:
                    sentences.append(str(error))
            assert time.monotonic() - start < 5
    assert pictures > 20
    assert len(sentences) > 20
    assert not any("\n" in sentence or "Attribute" in sentence for sentence in sentences)
    assert capfd.readouterr() == ("", "")


def tiff(tags, data):
    """A little-endian TIFF of these tags (number: type, values) with ``data`` behind them at offset 8."""
    import struct

    entries, tail, place = b"", b"", 8 + len(data) + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            entries += struct.pack("<HHII", tag, kind, len(values), place + len(tail))
            tail += packed
        else:
            entries += struct.pack("<HHI4s", tag, kind, len(values), packed)
    head = b"II\x2a\0" + struct.pack("<I", 8 + len(data))
    return head + data + struct.pack("<H", len(tags)) + entries + b"\0" * 4 + tail


def gray_tags(width, height, **changes):
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1]),
            273: (4, [8]), 278: (4, [height]), 279: (4, [width * height])}  # fmt: skip
    return tags | {int(k[1:]): v for k, v in changes.items()}


ROWS = bytes(range(16)) * 4


@pytest.mark.parametrize(
    "tags",
    [
        gray_tags(16, 8, t278=(4, [2]), t273=(4, [8, 40]), t279=(4, [32, 32])),  # two of four strips
        gray_tags(20_000, 20_000, t278=(4, [2])),  # one of ten thousand
        gray_tags(16, 4, t278=(4, [2]), t273=(4, [8, 0]), t279=(4, [32, 0])),  # a hole
        gray_tags(16, 4, t278=(4, [2]), t273=(4, [8, 60_000]), t279=(4, [32, 32])),  # behind the end
        gray_tags(32, 16, t322=(3, [16]), t323=(3, [16]), t324=(4, [8]), t325=(4, [256])),  # one of two tiles
        gray_tags(16, 4, t258=(3, [8, 8, 8]), t262=(3, [2]), t277=(3, [3]), t284=(3, [2])),  # one of three planes
    ],
)
def test_a_tiff_without_all_its_strips_is_cut_short(tmp_path, tags):
    (tmp_path / "gaps.tif").write_bytes(tiff(tags, ROWS))
    with pytest.raises(PictureError, match=r"gaps\.tif: the file is cut short\."):
        read_picture(tmp_path / "gaps.tif")


def test_a_tiff_with_all_its_strips_is_read(tmp_path):
    (tmp_path / "whole.tif").write_bytes(
        tiff(gray_tags(16, 4, t278=(4, [2]), t273=(4, [8, 40]), t279=(4, [32, 32])), ROWS)
    )
    (tmp_path / "most.tif").write_bytes(tiff(gray_tags(16, 4, t278=(4, [2**32 - 1])), ROWS))
    for name in ("whole.tif", "most.tif"):
        values = (read_picture(tmp_path / name).image[0, 0] * 255).round().byte().numpy().tobytes()
        assert values == ROWS

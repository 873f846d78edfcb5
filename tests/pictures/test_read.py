"""Reading: every kind of picture against the array it was made from, and every kind of broken file."""

import io
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from recolor_torch.pictures import PictureError, opening, probe, read_picture
from recolor_torch.pictures.read import PictureWarning

RNG = np.random.default_rng(0)
H, W = 13, 17
GRAY8, GRAY16 = RNG.integers(0, 256, (H, W), np.uint8), RNG.integers(0, 65536, (H, W), np.uint16)
RGB8, RGB16 = RNG.integers(0, 256, (H, W, 3), np.uint8), RNG.integers(0, 65536, (H, W, 3), np.uint16)
RGBA8, RGBA16 = RNG.integers(0, 256, (H, W, 4), np.uint8), RNG.integers(0, 65536, (H, W, 4), np.uint16)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def plain_png(pixels, *chunks, interlaced=0):
    """A PNG without row filters, made by the book and not by the code under test."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    rows = np.concatenate((np.zeros((height, 1), np.uint8), rows), axis=1)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, pixels.itemsize * 8, kind, 0, 0, interlaced)
    parts = [chunk(b"IHDR", header), *(chunk(*c) for c in chunks), chunk(b"IDAT", zlib.compress(rows.tobytes()))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def tiff(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def read(tmp_path, data, name="picture"):
    (tmp_path / name).write_bytes(data)
    info = probe(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert picture.info == info
    assert picture.image.shape == (1, 3, info.height, info.width)
    assert picture.image.dtype == torch.float32
    return picture


def read_noted(tmp_path, data):
    """Read what cannot be read without a note."""
    with pytest.warns(PictureWarning):
        return read(tmp_path, data)


def as_image(array):
    """What ``Picture.image`` must be for stored values; gray counts three times."""
    array = array[..., None] if array.ndim == 2 else array
    values = np.broadcast_to(array, (*array.shape[:2], 3)).astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    return torch.from_numpy(values.copy()).permute(2, 0, 1)[None]


def as_alpha(array):
    return as_image(array)[:, :1]


KINDS = {
    "gray 8 PNG": (saved(Image.fromarray(GRAY8), "PNG"), GRAY8, None, "gray"),
    "gray 8 TIFF": (saved(Image.fromarray(GRAY8), "TIFF"), GRAY8, None, "gray"),
    "gray 8 PGM": (saved(Image.fromarray(GRAY8), "PPM"), GRAY8, None, "gray"),
    "gray 8 BMP": (saved(Image.fromarray(GRAY8), "BMP"), GRAY8, None, "gray"),
    "gray 16 PNG": (plain_png(GRAY16[..., None]), GRAY16, None, "gray"),
    "gray 16 TIFF": (tiff(GRAY16, photometric="minisblack"), GRAY16, None, "gray"),
    "gray 16 TIFF big-endian": (tiff(GRAY16, photometric="minisblack", byteorder=">"), GRAY16, None, "gray"),
    "gray 16 TIFF deflated": (tiff(GRAY16, photometric="minisblack", compression="zlib"), GRAY16, None, "gray"),
    "gray 16 TIFF, white is zero": (tiff(65535 - GRAY16, photometric="miniswhite"), GRAY16, None, "gray"),
    "gray 8 TIFF, white is zero": (tiff(255 - GRAY8, photometric="miniswhite"), GRAY8, None, "gray"),
    "gray 16 PGM": (b"P5 17 13 65535\n" + GRAY16.astype(">u2").tobytes(), GRAY16, None, "gray"),
    "rgb 8 PNG": (saved(Image.fromarray(RGB8), "PNG"), RGB8, None, "rgb"),
    "rgb 8 TIFF LZW": (saved(Image.fromarray(RGB8), "TIFF", compression="tiff_lzw"), RGB8, None, "rgb"),
    "rgb 8 TIFF planes": (tiff(RGB8.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"), RGB8, None, "rgb"),
    "rgb 8 PPM": (saved(Image.fromarray(RGB8), "PPM"), RGB8, None, "rgb"),
    "rgb 8 BMP": (saved(Image.fromarray(RGB8), "BMP"), RGB8, None, "rgb"),
    "rgb 8 TGA": (saved(Image.fromarray(RGB8), "TGA"), RGB8, None, "rgb"),
    "rgb 8 WebP": (saved(Image.fromarray(RGB8), "WEBP", lossless=True), RGB8, None, "rgb"),
    "rgb 16 PNG": (plain_png(RGB16), RGB16, None, "rgb"),
    "rgb 16 PPM": (b"P6\n# a comment\n17 13\n65535\n" + RGB16.astype(">u2").tobytes(), RGB16, None, "rgb"),
    "rgb 16 PPM in words": (
        b"P3 17 13 65535\n" + b" ".join(b"%d" % v for v in RGB16.reshape(-1).tolist()), RGB16, None, "rgb",
    ),
    "LA 8 PNG": (plain_png(RGBA8[..., 2:]), RGBA8[..., 2], RGBA8[..., 3], "gray"),
    "LA 16 PNG": (plain_png(RGBA16[..., 2:]), RGBA16[..., 2], RGBA16[..., 3], "gray"),
    "LA 16 TIFF": (
        tiff(RGBA16[..., 2:], photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]),
        RGBA16[..., 2], RGBA16[..., 3], "gray",
    ),
    "rgba 8 PNG": (saved(Image.fromarray(RGBA8), "PNG"), RGBA8[..., :3], RGBA8[..., 3], "rgb"),
    "rgba 8 TIFF": (saved(Image.fromarray(RGBA8), "TIFF"), RGBA8[..., :3], RGBA8[..., 3], "rgb"),
    "rgba 8 WebP": (
        saved(Image.fromarray(RGBA8), "WEBP", lossless=True, exact=True), RGBA8[..., :3], RGBA8[..., 3], "rgb",
    ),
    "rgba 16 PNG": (plain_png(RGBA16), RGBA16[..., :3], RGBA16[..., 3], "rgb"),
    "rgba 16 TIFF": (
        tiff(RGBA16, photometric="rgb", extrasamples=["unassalpha"]), RGBA16[..., :3], RGBA16[..., 3], "rgb",
    ),
    "rgbx 16 TIFF": (tiff(RGBA16, photometric="rgb", extrasamples=["unspecified"]), RGBA16[..., :3], None, "rgb"),
    "1 bit PNG": (saved(Image.fromarray(GRAY8 > 99), "PNG"), (GRAY8 > 99) * np.uint8(255), None, "gray"),
    "1 bit TIFF G4": (
        saved(Image.fromarray(GRAY8 > 99), "TIFF", compression="group4"), (GRAY8 > 99) * np.uint8(255), None, "gray",
    ),
    "1 bit PBM": (saved(Image.fromarray(GRAY8 > 99), "PPM"), (GRAY8 > 99) * np.uint8(255), None, "gray"),
    "key color 8 PNG": (
        plain_png(RGB8, (b"tRNS", struct.pack(">3H", *RGB8[2, 3].tolist()))),
        RGB8, (RGB8[2, 3] != RGB8).any(-1) * np.uint8(255), "rgb",
    ),
    "key color 16 PNG": (
        plain_png(RGB16, (b"tRNS", struct.pack(">3H", *RGB16[2, 3].tolist()))),
        RGB16, (RGB16[2, 3] != RGB16).any(-1) * np.uint16(65535), "rgb",
    ),
    "key gray 16 PNG": (
        plain_png(GRAY16[..., None], (b"tRNS", struct.pack(">H", int(GRAY16[2, 3])))),
        GRAY16, (GRAY16[2, 3] != GRAY16) * np.uint16(65535), "gray",
    ),
}  # fmt: skip
for _order in "<>":
    for _compression in (None, "zlib", "lzw"):
        for _planes in ("contig", "separate"):
            if _compression == "lzw":
                continue
            _array = RGB16 if _planes == "contig" else RGB16.transpose(2, 0, 1)
            KINDS[f"rgb 16 TIFF {_order} {_compression} {_planes}"] = (
                tiff(_array, photometric="rgb", planarconfig=_planes, compression=_compression, byteorder=_order),
                RGB16, None, "rgb",
            )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_exact_values(kind, tmp_path):
    data, color, alpha, mode = KINDS[kind]
    picture = read(tmp_path, data)
    assert torch.equal(picture.image, as_image(color))
    assert (picture.alpha is None) == (alpha is None)
    assert alpha is None or torch.equal(picture.alpha, as_alpha(alpha))
    assert (picture.info.mode, picture.info.bits) == (mode, color.dtype.itemsize * 8)
    assert picture.info.lossless
    assert picture.notes == ()


def test_16_bit_tiff_with_strips_tiles_and_differences(tmp_path):
    big = RNG.integers(0, 65536, (70, 50, 3), np.uint16)
    for options in ({"rowsperstrip": 7}, {"tile": (16, 32)}, {"predictor": True, "compression": "zlib"}):
        assert torch.equal(read(tmp_path, tiff(big, photometric="rgb", **options)).image, as_image(big))


def test_interlaced_16_bit_png(tmp_path):
    pixel = plain_png(RGB16[:1, :1], interlaced=1)  # of one pixel, Adam7 has one pass
    assert torch.equal(read(tmp_path, pixel).image, as_image(RGB16[:1, :1]))


def test_palette_with_and_without_transparency(tmp_path):
    image = Image.fromarray(RGB8).quantize(16)
    truth = np.asarray(image.convert("RGB"))
    picture = read(tmp_path, saved(image, "PNG"))
    assert torch.equal(picture.image, as_image(truth))
    assert picture.alpha is None
    assert picture.info.mode == "palette"
    strengths = bytes(range(0, 256, 17))
    picture = read(tmp_path, saved(image, "PNG", transparency=strengths))
    assert torch.equal(picture.image, as_image(truth))
    assert torch.equal(picture.alpha, as_alpha(np.frombuffer(strengths, np.uint8)[np.asarray(image)]))
    picture = read(tmp_path, saved(image, "GIF", transparency=3))
    visible = torch.from_numpy(np.asarray(image) != 3)[None, None]
    assert torch.equal(picture.alpha, visible.float())
    assert torch.equal(picture.image * visible, as_image(truth) * visible)


def test_premultiplied_color_is_divided(tmp_path):
    alpha = np.full((H, W, 1), 32768, np.uint16)
    stored = np.concatenate((RGB16 // 2, alpha), axis=2)
    picture = read(tmp_path, tiff(stored, photometric="rgb", extrasamples=["assocalpha"]))
    torch.testing.assert_close(picture.image, as_image(RGB16), atol=3 / 65535, rtol=0)


def test_jpeg_is_what_pillow_decodes(tmp_path):
    data = saved(Image.fromarray(RGB8), "JPEG", quality=90)
    picture = read(tmp_path, data)
    assert torch.equal(picture.image, as_image(np.asarray(Image.open(io.BytesIO(data)))))
    assert (picture.info.format, picture.info.lossless) == ("JPEG", False)
    assert not read(tmp_path, saved(Image.fromarray(RGB8), "WEBP", quality=80)).info.lossless


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_without_profile(format, tmp_path):
    cmyk = np.zeros((16, 16, 4), np.uint8)
    cmyk[:8, :, 0] = 255  # cyan above, half black below
    cmyk[8:, :, 3] = 128
    picture = read(tmp_path, saved(Image.frombytes("CMYK", (16, 16), cmyk.tobytes()), format))
    assert picture.info.mode == "cmyk"
    torch.testing.assert_close(picture.image[0, :, 2, 2], torch.tensor([0.0, 1.0, 1.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(picture.image[0, :, 12, 2], torch.full((3,), 127 / 255), atol=0.02, rtol=0)


def test_ycck_jpeg(tmp_path):
    """Adobe's YCCK is CMYK with its first three channels as YCbCr: the same numbers under another transform flag."""
    gray = saved(Image.frombytes("CMYK", (16, 16), bytes([0, 0, 0, 100]) * 256), "JPEG", quality=100)
    place = gray.index(b"Adobe\0")
    assert gray[place + 11] == 0
    ycck = gray[: place + 11] + b"\x02" + gray[place + 12 :]
    # Adobe stores CMYK inverted: (0, 0, 0) as 255 each. Read as Y, Cb, Cr, that is this RGB, which is CMY.
    picture, plain = read(tmp_path, ycck), read(tmp_path, gray)
    y, cb, cr = 255.0, 127.0, 127.0
    stored = np.array([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb]).clip(0, 255)
    expected = (1 - stored / 255) * (155 / 255)
    assert np.allclose(picture.image[0, :, 3, 3], expected, atol=0.02)
    assert torch.allclose(plain.image[0, :, 3, 3], torch.tensor(155 / 255), atol=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_once(orientation, format, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif} | ({"lossless": True} if format == "WEBP" else {})
    data = saved(Image.fromarray(RGB8), format, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    picture = read(tmp_path, data)
    assert torch.equal(picture.image, as_image(np.asarray(upright.convert("RGB"))))
    assert (picture.info.width, picture.info.height) == ((W, H) if orientation < 5 else (H, W))
    reset = Image.Exif()
    reset.load(picture.exif)
    assert reset[0x0112] == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_orientation_of_16_bit_tiff_with_alpha(orientation, planes, tmp_path):
    array = RGBA16 if planes == "contig" else RGBA16.transpose(2, 0, 1)
    tag = [(274, 3, 1, orientation, True)]
    data = tiff(array, photometric="rgb", extrasamples=["unassalpha"], planarconfig=planes, extratags=tag)
    exif = Image.Exif()
    exif[0x0112] = orientation
    eight = (RGBA16 >> 8).astype(np.uint8)
    truth = ImageOps.exif_transpose(Image.open(io.BytesIO(saved(Image.fromarray(eight), "PNG", exif=exif))))
    picture = read(tmp_path, data)
    first_bytes = torch.cat((picture.image, picture.alpha), dim=1)[0].permute(1, 2, 0).mul(65535).round().int() >> 8
    assert np.array_equal(first_bytes.numpy(), np.asarray(truth))


def test_exif_behind_the_pixels_of_a_png(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    late = plain_png(RGB8)
    body = exif.tobytes()[6:]
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    picture = read(tmp_path, late[:-12] + chunk + late[-12:])
    assert picture.info.width == H


def test_first_frame_of_animations_and_documents(tmp_path):
    frames = [Image.fromarray(np.full((H, W, 3), v, np.uint8)) for v in (40, 200, 90)]
    for format, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {}), ("AVIF", {})):
        data = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
        with pytest.warns(PictureWarning, match="The first of 3 pages or frames was read"):
            picture = read(tmp_path, data)
        torch.testing.assert_close(picture.image, as_image(np.asarray(frames[0])), atol=0.02, rtol=0)
    picture = read(tmp_path, saved(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert picture.info.format == "MPO"
    torch.testing.assert_close(picture.image, as_image(np.asarray(frames[0])), atol=0.02, rtol=0)


def test_floating_point_tiff(tmp_path):
    values = RNG.random((H, W), dtype=np.float32)
    picture = read_noted(tmp_path, saved(Image.fromarray(values), "TIFF"))
    torch.testing.assert_close(picture.image[0, 0], torch.from_numpy(values), atol=1e-5, rtol=0)
    assert picture.info.bits == 16
    color = RNG.random((H, W, 3)).astype(np.float32)
    for dtype in (np.float16, np.float32, np.float64):
        picture = read_noted(tmp_path, tiff(color.astype(dtype), photometric="rgb"))
        torch.testing.assert_close(
            picture.image[0].permute(1, 2, 0),
            torch.from_numpy(color),
            atol=1e-3 if dtype == np.float16 else 1e-5,
            rtol=0,
        )


def test_floating_point_that_is_not_in_0_1_is_said(tmp_path):
    values = np.array([[0.0, np.nan, np.inf], [-1.0, 100.0, 255.0]], np.float32)
    with pytest.warns(PictureWarning) as caught:
        picture = read(tmp_path, saved(Image.fromarray(values), "TIFF"))
    expected = torch.tensor([[0.0, 0.0, 1.0], [0.0, 100 / 255, 1.0]])
    torch.testing.assert_close(picture.image[0, 0], expected, atol=1e-5, rtol=0)
    said = " ".join(str(warning.message) for warning in caught)
    assert "read as 0 to 255" in said
    assert "NaN was read as black" in said
    assert "below 0 were read as black" in said
    assert len(picture.notes) == 4


@pytest.mark.parametrize(("white", "top"), [(1, 1.003), (1, 4.0), (1, 1e6), (255, 255.7), (255, 900.0), (65535, 66e3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_floats_that_overshoot_their_white_are_not_black(white, top, channels, tmp_path):
    values = np.linspace(0, 1, 24 * 30, dtype=np.float32).reshape(24, 30) * white
    values[5, 5] = top
    stored = np.repeat(values[..., None], channels, 2).squeeze()
    picture = read_noted(tmp_path, tiff(stored, photometric="rgb" if channels == 3 else "minisblack"))
    expected = torch.from_numpy((values / white).clip(0, 1))
    torch.testing.assert_close(picture.image[0, -1], expected, atol=1e-4, rtol=0)
    assert "was read as white" in " ".join(picture.notes)


def test_scene_light_is_fitted_to_the_brightest(tmp_path):
    values = np.linspace(0, 4, 24 * 30, dtype=np.float32).reshape(24, 30)
    picture = read_noted(tmp_path, tiff(values, photometric="minisblack"))
    torch.testing.assert_close(picture.image[0, 0], torch.from_numpy(values / 4), atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32"])
@pytest.mark.parametrize("negative", [False, True])
def test_integers_keep_the_order_of_tones(dtype, negative, tmp_path):
    info = np.iinfo(dtype)
    low = info.min if negative else 0
    values = np.linspace(low, info.max, 200).clip(low, info.max).astype(dtype).reshape(10, 20)
    picture = read_noted(tmp_path, tiff(values, photometric="minisblack"))
    tones = picture.image[0, 0].flatten()
    torch.testing.assert_close(tones, torch.linspace(0, 1, 200), atol=1 / 127, rtol=0)
    assert (tones.diff() >= 0).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_clear_gray_of_a_png_counts_in_its_own_levels(bits, tmp_path):
    """PNG 11.3.2.1: a key is stored at the file's own depth; by hand, because Pillow writes 8 bits alone."""
    top = 2**bits - 1
    row = np.array([0, 1, top - 1, top]) if bits > 1 else np.array([0, 1, 1, 0])
    digits = "".join(f"{v:0{bits}b}" for v in row)
    packed = bytes(int(digits.ljust(-(-len(digits) // 8) * 8, "0")[i : i + 8], 2) for i in range(0, len(digits), 8))
    data = b"\x89PNG\r\n\x1a\n"
    head = struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)
    chunks = (
        (b"IHDR", head),
        (b"tRNS", struct.pack(">H", 1)),
        (b"IDAT", zlib.compress(b"\0" + packed)),
        (b"IEND", b""),
    )
    for name, body in chunks:
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    picture = read(tmp_path, data)
    assert torch.equal(picture.alpha.flatten(), torch.from_numpy(row != 1).float())
    torch.testing.assert_close(picture.image[0, 0, 0], torch.from_numpy(row / top).float())


def test_a_thumbnail_in_front_is_not_the_picture(tmp_path):
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        file.write(RGB8[::2, ::2], photometric="rgb", subfiletype=1)
        file.write(RGB8, photometric="rgb", subfiletype=0)
    with pytest.warns(PictureWarning, match="2 pages"):
        picture = read_picture(tmp_path / "two.tif")
    assert torch.equal(picture.image, as_image(RGB8))
    assert (probe(tmp_path / "two.tif").width, probe(tmp_path / "two.tif").height) == (W, H)


@pytest.mark.parametrize("how", ["DNG", "SubIFD", "suffix"])
def test_a_preview_of_camera_raw_is_not_the_picture(how, tmp_path):
    path = tmp_path / ("scan.nef" if how == "suffix" else "scan.tif")
    tags = [(50706, "B", 4, b"\1\4\0\0", True)] if how == "DNG" else []
    with tifffile.TiffWriter(path) as file:
        kind = {"SubIFD": {"subfiletype": 1, "subifds": 1}}.get(how, {})
        file.write(RGB8[::2, ::2], photometric="rgb", extratags=tags, **kind)
        if how == "SubIFD":
            file.write(RGB8, photometric="rgb")
    with pytest.raises(PictureError, match="camera's raw file"):
        read_picture(path)


def test_32_bit_integers(tmp_path):
    small = GRAY16.astype(np.int32)
    assert torch.equal(read(tmp_path, saved(Image.fromarray(small), "TIFF")).image, as_image(GRAY16))
    wide = (GRAY16.astype(np.int64) << 15).astype(np.int32)
    torch.testing.assert_close(
        read_noted(tmp_path, saved(Image.fromarray(wide), "TIFF")).image, as_image(GRAY16), atol=1e-4, rtol=0
    )
    color = RGB16.astype(np.uint32) * 65537
    assert torch.equal(read_noted(tmp_path, tiff(color, photometric="rgb")).image, as_image(RGB16))


def test_lab_tiff(tmp_path):
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (W, H), (200, 90, 40)),
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB",
    )  # fmt: skip
    picture = read(tmp_path, saved(lab, "TIFF"))
    assert torch.allclose(picture.image[0, :, 0, 0] * 255, torch.tensor([200.0, 90.0, 40.0]), atol=3)


def test_resolution(tmp_path):
    for format in ("PNG", "JPEG", "TIFF", "BMP"):
        dpi = read(tmp_path, saved(Image.fromarray(RGB8), format, dpi=(300, 150))).dpi
        assert np.allclose(dpi, (300, 150), atol=0.1)
    assert read(tmp_path, saved(Image.fromarray(RGB8), "PNG")).dpi is None


def test_threads(tmp_path):
    for i, (data, *_) in enumerate(KINDS.values()):
        (tmp_path / str(i)).write_bytes(data)
    truth = [read_picture(tmp_path / str(i)).image for i in range(len(KINDS))]
    limit = Image.MAX_IMAGE_PIXELS
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda i: read_picture(tmp_path / str(i)).image, list(range(len(KINDS))) * 5))
    assert all(torch.equal(a, truth[i % len(KINDS)]) for i, a in enumerate(again))
    assert limit == Image.MAX_IMAGE_PIXELS
    assert threading.active_count() < 20


@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 3, 4]),
    st.sampled_from([np.uint8, np.uint16]), st.integers(0, 2**32),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_png_of_any_size(tmp_path_factory, height, width, channels, dtype, seed):
    pixels = np.random.default_rng(seed).integers(
        0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True
    )
    path = tmp_path_factory.mktemp("png")
    picture = read(path, plain_png(pixels))
    colors = channels - (channels in (2, 4))
    assert torch.equal(picture.image, as_image(pixels[..., :colors]))


def test_first_bytes_of_one_kind_do_not_shut_out_the_others(tmp_path, monkeypatch):
    """A file that its first bytes name is asked for by that kind alone; what that cannot read, the others may."""
    path = tmp_path / "a.jpg"
    Image.new("L", (9, 7), 80).save(path)
    asked, plain = [], Image.open

    def spy(file, formats=None):
        asked.append(formats)
        return plain(file, formats=formats)

    monkeypatch.setattr(Image, "open", spy)
    assert probe(path).width == 9
    assert asked == [("JPEG",)]
    monkeypatch.setitem(opening._KINDS, b"\xff\xd8\xff", "PNG")
    assert probe(path).format == "JPEG"
    assert asked == [("JPEG",), ("PNG",), None]

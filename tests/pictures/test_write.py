"""Writing: what was read comes back, pixel by pixel and word by word."""

import dataclasses
import io
import os
import struct
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

from recolor_torch.pictures import Picture, PictureError, PictureInfo, copy_unchanged, read_picture, write_picture
from recolor_torch.pictures.encode import write_png
from recolor_torch.pictures.encode_tiff import write_tiff
from recolor_torch.pictures.formats import output_suffix
from recolor_torch.pictures.raster import Raster
from recolor_torch.pictures.write import write_rows

LOSSLESS = [".png", ".tif", ".ppm"]
H, W = 11, 14


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def swapped_profile():
    """A profile with other primaries than sRGB: littleCMS's sRGB with red and green exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")


def random_image(channels=3, bits=8, height=H, width=W, seed=0):
    generator = torch.Generator().manual_seed(seed)
    top = 2**bits - 1
    return (torch.randint(0, top + 1, (1, channels, height, width), generator=generator) / top).float()


def picture(path, bits=8, alpha=False, **options):
    """A picture as if read from a file of that depth."""
    info = PictureInfo(path, W, H, "PNG", bits, "rgb", options.pop("lossless", True))
    a = random_image(1, bits, seed=1) if alpha else None
    return Picture(random_image(3, bits), a, info, **options)


def exif_of(**tags):
    exif = Image.Exif()
    for tag, value in {0x010F: "Maker", 0x0110: "Camera 1", 0x0132: "2026:01:02 03:04:05", 0x0112: 1}.items():
        exif[tag] = value
    exif[0x8769] = {0x829A: TiffImagePlugin.IFDRational(1, 250), 0x8827: 400, 0x9003: "2026:01:02 03:04:05"}
    exif[0x8825] = {1: "N", 2: (48.0, 30.0, 0.0)}
    return exif.tobytes()


@pytest.mark.parametrize("suffix", [*LOSSLESS, ".bmp", ".webp"])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_lossless_formats_give_the_pixels_back(suffix, alpha, bits, tmp_path):
    like = picture(tmp_path / "in", bits, alpha)
    write_picture(tmp_path / f"out{suffix}", like.image, like)
    back = read_picture(tmp_path / f"out{suffix}")
    kept = bits if suffix in LOSSLESS else 8
    assert back.info.bits == kept
    scale = 2**kept - 1
    assert torch.equal((back.image * scale).round(), (like.image * scale).round())
    assert (back.alpha is not None) == (alpha and suffix != ".ppm")
    if back.alpha is not None:
        assert torch.equal((back.alpha * scale).round(), (like.alpha * scale).round())
    assert back.info.lossless


@given(
    bits=st.sampled_from([8, 16]), suffix=st.sampled_from(LOSSLESS), alpha=st.booleans(),
    height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 2**31), smooth=st.booleans(),
)  # fmt: skip
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_write_read_is_the_identity(tmp_path, bits, suffix, alpha, height, width, seed, smooth):
    image = random_image(3, bits, height, width, seed)
    if smooth:  # rows that other filters suit best
        image = torch.nn.functional.avg_pool2d(image, 3, 1, 1)
    info = PictureInfo(tmp_path, width, height, "PNG", bits, "rgb", True)
    first = Picture(image, random_image(1, bits, height, width, seed + 1) if alpha else None, info)
    write_picture(tmp_path / f"a{suffix}", image, first)
    once = read_picture(tmp_path / f"a{suffix}")
    write_picture(tmp_path / f"b{suffix}", once.image, once)
    twice = read_picture(tmp_path / f"b{suffix}")
    assert torch.equal(once.image, twice.image)
    assert (once.image - image).abs().max() <= 0.51 / (2**bits - 1)
    assert once.info.bits == bits
    assert (once.alpha is None) == (twice.alpha is None)
    assert once.alpha is None or torch.equal(once.alpha, twice.alpha)
    copy_unchanged(tmp_path / f"a{suffix}", tmp_path / f"c{suffix}", once)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"c{suffix}").read_bytes()
    copy_unchanged(tmp_path / f"a{suffix}", tmp_path / "d.png", once)
    assert torch.equal(read_picture(tmp_path / "d.png").image, once.image)


def decode_png(data):
    """A PNG decoder by the book (PNG 9.2), one byte at a time."""
    width, height, bits, kind = struct.unpack(">IIBB", data[16:26])
    place, packed = 8, b""
    while place < len(data):
        size, name = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + size]
        assert data[place + 8 + size : place + 12 + size] == struct.pack(">I", zlib.crc32(name + body))
        packed += body if name == b"IDAT" else b""
        place += 12 + size
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[kind]
    step = channels * bits // 8
    raw, size = zlib.decompress(packed), width * step
    above, rows = [0] * size, []
    for top in range(0, len(raw), size + 1):
        row = list(raw[top + 1 : top + 1 + size])
        for i in range(size):
            a, b, c = row[i - step] if i >= step else 0, above[i], above[i - step] if i >= step else 0
            nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            row[i] = (row[i] + (0, a, b, (a + b) // 2, nearest)[raw[top]]) % 256
        above = row
        rows.append(row)
    values = np.array(rows, np.uint8).view(f">u{bits // 8}").reshape(height, width, channels)
    return values.astype(values.dtype.newbyteorder("="))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_encoders_against_other_readers(dtype, channels):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, np.iinfo(dtype).max, (40, 30, channels), dtype, endpoint=True)
    pixels[10:30] = np.cumsum(pixels[10:30] // 64, axis=1, dtype=dtype)  # smooth rows next to rough ones
    file = io.BytesIO()
    write_tiff(file, pixels, dpi=(300, 150), icc=b"some bytes")
    file.seek(0)
    page = tifffile.TiffFile(file).pages[0]
    assert np.array_equal(page.asarray().reshape(pixels.shape), pixels)
    assert page.tags["XResolution"].value == (300, 1)
    assert page.tags["InterColorProfile"].value == b"some bytes"
    png = io.BytesIO()
    write_png(png, pixels)
    assert np.array_equal(decode_png(png.getvalue()), pixels)


def test_encoders_in_many_strips(monkeypatch):
    monkeypatch.setattr("recolor_torch.pictures.encode._BAND", 500)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 31, 3), np.uint8)
    for write in (write_tiff, write_png):
        file = io.BytesIO()
        write(file, pixels)
        assert np.array_equal(np.asarray(Image.open(file)), pixels)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_exif_and_resolution_come_back(suffix, bits, tmp_path):
    like = picture(tmp_path, bits, exif=exif_of(), dpi=(300.0, 150.0))
    write_picture(tmp_path / f"out{suffix}", like.image, like, description="recolor_torch 1, levin")
    with Image.open(tmp_path / f"out{suffix}") as out:
        exif = out.getexif()
        assert (exif[0x010F], exif[0x0110], exif[0x0132]) == ("Maker", "Camera 1", "2026:01:02 03:04:05")
        assert exif[0x0131] == "recolor_torch 1, levin"
        assert exif.get(0x0112, 1) == 1
        inner, gps = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
        assert (float(inner[0x829A]), inner[0x8827], inner[0x9003]) == (0.004, 400, "2026:01:02 03:04:05")
        assert (gps[1], tuple(map(float, gps[2]))) == ("N", (48.0, 30.0, 0.0))
        if suffix != ".webp":
            assert np.allclose([float(v) for v in out.info["dpi"]], (300, 150), atol=0.05)
        if suffix == ".png":
            assert out.text["Software"] == "recolor_torch 1, levin"
    back = read_picture(tmp_path / f"out{suffix}")
    write_picture(tmp_path / f"again{suffix}", back.image, back)
    assert read_picture(tmp_path / f"again{suffix}").exif == back.exif


@pytest.mark.parametrize("source", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_metadata_moves_between_formats(source, suffix, tmp_path):
    """Above all, tags that say how a TIFF stores its pixels must not follow into another file."""
    image = Image.fromarray((random_image()[0].permute(1, 2, 0) * 255).byte().numpy())
    options = {"lossless": True} if source == "WEBP" else {}
    exif = Image.Exif()
    exif.load(exif_of())
    exif[0x0112] = 6
    image.save(tmp_path / "in", source, exif=exif.tobytes(), dpi=(200, 200), **options)
    like = read_picture(tmp_path / "in")
    assert like.image.shape[-2:] == (W, H)
    write_picture(tmp_path / f"out{suffix}", like.image, like)
    back = read_picture(tmp_path / f"out{suffix}")
    assert back.image.shape == like.image.shape
    if suffix in LOSSLESS:
        assert torch.equal(back.image, like.image)
    with Image.open(tmp_path / f"out{suffix}") as out:
        assert out.getexif()[0x0110] == "Camera 1"
        assert ImageOps.exif_transpose(out).size == out.size
        assert suffix == ".tif" or 0x0111 not in out.getexif()


def test_no_metadata_where_there_was_none(tmp_path):
    for suffix in (".png", ".jpg", ".webp"):
        write_picture(tmp_path / f"a{suffix}", random_image())
        with Image.open(tmp_path / f"a{suffix}") as out:
            assert not out.getexif()
            assert not {"icc_profile", "exif"} & set(out.info)


def test_jpeg_is_written_well(tmp_path):
    write_picture(tmp_path / "a.jpg", random_image(height=64, width=64))
    with Image.open(tmp_path / "a.jpg") as out:
        assert [layer[1:3] for layer in out.layer] == [(1, 1)] * 3  # 4:4:4
        quality_95 = io.BytesIO()
        Image.new("RGB", (8, 8)).save(quality_95, "JPEG", quality=95)
        assert out.quantization == Image.open(quality_95).quantization


def test_webp_is_lossless_where_the_input_was(tmp_path):
    for lossless in (True, False):
        like = picture(tmp_path, lossless=lossless, alpha=True)
        write_picture(tmp_path / "a.webp", like.image, like)
        back = read_picture(tmp_path / "a.webp")
        assert back.info.lossless == lossless
        assert torch.equal(back.image, like.image) == lossless


def test_any_float_image(tmp_path, device, dtype):
    image = torch.tensor([-1.0, 0.5, 2.0, float("nan")], device=device, dtype=dtype).repeat(3, 1, 1)
    for form in (image, image[None], image.bfloat16(), image.clone().requires_grad_()):
        write_picture(tmp_path / "a.png", form)
        with Image.open(tmp_path / "a.png") as out:
            assert np.asarray(out)[0, :, 0].tolist() == [0, 128, 255, 0]


def test_a_wrong_image_is_refused(tmp_path):
    with pytest.raises(TypeError, match="floating point"):
        write_picture(tmp_path / "a.png", torch.zeros(3, 4, 4, dtype=torch.uint8))
    for shape in ((1, 4, 4), (2, 3, 4, 4), (4, 4)):
        with pytest.raises(ValueError, match="image must have shape"):
            write_picture(tmp_path / "a.png", torch.zeros(shape))
    with pytest.raises(ValueError, match="size of its alpha"):
        write_picture(tmp_path / "a.png", torch.zeros(3, 4, 4), picture(tmp_path, alpha=True))
    assert list(tmp_path.iterdir()) == []


def fails(path, match, image=None):
    with pytest.raises(PictureError, match=match) as caught:
        write_picture(path, torch.zeros(3, 4, 4) if image is None else image)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_what_cannot_be_written(tmp_path, monkeypatch):
    fails(tmp_path / "a.gif", "Known kinds: .png, .jpg")
    fails(tmp_path / "a", "cannot write pictures of the kind ''")
    fails(tmp_path / "none" / "a.png", "No such file")
    (tmp_path / "folder.png").mkdir()
    fails(tmp_path / "folder.png", "directory")
    fails(tmp_path / "a.webp", "at most 16383 pixels a side, the picture has 16384 x 1", torch.zeros(3, 1, 16384))
    fails(tmp_path / "a.jpg", "at most 65500", torch.zeros(3, 65501, 1))
    fails(tmp_path / ("a" * 300 + ".png"), "name too long")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    fails(tmp_path / "a.png", "No space left on device")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.png"]


def info(format, **changes):
    return dataclasses.replace(PictureInfo(None, 1, 1, format, 8, "rgb", True), **changes)


def test_output_suffix():
    kept = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp", "MPO": ".jpg"}
    assert {f: output_suffix(info(f)) for f in kept} == kept
    assert {output_suffix(info(f), "auto") for f in ("GIF", "PPM", "TGA", "JPEG2000", "ICO", "AVIF")} == {".png"}
    assert output_suffix(info("GIF"), "jpg") == ".jpg"
    with pytest.raises(ValueError, match="Known formats: auto, jpg, png, tif, webp"):
        output_suffix(info("PNG"), "gif")


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return read_picture(path)


def test_unchanged_copies_bytes_where_the_format_stays(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    for name, format in (
        ("a.jpg", "JPEG"),
        ("a.JPEG", "JPEG"),
        ("a.webp", "WEBP"),
        ("a.tif", "TIFF"),
        ("a.png", "PNG"),
    ):
        like = save(tmp_path / name, pixels, format=format)
        target = tmp_path / ("out" + output_suffix(like.info))
        copy_unchanged(tmp_path / name, target, like)
        assert target.read_bytes() == (tmp_path / name).read_bytes()


def test_unchanged_keeps_pixels_in_another_format(tmp_path):
    rng = np.random.default_rng(0)
    icc = swapped_profile()
    for shape in ((H, W), (H, W, 3), (H, W, 4)):
        pixels = rng.integers(0, 256, shape, np.uint8)
        options = {"icc_profile": icc} if len(shape) == 3 else {}
        for target in (".tif", ".png", ".webp", ".bmp"):
            source = tmp_path / ("in.tif" if target == ".png" else "in.png")
            like = save(source, pixels, **options)
            copy_unchanged(source, tmp_path / f"out{target}", like)
            with Image.open(tmp_path / f"out{target}") as out:
                written = np.asarray(out.convert("L") if len(shape) == 2 else out)
                assert np.array_equal(written, pixels)
                assert target == ".bmp" or out.info.get("icc_profile") == options.get("icc_profile")
    deep = rng.integers(0, 65536, (H, W, 4), np.uint16)
    with (tmp_path / "deep.png").open("wb") as file:
        write_png(file, deep, icc=icc)
    copy_unchanged(tmp_path / "deep.png", tmp_path / "deep.tif", read_picture(tmp_path / "deep.png"))
    with tifffile.TiffFile(tmp_path / "deep.tif") as tiff:
        assert np.array_equal(tiff.pages[0].asarray(), deep)
        assert tiff.pages[0].tags["InterColorProfile"].value == icc


def test_unchanged_turns_the_picture_where_the_format_changes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    like = save(tmp_path / "a.png", pixels, exif=exif)
    copy_unchanged(tmp_path / "a.png", tmp_path / "a.tif", like)
    with Image.open(tmp_path / "a.tif") as out:
        assert np.array_equal(np.asarray(out), np.rot90(pixels, -1))


def test_real_photographs_come_back(shared, tmp_path):
    files = sorted((shared / "data" / "photos").rglob("*.*"))
    files = [f for f in files if f.suffix in (".png", ".jpg")][::40]
    assert files
    for file in files:
        like = read_picture(file)
        out = tmp_path / f"out{output_suffix(like.info)}"
        write_picture(out, like.image, like)
        back = read_picture(out)
        assert back.image.shape == like.image.shape
        difference = (back.image - like.image).abs()
        assert difference.max() == 0 if like.info.lossless else difference.mean() < 0.01


class FullDisk:
    """A file on a full disk, whose descriptor takes more than the disk holds (as a page of memory does)."""

    def __init__(self, file):
        self.file = file

    def fileno(self):
        return self.file.fileno()

    def flush(self):
        self.file.flush()

    def write(self, data):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "BMP"])
def test_a_full_disk_is_noticed(tmp_path, format):
    from recolor_torch.pictures.carry import find_carried
    from recolor_torch.pictures.write import _write_with_pillow

    pixels = np.zeros((8, 8, 3), np.uint8)
    with (tmp_path / "x").open("wb") as file, pytest.raises(OSError, match="No space left"):
        _write_with_pillow(FullDisk(file), format, pixels, None, find_carried(None, format), None, False)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("tile", [None, (16, 16), (32, 64)])
def test_strips_and_tiles_are_read_by_others(channels, dtype, tile, tmp_path):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (50, 70, channels)).astype(dtype)
    bands = Raster(pixels.shape, pixels.dtype, (pixels[a : a + 7] for a in range(0, 50, 7)))
    with (tmp_path / "a.tif").open("wb") as file:
        write_tiff(file, bands, tile=tile, dpi=(300, 300))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        page = tiff.pages[0]
        assert np.array_equal(page.asarray().reshape(pixels.shape), pixels)
        assert page.is_tiled == (tile is not None)
        assert not tile or (page.tilelength, page.tilewidth) == tile


def test_strips_have_about_a_megabyte(tmp_path):
    pixels = np.zeros((3000, 1000, 3), np.uint8)
    with (tmp_path / "a.tif").open("wb") as file:
        write_tiff(file, pixels)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages[0].rowsperstrip == 349
        assert len(tiff.pages[0].dataoffsets) == 9


def test_bigtiff_where_offsets_would_not_do(tmp_path, monkeypatch):
    monkeypatch.setattr("recolor_torch.pictures.encode_tiff._MOST", 1000)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    with (tmp_path / "a.tif").open("wb") as file:
        write_tiff(file, pixels, icc=b"some bytes")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_bigtiff
        assert np.array_equal(tiff.asarray(), pixels)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.tif")), pixels)


def test_a_tiled_tiff_comes_back_in_tiles(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (100, 90, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", pixels, tile=(32, 48), photometric="rgb", compression="zlib")
    like = read_picture(tmp_path / "in.tif")
    assert like.info.tile == (32, 48)
    write_picture(tmp_path / "out.tif", like.image, like)
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert (tiff.pages[0].tilelength, tiff.pages[0].tilewidth) == (32, 48)
        assert np.array_equal(tiff.asarray(), pixels)
    write_picture(tmp_path / "out.png", like.image, like)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), pixels)


def resolution(unit, x, y):
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = x, y, unit
    return exif


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png", ".tif"])
def test_resolution_is_found_in_exif_and_keeps_its_unit(suffix, tmp_path):
    gray = Image.new("RGB", (8, 8), (90, 90, 90))
    gray.save(tmp_path / "in.webp", exif=resolution(2, 300.0, 150.0))
    like = read_picture(tmp_path / "in.webp")
    assert like.dpi == (300, 150)
    write_picture(tmp_path / f"out{suffix}", like.image, like)
    assert read_picture(tmp_path / f"out{suffix}").dpi == pytest.approx((300, 150), abs=0.02)
    gray.save(tmp_path / "none.jpg", exif=resolution(1, 1.0, 1.0))
    like = read_picture(tmp_path / "none.jpg")
    assert like.dpi is None
    write_picture(tmp_path / f"none{suffix}", like.image, like)
    assert read_picture(tmp_path / f"none{suffix}").dpi is None
    with Image.open(tmp_path / f"none{suffix}") as image:
        assert image.getexif()[296] == 1


def test_a_scan_gives_the_rows_of_the_picture(tmp_path):
    from recolor_torch.pictures.read import read_scan

    pixels = np.random.default_rng(0).integers(0, 65536, (21, 10, 3)).astype(np.uint16)
    with (tmp_path / "a.png").open("wb") as file:
        write_png(file, pixels)
    scan, whole = read_scan(tmp_path / "a.png"), read_picture(tmp_path / "a.png")
    assert scan.size == (21, 10)
    assert torch.equal(torch.cat([scan.rows(0, 8), scan.rows(8, 21)], 2), whole.image)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".webp"])
def test_the_same_bytes_where_there_are_no_files_in_memory(tmp_path, monkeypatch, suffix):
    image = random_image()
    write_picture(tmp_path / f"a{suffix}", image)
    monkeypatch.delattr(os, "memfd_create", raising=False)
    write_picture(tmp_path / f"b{suffix}", image)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
def test_other_threads_go_on_while_a_jpeg_is_encoded(tmp_path, monkeypatch):
    """Pillow keeps Python's lock while it encodes into anything but a file of the system's."""
    pixels = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)

    def turns():
        thread = threading.Thread(target=write_rows, args=(tmp_path / "a.jpg", [pixels], (1500, 1500)))
        thread.start()
        count = 0
        while thread.is_alive():
            time.sleep(0.0005)
            count += 1
        return count

    without_lock = max(turns() for _ in range(3))
    monkeypatch.delattr(os, "memfd_create")
    assert without_lock > 2 * max(turns() for _ in range(3))

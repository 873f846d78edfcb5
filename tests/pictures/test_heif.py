"""HEIC files, as phones write them, read with pillow-heif."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from recolor_torch.pictures import read_picture, write_picture

pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC takes pillow-heif")

Y, X = np.mgrid[0:48, 0:64]
COLORS = np.stack([X * 4, Y * 5, (X + Y) * 2], -1).astype(np.uint8)


@pytest.fixture(autouse=True)
def _opener():
    pillow_heif.register_heif_opener()


def test_pixels_profile_and_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x112], exif[0x10F] = 6, "Maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(COLORS).save(tmp_path / "a.heic", quality=95, exif=exif.tobytes(), icc_profile=profile)
    picture = read_picture(tmp_path / "a.heic")
    assert (picture.info.width, picture.info.height, picture.info.bits) == (48, 64, 8)
    turned = np.rot90(COLORS, -1).astype(np.float64) / 255
    assert np.abs(picture.image[0].permute(1, 2, 0).numpy() - turned).mean() < 0.02
    write_picture(tmp_path / "b.png", picture.image, picture)
    with Image.open(tmp_path / "b.png") as written:
        assert written.size == (48, 64)
        assert written.getexif().get(0x112) in (None, 1)
        assert written.getexif()[0x10F] == "Maker"
        assert written.info.get("icc_profile")


def test_alpha(tmp_path):
    alpha = (X * 4).astype(np.uint8)
    Image.fromarray(np.dstack([COLORS, alpha])).save(tmp_path / "a.heic", quality=100)
    picture = read_picture(tmp_path / "a.heic")
    assert np.abs(picture.alpha[0, 0].numpy() - alpha / 255).max() < 0.05


@pytest.mark.parametrize("bits", [10, 12])
def test_all_bits_come_through(tmp_path, bits):
    most = 2**bits - 1
    stored = np.stack([(X * 48 + Y) * most // 3071] * 3, -1)  # gray: files of this kind keep half of the chroma
    shifted = (stored << (16 - bits)).astype(np.uint16)
    file = pillow_heif.from_bytes("RGB;16", (64, 48), shifted.tobytes())
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    try:
        file.save(tmp_path / "a.heic", quality=-1)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    picture = read_picture(tmp_path / "a.heic")
    assert picture.info.bits == 16
    values = picture.image[0].permute(1, 2, 0).numpy()
    assert np.abs(values - stored / most).max() < 4 / most  # Y, Cb, Cr and back round at the file's own bits
    assert len(np.unique(values[..., 1])) > 600  # 8 bits have 256
    write_picture(tmp_path / "b.png", picture.image, picture)
    assert read_picture(tmp_path / "b.png").info.bits == 16


def test_hdr_is_noted(tmp_path):
    Image.fromarray(COLORS).save(tmp_path / "a.heic", quality=90, transfer_characteristics=16, color_primaries=9)
    with pytest.warns(UserWarning, match="HDR"):
        picture = read_picture(tmp_path / "a.heic")
    assert any("HDR (PQ, by nclx)" in note for note in picture.notes)


def test_jpeg_xl_is_read_where_its_plugin_is(tmp_path):
    pytest.importorskip("pillow_jxl", reason="JPEG XL takes pillow-jxl-plugin")
    Image.fromarray(COLORS).save(tmp_path / "a.jxl", lossless=True)
    picture = read_picture(tmp_path / "a.jxl")
    assert np.array_equal((picture.image[0].permute(1, 2, 0).numpy() * 255).round(), COLORS)

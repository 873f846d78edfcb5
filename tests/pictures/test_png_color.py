"""PNGs that say their colors by gamma, chromaticities or cICP: a viewer that obeys shows the same before and after."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from recolor_torch.color import rgb_to_luminance
from recolor_torch.guide import Guide, Reference
from recolor_torch.pictures import read_picture, write_picture
from recolor_torch.pictures.icc import SRGB_TO_PCS, parse_profile
from recolor_torch.pictures.png_color import SRGB_PRIMARIES, matrix_profile
from recolor_torch.pipeline import recolor

RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def png(path, pixels, *chunks):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    data = file.getvalue()
    extra = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    path.write_bytes(data[:33] + extra + data[33:])
    return path


def gama(value):
    return b"gAMA", struct.pack(">I", round(value * 100000))


def chrm(values):
    return b"cHRM", struct.pack(">8I", *(round(v * 100000) for v in values))


def srgb(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("gamma", [0.3, 0.5, 1.0])
def test_gamma_is_obeyed_and_written_again(gamma, tmp_path):
    source = read_picture(png(tmp_path / "in.png", RAMP, gama(gamma)))
    expected = torch.from_numpy(srgb((RAMP / 255) ** (1 / gamma))).float()
    torch.testing.assert_close(source.image[0, 1], expected, atol=1e-3, rtol=0)
    result = recolor(source.image, "histogram", Guide((Reference(torch.rand(1, 3, 20, 20)),)))
    for suffix in (".png", ".tif", ".webp", ".jpg"):
        write_picture(tmp_path / f"out{suffix}", result, source)
        with Image.open(tmp_path / f"out{suffix}") as image:  # by another reader of profiles
            profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
            shown = ImageCms.profileToProfile(image.convert("RGB"), profile, ImageCms.createProfile("sRGB"))
        luminance = np.asarray(shown) @ np.array([0.299, 0.587, 0.114]) / 255
        # A step of 8 bits in linear light is a large one in the dark.
        bright = expected.numpy() > 0.3
        tolerance = 0.03 if suffix in (".png", ".tif") else 0.12
        assert np.abs(luminance - expected.numpy())[bright].max() < tolerance


def test_the_usual_gamma_is_srgb(tmp_path):
    source = read_picture(png(tmp_path / "in.png", RAMP, gama(0.45455), chrm(SRGB_PRIMARIES)))
    assert (source.icc, source.notes) == (None, ())
    assert torch.equal((source.image[0, 0] * 255).byte(), torch.from_numpy(RAMP))


def color_ramp():
    return np.stack([RAMP, RAMP[::-1], np.full_like(RAMP, 100)], -1)


@pytest.mark.parametrize("how", ["cICP", "gamma and chromaticities"])
def test_display_p3_by_either_way(how, tmp_path):
    if how == "cICP":
        chunks = [(b"cICP", bytes([12, 13, 0, 1]))]
        curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    else:
        chunks, curve = [gama(1 / 2.2), chrm(P3)], (2.2,)
    source = read_picture(png(tmp_path / "in.png", color_ramp(), *chunks))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(matrix_profile(P3, curve)))
    image = ImageCms.profileToProfile(Image.fromarray(color_ramp()), profile, ImageCms.createProfile("sRGB"))
    expected = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255
    torch.testing.assert_close(source.image[0], expected, atol=2 / 255, rtol=0)
    write_picture(tmp_path / "out.png", source.image, source)
    again = read_picture(tmp_path / "out.png")
    torch.testing.assert_close(rgb_to_luminance(again.image), rgb_to_luminance(source.image), atol=2 / 255, rtol=0)


def test_cicp_of_srgb_is_srgb_and_comes_before_the_rest(tmp_path):
    source = read_picture(png(tmp_path / "in.png", color_ramp(), (b"cICP", bytes([1, 13, 0, 1])), gama(1.0)))
    assert torch.equal((source.image[0] * 255).byte().permute(1, 2, 0), torch.from_numpy(color_ramp()))


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        ((b"cICP", bytes([9, 16, 0, 1])), "PQ"),
        ((b"cICP", bytes([9, 18, 0, 1])), "HLG"),
        ((b"cICP", bytes([99, 13, 0, 1])), "not known"),
        ((b"cICP", bytes([1, 1, 1, 0])), "not known"),
        (gama(0.001), "make no sense"),
    ],
)
def test_what_cannot_be_obeyed_is_said(chunk, said, tmp_path):
    with pytest.warns(UserWarning, match=said):
        source = read_picture(png(tmp_path / "in.png", color_ramp(), chunk))
    assert torch.equal((source.image[0] * 255).byte().permute(1, 2, 0), torch.from_numpy(color_ramp()))


def test_primaries_in_one_line_are_said(tmp_path):
    bad = (0.3127, 0.329, 0.3, 0.3, 0.4, 0.4, 0.2, 0.2)
    with pytest.warns(UserWarning, match="make no sense"):
        read_picture(png(tmp_path / "in.png", color_ramp(), gama(1.0), chrm(bad)))


def test_the_profile_of_srgb_is_that_of_littlecms():
    profile = parse_profile(matrix_profile(SRGB_PRIMARIES, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    assert profile.is_srgb
    assert np.abs(profile.matrix - SRGB_TO_PCS).max() < 1e-4

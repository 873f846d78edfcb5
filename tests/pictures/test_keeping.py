"""Where nothing is recolored the stored values come back, colors that sRGB does not hold too."""

import struct

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from recolor_torch.guide import Guide, Reference
from recolor_torch.pictures import read_picture, write_picture
from recolor_torch.pictures.read import read_scan
from recolor_torch.pictures.write import write_rows
from recolor_torch.pipeline import recolor
from recolor_torch.strips import strips

H, W = 30, 40


def scan(path, bits):
    top = 2**bits - 1
    pixels = np.random.default_rng(0).integers(0, top + 1, (H, W, 3)).astype(np.uint16 if bits == 16 else np.uint8)
    pixels[:4] = (top, 0, 0), *[(0, top, 0)] * (W - 1)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, photometric="rgb", extratags=[(34675, "B", len(PROFILE), PROFILE, True)])
    else:
        Image.fromarray(pixels).save(path, icc_profile=PROFILE)
    return pixels


def grown(matrix):
    """A profile whose primaries lie outside of sRGB's: every primary is drawn away from gray."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    for i in range(count):
        name, offset, _ = struct.unpack(">4sII", data[132 + 12 * i : 144 + 12 * i])
        if name in matrix:
            data[offset + 8 : offset + 20] = struct.pack(">3i", *(round(v * 65536) for v in matrix[name]))
    return bytes(data)


# Display P3 (SMPTE EG 432-1) under D50.
PROFILE = grown(
    {b"rXYZ": (0.51512, 0.2412, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189), b"bXYZ": (0.1571, 0.06657, 0.78407)}
)


def half_mask():
    mask = torch.zeros(1, 1, H, W)
    mask[..., W // 2 :] = 1
    mask[..., W // 2] = 0.5
    return mask


@pytest.mark.parametrize(("suffix", "bits"), [(".png", 8), (".tif", 16), (".tif", 8)])
@pytest.mark.parametrize("in_rows", [False, True])
def test_stored_values_come_back_outside_the_mask(suffix, bits, in_rows, tmp_path):
    pixels = scan(tmp_path / f"in{suffix}", bits)
    like = read_picture(tmp_path / f"in{suffix}")
    reference = Guide((Reference(torch.rand(1, 3, 20, 20)),), target_mask=half_mask())
    out = recolor(like.image, "histogram", reference)
    kept = 1 - half_mask()

    def rows(top, bottom):
        return kept[..., top:bottom, :]

    if in_rows:
        source = read_scan(tmp_path / f"in{suffix}")
        bands = (out[..., a:b, :] for a, b in strips(H, W))
        write_rows(tmp_path / f"out{suffix}", bands, (H, W), source, kept=rows)
    else:
        write_picture(tmp_path / f"out{suffix}", out, like, kept=rows)
    write_picture(tmp_path / f"plain{suffix}", out, like)
    found, plain = (read_scan(tmp_path / f"{name}{suffix}").pixels for name in ("out", "plain"))
    assert np.array_equal(found[:, : W // 2], pixels[:, : W // 2])
    assert np.array_equal(found[:, W // 2 + 1 :], plain[:, W // 2 + 1 :])
    assert np.abs(plain[:, : W // 2].astype(int) - pixels[:, : W // 2]).max() > 0.03 * 2**bits  # what clipping cost


@pytest.mark.parametrize("strength", [0.01, 0.5])
def test_a_weak_result_stays_near_the_stored_values(strength, tmp_path):
    pixels = scan(tmp_path / "in.png", 8).astype(int)
    like = read_picture(tmp_path / "in.png")
    out = recolor(like.image, "histogram", Guide((Reference(torch.rand(1, 3, 20, 20)),)), strength=strength)
    share = torch.full((1, 1, 1, 1), 1 - strength)
    write_picture(tmp_path / "out.png", out, like, kept=lambda top, bottom: share)
    write_picture(tmp_path / "plain.png", out, like)
    near, plain = (np.abs(read_scan(tmp_path / f"{n}.png").pixels - pixels).max() for n in ("out", "plain"))
    if strength == 0.01:
        assert near <= 4 < plain
    assert near <= plain


def test_without_a_profile_there_is_nothing_to_give_back(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    like = read_picture(tmp_path / "in.png")
    out = like.image.flip(1)
    write_picture(tmp_path / "out.png", out, like, kept=lambda top, bottom: torch.ones(1, 1, bottom - top, W))
    assert torch.equal(read_picture(tmp_path / "out.png").image, out)  # the caller's word is not looked at

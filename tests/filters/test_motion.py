import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.filters.motion import optical_flow, phase_correlation, refine_flow, warp


def scene(height=96, width=128, seed=0, dtype=torch.float64):
    """Smooth texture of several scales, (1, 1, H, W) in [0, 1]."""
    g = torch.Generator().manual_seed(seed)
    out = torch.zeros(1, 1, height, width, dtype=dtype)
    for cells in (4, 8, 16, 32):
        coarse = torch.rand(1, 1, cells, cells, generator=g, dtype=dtype)
        out += torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic") / 4
    return out


def constant(flow, like):
    return torch.tensor(flow, dtype=like.dtype).view(1, 2, 1, 1).expand(1, 2, *like.shape[-2:])


def test_warp_by_whole_pixels_is_a_shift():
    image = scene(8, 9)
    moved, inside = warp(image, constant((2.0, -1.0), image))
    torch.testing.assert_close(moved[..., 1:, :-2], image[..., :-1, 2:])
    assert inside[..., 1:, :-2].all()
    assert not inside[..., 0, :].any()
    assert not inside[..., :, -2:].any()


def test_warp_without_motion_is_the_image():
    image = scene(7, 5)
    moved, inside = warp(image, constant((0.0, 0.0), image))
    torch.testing.assert_close(moved, image)
    assert inside.all()


@given(st.integers(-30, 30), st.integers(-20, 20))
@settings(max_examples=15, deadline=None)
def test_phase_correlation_finds_whole_pixel_shifts(dx, dy):
    large = scene(160, 200)
    a, b = large[..., 30:126, 35:163], large[..., 30 - dy : 126 - dy, 35 - dx : 163 - dx]
    assert phase_correlation(a, b).tolist() == [[dx, dy]]


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.3, -0.7), (9.0, 4.0)])
def test_flow_of_a_pan(shift):
    b = scene()
    a, _ = warp(b, constant(shift, b))
    error = (optical_flow(a, b) - constant(shift, b)).square().sum(1).sqrt()[..., 12:-12, 16:-16]
    assert error.median() < 0.1
    assert (error > 1).double().mean() < 0.02


def test_flow_of_a_zoom():
    b = scene()
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    flow = torch.stack(((x - 64) * 0.03, (y - 48) * 0.03))[None].double()
    a, _ = warp(b, flow)
    error = (optical_flow(a, b) - flow).square().sum(1).sqrt()[..., 8:-8, 8:-8]
    assert error.median() < 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (33, 65)])
def test_flow_of_odd_sizes_and_flat_pictures_is_finite(size):
    flat = torch.full((2, 1, *size), 0.5)
    flow = optical_flow(flat, flat)
    assert flow.shape == (2, 2, *size)
    assert flow.isfinite().all()
    if min(size) > 1:
        assert flow.abs().max() == 0


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="flow must have shape"):
        warp(scene(8, 8), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="b must be"):
        optical_flow(scene(8, 8), scene(8, 9))


def test_flow_does_not_mind_the_light_and_grain():
    """Old films flicker: a change of gain and level, and grain, move nothing."""
    b = scene(dtype=torch.float32)
    a, _ = warp(b, constant((2.3, -1.2), b))
    g = torch.Generator().manual_seed(5)
    a, b = (
        x * gain + level + 0.01 * torch.randn(x.shape, generator=g) for x, gain, level in ((a, 1, 0), (b, 0.85, 0.05))
    )
    error = (optical_flow(a, b) - constant((2.3, -1.2), b)).square().sum(1).sqrt()[..., 12:-12, 16:-16]
    assert error.median() < 0.5
    assert (error > 1.5).double().mean() < 0.1


def test_a_motion_that_is_off_or_lost_is_mended():
    """Off by a pixel and a half everywhere, and lost in a block, as where something has passed."""
    b = scene()
    true = constant((6.3, -2.7), b)
    a, _ = warp(b, true)
    flow = true + constant((1.2, -0.9), b)
    flow[..., 40:56, 50:66] = 30.0
    found, left = refine_flow(a, b, flow)
    error = (found - true).norm(dim=1)[..., 12:-12, 16:-16]
    assert error.median() < 0.1
    assert (error > 0.5).double().mean() < 0.02
    assert left[..., 12:-12, 16:-16].median() < 0.1


def test_what_is_left_of_a_motion_tells_unlike_things_and_the_outside():
    b = scene()
    a = b.clone()
    a[..., 30:60, 40:80] = scene(seed=7)[..., 30:60, 40:80]  # something else came
    still = constant((0.0, 0.0), b)
    left = refine_flow(a, b, still, steps=0)[1]
    assert left[..., :4, :].max() < 5e-3
    assert left[..., 38:52, 48:72].min() > 0.8
    away = refine_flow(a, b, constant((500.0, 0.0), b))[1]
    assert away.min() > 10


def test_a_motion_is_mended_in_few_bits():
    b = scene(dtype=torch.float32)
    a, _ = warp(b, constant((2.0, 1.0), b))
    found, left = refine_flow(a.half(), b.half(), constant((2.5, 0.5), b).half())
    assert (found.dtype, left.dtype) == (torch.float16, torch.float16)
    assert (found.float() - constant((2.0, 1.0), b))[..., 12:-12, 16:-16].abs().median() < 0.1

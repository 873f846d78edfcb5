import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from recolor_torch.methods.levin import spread_chroma
from recolor_torch.methods.network_corrected import FADING, FLAT, combine, correct, held


@pytest.fixture
def scene():
    """A picture of structure, (1, 1, 24, 20), an estimate, its trust, and hints at two places."""
    g = torch.Generator().manual_seed(0)
    luminance = torch.rand(1, 1, 24, 20, generator=g, dtype=torch.float64)
    chroma = 0.1 * torch.randn(1, 2, 24, 20, generator=g, dtype=torch.float64)
    trust = 0.01 * torch.rand(1, 1, 24, 20, generator=g, dtype=torch.float64)
    mask = torch.zeros_like(luminance)
    mask[..., 5, 4] = mask[..., 18, 15] = 1
    hints = torch.tensor([0.2, -0.1], dtype=torch.float64).view(1, 2, 1, 1).expand(-1, -1, 24, 20) * mask
    return luminance, hints, mask, chroma, trust


def test_held_is_the_formula():
    g = torch.Generator().manual_seed(1)
    luminance = 0.5 + 0.01 * torch.randn(1, 1, 40, 50, generator=g, dtype=torch.float64)
    x = luminance[0, 0].numpy()
    variance = uniform_filter(x**2, 15) - uniform_filter(x, 15) ** 2
    inner = np.s_[7:-7, 7:-7]
    np.testing.assert_allclose(
        held(luminance)[0, 0].numpy()[inner], (variance / (variance + FLAT**2))[inner], rtol=1e-9
    )


def test_a_flat_picture_is_held_least_and_structure_nearly_whole():
    flat = torch.full((1, 1, 40, 50), 0.7)
    torch.testing.assert_close(held(flat), torch.full_like(flat, 0.03))
    assert held(torch.rand(1, 1, 40, 50, generator=torch.Generator().manual_seed(0))).min() > 0.99


def test_grain_of_a_large_scan_is_no_structure():
    grain = 0.5 + 0.02 * torch.randn(1, 1, 1024, 1024, generator=torch.Generator().manual_seed(0))
    assert held(grain).mean() < 0.6  # four by four pixels averaged, it is a quarter: 0.005
    assert held(grain[..., :256, :256]).mean() > 0.9


def test_one_stroke_colors_a_flat_region_and_stops_at_its_border():
    """The estimate is a halo around the stroke, as that of a network is; the region is one color."""
    luminance = torch.full((1, 1, 96, 128), 0.4)
    luminance[..., 64:] = 0.7
    luminance += 0.002 * torch.randn(luminance.shape, generator=torch.Generator().manual_seed(0))
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    halo = torch.exp(-((x - 30) ** 2 + (y - 20) ** 2) / (2 * 15**2))
    chroma = 0.2 * halo.expand(1, 2, -1, -1)
    mask = torch.zeros_like(luminance)
    mask[..., 19:22, 20:40] = 1
    hints = 0.2 * mask.expand(-1, 2, -1, -1)
    found = combine(luminance, hints, mask, chroma, torch.full_like(luminance, 0.01))
    assert found[0, 0, 80, 20:50].min() > 0.05
    assert found[0, 0, :, 72:].max() < 0.02
    assert torch.equal(torch.where(mask > 0, found, 0), hints)


def test_combine_is_the_two_solves_of_its_formula(scene):
    luminance, hints, mask, chroma, trust = scene
    fades = spread_chroma(luminance, hints - chroma, mask, prior=torch.zeros_like(chroma), confidence=FADING * trust)
    torch.testing.assert_close(correct(*scene), chroma + fades)
    joined = spread_chroma(luminance, hints, mask, prior=chroma + fades, confidence=held(luminance) * trust)
    torch.testing.assert_close(combine(*scene), joined)


def test_without_hints_it_is_the_estimate(scene):
    luminance, hints, mask, chroma, trust = (torch.cat((x, x)) for x in scene)
    mask = mask * torch.tensor([1.0, 0.0], dtype=torch.float64).view(2, 1, 1, 1)
    found = combine(luminance, hints, mask, chroma, trust)
    assert torch.equal(found[1], chroma[1])
    torch.testing.assert_close(found[:1], combine(*scene))


def test_gradients(scene):
    luminance = scene[0][..., :6, :5].clone().requires_grad_()
    assert torch.autograd.gradcheck(held, (luminance,))
    assert torch.autograd.gradgradcheck(held, (luminance,))


def test_it_keeps_device_and_dtype(scene, device):
    parts = [x.to(device, torch.float32) for x in scene]
    found = combine(*parts)
    assert (found.dtype, found.device) == (parts[3].dtype, parts[3].device)
    torch.testing.assert_close(found.double().cpu(), combine(*scene), atol=1e-4, rtol=0)

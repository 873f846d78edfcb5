import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.color import fit_gamut, rgb_to_yuv


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_luminance_and_hue_stay_and_the_gamut_is_met(y, u, v):
    luminance = torch.tensor(y, dtype=torch.float64).view(1, 1, 1, 1)
    chroma = torch.tensor([u, v], dtype=torch.float64).view(1, 2, 1, 1)
    image = fit_gamut(luminance, chroma)
    assert image.min() >= 0
    assert image.max() <= 1
    back = rgb_to_yuv(image).flatten()
    assert abs(back[0] - y) < 1e-12
    assert abs(back[1] * v - back[2] * u) < 1e-9  # same direction
    assert back[1] * u + back[2] * v >= -1e-12  # not the opposite one
    assert back[1:].norm() <= chroma.norm() + 1e-12


def test_what_fits_is_not_touched(rgb):
    yuv = rgb_to_yuv(rgb)
    torch.testing.assert_close(fit_gamut(yuv[:, :1], yuv[:, 1:]), rgb, atol=1e-6, rtol=0)


def test_chroma_is_as_large_as_fits():
    # Red of luminance .9: red is cut at 1, so the step is .1 of the 1 / V_SCALE it asks for.
    image = fit_gamut(torch.full((1, 1, 1, 1), 0.9), torch.tensor([0.0, 0.5]).view(1, 2, 1, 1))
    assert abs(float(image[0, 0]) - 1) < 1e-6


def test_gradients_are_finite_at_the_corners(device):
    luminance = torch.tensor([0.0, 0.0, 1.0, 0.5, 0.5], device=device).view(1, 1, 1, 5).requires_grad_()
    chroma = torch.tensor([[0.0, 0.5, 0.5, 0.0, 2.0], [0.0, 0.1, 0.1, 0.0, 2.0]], device=device)
    chroma = chroma.view(1, 2, 1, 5).requires_grad_()
    gradients = torch.autograd.grad(fit_gamut(luminance, chroma).sum(), (luminance, chroma))
    assert all(g.isfinite().all() for g in gradients)


def test_gradcheck():
    g = torch.Generator().manual_seed(0)
    luminance = (0.3 + 0.4 * torch.rand(1, 1, 2, 2, generator=g, dtype=torch.float64)).requires_grad_()
    chroma = (0.8 * torch.rand(1, 2, 2, 2, generator=g, dtype=torch.float64) - 0.4).requires_grad_()
    assert torch.autograd.gradcheck(fit_gamut, (luminance, chroma))


def test_with_and_without_gradients_the_bits_are_the_same():
    g = torch.Generator().manual_seed(3)
    luminance = torch.rand(2, 1, 40, 50, generator=g)
    luminance[0, :, :4], luminance[0, :, 4:8] = 0, 1
    chroma = 0.7 * torch.rand(2, 2, 40, 50, generator=g) - 0.35
    chroma[..., :5] = 0
    chroma[:, :1, :, 5:9] = 0
    plain = fit_gamut(luminance, chroma)
    assert torch.equal(plain, fit_gamut(luminance, chroma.clone().requires_grad_()).detach())
    assert plain.isfinite().all()

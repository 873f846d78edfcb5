import pytest
import torch

from recolor_torch.filters import (
    edge_content_distance,
    edge_filter,
    edge_free,
    edge_free_style_distance,
    edge_probability,
)

DETECTORS = ("across", "down", "cross", "square", "sobel", "canny")


@pytest.fixture
def luminance(rgb):
    return rgb.mean(1, keepdim=True)


def test_kernels_answer_a_point_with_themselves():
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 1
    kernels = {
        "across": [[0, 0, 0], [-1, 2, -1], [0, 0, 0]],
        "down": [[0, -1, 0], [0, 2, 0], [0, -1, 0]],
        "cross": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
        "square": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    }
    for name, kernel in kernels.items():
        torch.testing.assert_close(edge_filter(point, name)[0, 0, 1:4, 1:4], torch.tensor(kernel).float())


def test_cross_is_across_plus_down(rgb):
    torch.testing.assert_close(edge_filter(rgb, "across") + edge_filter(rgb, "down"), edge_filter(rgb, "cross"))


@pytest.mark.parametrize("detector", DETECTORS)
def test_probability_lies_in_the_unit_interval(luminance, detector):
    p = edge_probability(luminance, detector)
    assert p.shape == luminance.shape
    assert p.dtype == luminance.dtype
    assert p.min() >= 0
    assert p.max() == 1


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_flat_or_nearly_flat_picture_has_no_edges(detector, dtype, device):
    flat = torch.full((1, 1, 40, 40), 0.5, dtype=dtype, device=device)
    assert edge_probability(flat, detector).max() < 0.01
    # Noise far below one level of 8 bits is no edge either.
    noise = torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(0)).to(flat) * 1e-4
    assert edge_probability(flat + noise, detector).max() < 0.3


@pytest.mark.parametrize("detector", ["across", "cross", "square", "sobel", "canny"])
def test_an_edge_is_found_where_it_is_despite_noise(detector):
    y = torch.zeros(1, 1, 48, 48)
    y[..., 24:] = 0.8
    y = y + 0.02 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    p = edge_probability(y, detector)
    assert p[..., 22:26].amax(-1).min() > 0.5
    assert p[..., :18].mean() < 0.15
    assert p[..., 30:].mean() < 0.15


def test_one_speck_does_not_decide_the_scale(luminance):
    large = luminance.repeat(1, 1, 4, 4)
    specked = large.clone()
    specked[..., 5, 5] = 40.0
    far = (..., slice(12, None), slice(12, None))
    change = edge_probability(specked)[far] - edge_probability(large)[far]
    assert change.abs().mean() < 0.02


def test_contrast_does_not_matter(luminance):
    half = 0.25 + 0.5 * luminance
    torch.testing.assert_close(edge_probability(half), edge_probability(luminance), rtol=0, atol=2e-3)


def test_pictures_beyond_the_limit_of_torch_quantile():
    y = torch.rand(1, 1, 4100, 4200, generator=torch.Generator().manual_seed(0))
    certain = (edge_probability(y, "cross", radius=0) == 1).float().mean()
    assert abs(certain - 0.05) < 0.002


def test_content_distance_grows_with_the_change_of_edges(luminance):
    assert not edge_content_distance(luminance, luminance).any()
    slight = edge_content_distance(luminance + 0.01 * luminance.flip(-1), luminance)
    other = edge_content_distance(luminance.flip(-1), luminance)
    assert (slight < other).all()


def test_style_distance_ignores_what_lies_on_edges(rgb):
    edges = torch.zeros_like(rgb[:, :1])
    edges[..., :8] = 1
    painted = rgb.clone()
    painted[..., :8] = 0
    distance = edge_free_style_distance(painted, rgb, edges, edges)
    torch.testing.assert_close(distance, torch.zeros_like(distance))
    assert (edge_free_style_distance(painted, rgb, 0 * edges, 0 * edges) > 1e-3).all()


def test_soft_mask_approaches_the_hard_one():
    edges = torch.tensor([[[[0.0, 0.15, 0.3, 1.0]]]])
    torch.testing.assert_close(edge_free(edges, 0.2, 1e-3), edge_free(edges, 0.2))


@pytest.mark.parametrize("detector", ["across", "cross", "square", "sobel"])
def test_gradient_of_probability_and_distance(detector, device):
    g = torch.Generator().manual_seed(5)
    x, t = torch.rand(2, 1, 1, 5, 6, generator=g, dtype=torch.float64).to(device)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda a: edge_probability(a, detector), (x,))
    assert torch.autograd.gradcheck(lambda a: edge_content_distance(a, t, detector), (x,))


def test_gradient_of_style_distance_through_colors_and_edges(device):
    g = torch.Generator().manual_seed(6)
    image, reference = torch.rand(2, 1, 3, 4, 5, generator=g, dtype=torch.float64).to(device)
    edges = torch.rand(2, 1, 1, 4, 5, generator=g, dtype=torch.float64).to(device)
    image.requires_grad_()
    own = edges[0].requires_grad_()

    def distance(a, e):
        return edge_free_style_distance(a, reference, e, edges[1].detach(), 0.5, bins=8, softness=0.2)

    assert torch.autograd.gradcheck(distance, (image, own))


def test_flat_picture_has_a_finite_gradient():
    x = torch.full((1, 1, 6, 6), 0.3, requires_grad=True)
    edge_probability(x).sum().backward()
    assert x.grad.isfinite().all()


def test_errors(rgb):
    with pytest.raises(ValueError, match="Unknown detector 'prewitt'"):
        edge_probability(rgb[:, :1], "prewitt")
    with pytest.raises(ValueError, match="Unknown kernel"):
        edge_filter(rgb, "diagonal")
    with pytest.raises(ValueError, match=r"luminance must have shape \(B, 1, H, W\)"):
        edge_probability(rgb)

import pytest
import torch
from scipy import ndimage

from recolor_torch.filters import difference, gauss_filter, laplacian, mean_filter, second_difference


def test_differences_of_polynomials(dtype, device):
    i, j = torch.meshgrid(torch.arange(6, dtype=dtype), torch.arange(7, dtype=dtype), indexing="ij")
    x = (i**2 + 3 * j)[None, None].to(device)
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(difference(x, "down")[inner], (2 * i)[None, None].to(device)[inner])
    torch.testing.assert_close(difference(x, "across")[inner], torch.full_like(x, 3)[inner])
    torch.testing.assert_close(second_difference(x, "down")[inner], torch.full_like(x, 2)[inner])
    torch.testing.assert_close(laplacian(x)[inner], torch.full_like(x, 2)[inner])


def test_terms_without_a_neighbour_are_left_out():
    x = torch.tensor([[[[1.0, 4.0, 9.0]]]])
    torch.testing.assert_close(difference(x, "across")[0, 0, 0], torch.tensor([1.5, 4.0, 2.5]))
    torch.testing.assert_close(second_difference(x, "across")[0, 0, 0], torch.tensor([3.0, 2.0, -5.0]))
    assert not difference(x, "down").any()


def test_laplacian_is_symmetric_and_kills_constants():
    g = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 1, 1, 5, 6, generator=g, dtype=torch.float64)
    torch.testing.assert_close((laplacian(a) * b).sum(), (a * laplacian(b)).sum())
    torch.testing.assert_close(laplacian(torch.ones(1, 1, 4, 4)), torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize(
    ("border", "other"), [("replicate", "nearest"), ("constant", "constant"), ("reflect", "mirror")]
)
def test_filters_equal_scipy(rgb, border, other):
    x = rgb[0, 0].cpu().numpy()
    ours = mean_filter(rgb[:1, :1], 2, border)[0, 0].cpu()
    torch.testing.assert_close(ours, torch.tensor(ndimage.uniform_filter(x, 5, mode=other)))
    ours = gauss_filter(rgb[:1, :1], 4, 0.5, border)[0, 0].cpu()
    expected = torch.tensor(ndimage.gaussian_filter(x, 1.0, mode=other, radius=4))
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


def test_gradient(device):
    x = torch.rand(1, 1, 4, 5, dtype=torch.float64).to(device).requires_grad_()
    for f in (laplacian, mean_filter, gauss_filter, lambda a: difference(a, "down")):
        assert torch.autograd.gradcheck(f, (x,))

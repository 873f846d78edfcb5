import pytest
import torch

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.guide import Guide
from recolor_torch.methods import PoissonMerging
from recolor_torch.methods.poisson import merge_poisson
from recolor_torch.pipeline import recolor


@pytest.fixture
def given(rgb):
    """Target, values and mask."""
    mask = torch.zeros_like(rgb[:, :1])
    mask[..., 3:6, 4:9] = mask[..., 20, 30] = 1
    return rgb, rgb.flip(0), mask


def dense(target, values, mask, lam, order):
    """The minimiser of the report's eq. 7 for one channel, by normal equations of the pixels' own list of terms."""
    height, width = target.shape
    n = height * width
    number = torch.arange(n).view(height, width)
    pairs = [(number[:-1].flatten(), number[1:].flatten()), (number[:, :-1].flatten(), number[:, 1:].flatten())]
    r, s = (torch.cat(x) for x in zip(*pairs))
    gradient = torch.zeros(len(r), n, dtype=torch.float64)
    gradient[torch.arange(len(r)), r] = 1
    gradient[torch.arange(len(r)), s] = -1
    rows = gradient if order == 1 else gradient.T @ gradient
    matrix = torch.eye(n, dtype=torch.float64) + lam * rows.T @ rows
    t, v, known = target.flatten().double(), values.flatten().double(), mask.flatten() > 0.5
    rhs = matrix @ t
    x = v.clone()
    x[~known] = torch.linalg.solve(matrix[~known][:, ~known], (rhs - matrix[:, known] @ v[known])[~known])
    return x.view(height, width)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("lam", [0.0, 1.0, 1e3])
def test_equals_a_dense_solve_of_the_reports_energy(given, lam, order):
    target, values, mask = (x[:1, :1, :9, :10].cpu() for x in given)
    out = merge_poisson(target, values, mask, lam, order)
    expected = dense(target[0, 0], values[0, 0], mask[0, 0], lam, order)
    torch.testing.assert_close(out[0, 0].double(), expected, atol=0.5 / 255, rtol=0)


@pytest.mark.parametrize("lam", [0.0, 1.0, 1e3, 1e10])
def test_given_pixels_come_back_exactly(given, lam):
    target, values, mask = given
    out = merge_poisson(target, values, mask, lam)
    assert torch.equal(out * mask, values * mask)
    if lam == 0:
        torch.testing.assert_close(out * (1 - mask), target * (1 - mask))


def test_without_a_given_pixel_the_target_comes_back(given):
    target, values, mask = given
    torch.testing.assert_close(merge_poisson(target, values, 0 * mask), target, atol=0.5 / 255, rtol=0)


def test_a_larger_lambda_spreads_farther(given):
    target, values, mask = given
    change = [(merge_poisson(target, values, mask, lam) - target).abs().mean() for lam in (0, 1, 10, 1e3, 1e10)]
    assert change == sorted(change)
    assert change[-1] > 3 * change[0]


def test_the_luminance_of_hints_does_not_count(given):
    target, values, mask = given
    method = PoissonMerging()
    gray = rgb_to_luminance(target).expand(-1, 3, -1, -1)
    out = method(gray, Guide(hints=values, hint_mask=mask))
    brighter = method(gray, Guide(hints=values + 0.1, hint_mask=mask))
    torch.testing.assert_close(out, brighter, atol=1e-5, rtol=0)
    torch.testing.assert_close(rgb_to_luminance(out), rgb_to_luminance(gray), atol=1e-2, rtol=0)
    gap = (rgb_to_yuv(out) - rgb_to_yuv(values))[:, 1:] * mask
    assert gap.abs().max() < 1e-6


def test_module_and_function_agree(given):
    target, values, mask = given
    gray = rgb_to_luminance(target).expand(-1, 3, -1, -1)
    fitting = gray + (values - rgb_to_luminance(values))
    out = PoissonMerging(lam=10.0)(gray, Guide(hints=values, hint_mask=mask))
    torch.testing.assert_close(out, merge_poisson(gray, fitting, mask, 10.0), atol=1e-5, rtol=0)
    assert recolor(target, PoissonMerging(order=2), Guide(hints=values, hint_mask=mask)).isfinite().all()


@pytest.mark.parametrize(("name", "value"), [("lam", -1), ("lam", float("inf")), ("order", 3), ("tolerance", 0)])
def test_settings_are_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        PoissonMerging(**{name: value})


def test_gradient():
    g = torch.Generator().manual_seed(0)
    target, values = (torch.rand(1, 2, 3, 4, generator=g, dtype=torch.float64).requires_grad_() for _ in range(2))
    lam = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    mask = torch.zeros(1, 1, 3, 4, dtype=torch.float64)
    mask[..., 1, 1:3] = 1
    assert torch.autograd.gradcheck(
        lambda t, v, weight: merge_poisson(t, v, mask, weight, tolerance=1e-8), (target, values, lam)
    )

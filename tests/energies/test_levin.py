"""The Levin energy: its three systems against dense algebra, and the awkward inputs."""

import itertools
from math import ceil

import pytest
import torch
from scipy.ndimage import gaussian_filter

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.linalg.solve import solve

FORMS = ["report", "levin", "laplacian"]
RULES = ["global", "local", "report"]


def case(h=9, w=11, batch=2, seed=0, points=6, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    luminance = torch.rand(batch, 1, h, w, generator=g, dtype=dtype)
    hints = torch.rand(batch, 2, h, w, generator=g, dtype=dtype) - 0.5
    mask = torch.zeros(batch, 1, h * w, dtype=dtype)
    for b in range(batch):
        mask[b, 0, torch.randperm(h * w, generator=g)[:points]] = 1
    return luminance, hints, mask.view(batch, 1, h, w)


def rows(luminance, b, neighbours, rule, kappa=2.0, sigma=0.005, floor=1e-4, kernel="laplace", smoothing=1.4):
    """w_rs pixel by pixel, from the formulas alone (an independent, slow reading)."""
    t = luminance[b, 0].tolist()
    smooth = gaussian_filter(luminance[b, 0].numpy(), smoothing, mode="nearest", radius=ceil(3 * smoothing)).tolist()
    h, w = len(t), len(t[0])
    matrix = torch.zeros(h * w, h * w, dtype=torch.float64)
    for y, x in itertools.product(range(h), range(w)):
        near = [
            (y + dy, x + dx)
            for dy, dx in itertools.product((-1, 0, 1), repeat=2)
            if (dy, dx) != (0, 0) and (neighbours == 8 or dy * dx == 0) and 0 <= y + dy < h and 0 <= x + dx < w
        ]
        values = torch.tensor([t[p][q] for p, q in near], dtype=torch.float64)
        gap = (values - t[y][x]).square()
        if rule == "global":
            far = torch.tensor([((p - y) ** 2 + (q - x) ** 2) ** 0.5 for p, q in near], dtype=torch.float64)
            less = torch.tensor([smooth[p][q] for p, q in near], dtype=torch.float64) - smooth[y][x]
            gap = torch.minimum(gap, less.square()) if smoothing else gap
            like = torch.exp(-gap.sqrt() / sigma) if kernel == "laplace" else torch.exp(-gap / (2 * sigma**2))
            weight = (like + floor) / far
        else:
            window = torch.cat([values, torch.tensor([t[y][x]], dtype=torch.float64)])
            var = window.var(correction=0)
            if rule == "report":
                var = (255**2 * values.var(correction=0)) ** 2 / 255**2
            var = max(float(var), float(gap.min()) / (kappa * 4.605170185988091), 1e-6)
            weight = torch.exp(-gap / (kappa * var))
            weight = weight / weight.sum()
        for (p, q), value in zip(near, weight):
            matrix[y * w + x, p * w + q] = value
    return matrix


def dense_solution(luminance, hints, mask, b, form, neighbours, rule, prior=None, confidence=None, **constants):
    n = luminance[0].numel()
    w = rows(luminance, b, neighbours, rule, **constants)
    pull = 1e-6
    eye = torch.eye(n, dtype=torch.float64)
    f = eye - w / w.sum(1, keepdim=True)
    if form == "report":
        a, pull = f.T @ f, pull**2
    elif form == "levin":
        a = f
    else:
        w = (w + w.T) / 2
        a = torch.diag(w.sum(1)) - w
    c = torch.full((n,), pull, dtype=torch.float64)
    source = torch.zeros(n, hints.shape[1], dtype=torch.float64)
    if prior is not None:
        c = c + confidence[b].flatten()
        source = (confidence[b] * prior[b]).flatten(1).T
    a = a + torch.diag(c)
    known = mask[b].flatten() > 0.5
    u = hints[b].flatten(1).T.clone()
    u[~known] = torch.linalg.solve(a[~known][:, ~known], source[~known] - a[~known][:, known] @ u[known])
    return u.T.view_as(hints[b])


@pytest.mark.parametrize("neighbours", [4, 8])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("form", FORMS)
def test_is_the_dense_solution_of_the_formula(form, rule, neighbours):
    luminance, hints, mask = case()
    luminance = luminance * 0.2  # so that the ties of "global" differ by more than the floor
    found = solve(LevinEnergy(luminance, hints, mask, form=form, weights=rule, neighbours=neighbours), atol=1e-9)
    assert found.converged or form == "report"
    for b in range(2):
        expected = dense_solution(luminance, hints, mask, b, form, neighbours, rule)
        # The square of an ill-conditioned matrix: neither side is exact.
        torch.testing.assert_close(found.x[b], expected, atol=1e-4 if form == "report" else 1e-7, rtol=0)


@pytest.mark.parametrize("constants", [{"kernel": "gauss"}, {"kernel": "gauss", "smoothing": 0.0}, {"smoothing": 1.2}])
def test_kernels_and_smoothing(constants):
    luminance, hints, mask = case(seed=2)
    luminance = luminance * 0.2
    found = solve(LevinEnergy(luminance, hints, mask, sigma=0.03, **constants), atol=1e-9)
    for b in range(2):
        expected = dense_solution(luminance, hints, mask, b, "laplacian", 8, "global", sigma=0.03, **constants)
        torch.testing.assert_close(found.x[b], expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize("kappa", [2.0, 1.0, 0.6])
@pytest.mark.parametrize("form", FORMS)
def test_prior_with_confidence(form, kappa):
    luminance, hints, mask = case(seed=3)
    g = torch.Generator().manual_seed(8)
    prior = torch.rand(hints.shape, generator=g, dtype=torch.float64) - 0.5
    confidence = 0.1 * torch.rand(mask.shape, generator=g, dtype=torch.float64)
    energy = LevinEnergy(
        luminance, hints, mask, form=form, weights="local", kappa=kappa, prior=prior, confidence=confidence
    )
    found = solve(energy, atol=1e-9)
    expected = dense_solution(luminance, hints, mask, 0, form, 8, "local", prior, confidence, kappa=kappa)
    torch.testing.assert_close(found.x[0], expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize("form", FORMS)
def test_hints_are_kept_exactly(form):
    luminance, hints, mask = case(20, 24, dtype=torch.float32)
    x = solve(LevinEnergy(luminance, hints, mask, form=form)).x
    assert (x == hints)[(mask > 0.5).expand_as(hints)].all()
    assert x.dtype == torch.float32


def test_solution_minimises_the_energy():
    luminance, hints, mask = case(seed=5)
    for form in ("report", "laplacian"):
        energy = LevinEnergy(luminance, hints, mask, form=form, weights="local", pull=1e-12)
        x = solve(energy, atol=1e-9).x
        other = torch.where(mask > 0.5, hints, x + 1e-3 * torch.randn_like(x))
        assert (energy.value(x) < energy.value(other)).all()


@pytest.mark.parametrize("form", ["levin", "laplacian"])
def test_no_new_extremes(form):
    """Rows of positive weights are means: chroma stays between the hints (and neutral)."""
    luminance, hints, mask = case(30, 20, seed=6)
    x = solve(LevinEnergy(luminance, hints, mask, form=form, weights="local"), atol=1e-6).x
    given = torch.where(mask > 0.5, hints, torch.zeros_like(hints))
    assert (x.amax((-2, -1)) <= given.amax((-2, -1)) + 1e-6).all()
    assert (x.amin((-2, -1)) >= given.amin((-2, -1)) - 1e-6).all()


@pytest.mark.parametrize("method", ["auto", "geometric", "aggregation", "direct"])
@pytest.mark.parametrize("form", FORMS)
class TestAwkward:
    def solve(self, luminance, hints, mask, form, method):
        found = solve(LevinEnergy(luminance, hints, mask, form=form), method=method)
        assert found.x.isfinite().all()
        assert found.converged
        return found

    def test_no_hints_is_neutral(self, form, method):
        luminance, hints, mask = case()
        assert (self.solve(luminance, hints, 0 * mask, form, method).x == 0).all()

    def test_all_hinted(self, form, method):
        luminance, hints, mask = case()
        assert (self.solve(luminance, hints, mask * 0 + 1, form, method).x == hints).all()

    def test_one_hint_on_a_constant_picture_fills_it(self, form, method):
        luminance, hints, mask = case(batch=1)
        mask = torch.zeros_like(mask)
        mask[..., 0, 0] = 1
        x = self.solve(torch.full_like(luminance, 0.5), hints, mask, form, method).x
        torch.testing.assert_close(x, hints[..., :1, :1].expand_as(x), atol=0.01, rtol=0.03)

    @pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 1), (2, 3)])
    def test_thin_pictures(self, form, method, size):
        self.solve(*case(*size, points=1), form, method)

    def test_one_image_of_a_batch_without_hints(self, form, method):
        luminance, hints, mask = case()
        mask[0] = 0
        assert (self.solve(luminance, hints, mask, form, method).x[0] == 0).all()


def test_not_a_number_is_refused():
    luminance, hints, mask = case()
    luminance[0, 0, 3, 3] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        solve(LevinEnergy(luminance, hints, mask))


def test_errors():
    luminance, hints, mask = case()
    with pytest.raises(ValueError, match="hints_chroma must be 9 x 11"):
        LevinEnergy(luminance, hints[..., :-1], mask)
    with pytest.raises(ValueError, match=r"mask must have shape \(2 or 1, 1, 9, 11\)"):
        LevinEnergy(luminance, hints, mask[..., 1:])
    with pytest.raises(ValueError, match=r"Unknown form 'square'\. Known: report, levin, laplacian"):
        LevinEnergy(luminance, hints, mask, form="square")
    with pytest.raises(ValueError, match=r"Unknown kernel 'box'\. Known: laplace, gauss"):
        LevinEnergy(luminance, hints, mask, kernel="box")
    with pytest.raises(ValueError, match="needs a confidence"):
        LevinEnergy(luminance, hints, mask, prior=hints)
    with pytest.raises(TypeError, match="luminance must be a tensor"):
        LevinEnergy(luminance.numpy(), hints, mask)

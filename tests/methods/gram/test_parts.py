"""Regions, the optimiser, starts and references of Gram transfer."""

from itertools import pairwise

import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.guide import Reference
from recolor_torch.methods.gram.lbfgs import ProjectedAdam, ProjectedLBFGS, _inverse_times
from recolor_torch.methods.gram.region import ChromaRegion, RgbBox
from recolor_torch.methods.gram.start import fit_reference, place_by_rank, prepare_reference, start_picture


def seeded(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 2))
def test_the_nearest_chroma_is_the_nearest(seed, spread):
    """For a convex set, p is nearest to x exactly where (x - p)(z - p) <= 0 for each z of it."""
    y = seeded(1, 1, 6, 8, seed=seed)
    region = ChromaRegion(y)
    x = (seeded(1, 2, 6, 8, seed=seed + 1) - 0.5) * 2 * spread
    nearest = region.project(x)
    rgb = region.to_rgb(nearest)
    assert rgb.min() > -1e-12
    assert rgb.max() < 1 + 1e-12
    torch.testing.assert_close(rgb_to_luminance(rgb), y)
    for k in range(40):
        other = rgb_to_yuv(fit_gamut(y, (seeded(1, 2, 6, 8, seed=k) - 0.5) * 4))[:, 1:]
        assert float(((x - nearest) * (other - nearest)).sum(1).max()) < 1e-12
    inside = (region.to_rgb(x) >= 0).all(1, keepdim=True) & (region.to_rgb(x) <= 1).all(1, keepdim=True)
    assert torch.equal(torch.where(inside, nearest, 0.0), torch.where(inside, x, 0.0))


def test_gradients_are_pulled_back(device):
    region = ChromaRegion(seeded(1, 1, 3, 4).to(device))
    x = seeded(1, 2, 3, 4).to(device).requires_grad_()
    outer = seeded(1, 3, 3, 4, seed=3).to(device)
    (expected,) = torch.autograd.grad((region.to_rgb(x) * outer).sum(), x)
    torch.testing.assert_close(region.pull_back(outer), expected)


def test_chroma_in_the_gamut_comes_back_from_its_picture(device):
    region = ChromaRegion(seeded(1, 1, 3, 4).to(device))
    chroma = region.project((seeded(1, 2, 3, 4) - 0.5).to(device))
    torch.testing.assert_close(region.from_rgb(region.to_rgb(chroma)), chroma)
    assert chroma.abs().amax() > 0.1


def quadratic(n=40, condition=100.0):
    """A convex quadratic whose minimum lies outside of the unit box in many coordinates."""
    g = torch.Generator().manual_seed(4)
    q = torch.linalg.qr(torch.randn(n, n, generator=g, dtype=torch.float64)).Q
    a = q @ torch.diag(torch.logspace(0, torch.tensor(condition).log10(), n, dtype=torch.float64)) @ q.T
    return a, a @ (torch.randn(n, generator=g, dtype=torch.float64) + 0.5)


def minimise(optimizer, x, f, steps):
    def closure():
        x.grad = None
        with torch.enable_grad():
            loss = f(x)
        loss.backward()
        return loss.detach()

    losses = []
    for _ in range(steps):
        losses.append(float(optimizer.step(closure)))
        if optimizer.state[x].get("converged"):
            break
    return losses


def test_box_minimum_equals_scipy(device):
    a, b = (z.to(device) for z in quadratic())
    x = nn.Parameter(torch.full((40,), 0.5, dtype=torch.float64, device=device))
    optimizer = ProjectedLBFGS([x], RgbBox().project, history=15)
    losses = minimise(optimizer, x, lambda x: 0.5 * x @ a @ x - b @ x, 200)
    a, b = a.cpu().numpy(), b.cpu().numpy()
    result = scipy.optimize.minimize(
        lambda z: (0.5 * z @ a @ z - b @ z, a @ z - b), [0.5] * 40, jac=True, bounds=[(0, 1)] * 40, tol=1e-14
    )
    assert losses[-1] == pytest.approx(result.fun, rel=1e-8)
    torch.testing.assert_close(x.detach().cpu(), torch.from_numpy(result.x), atol=1e-3, rtol=0)
    assert all(later <= earlier for earlier, later in pairwise(losses))
    assert len(losses) < 80
    assert optimizer.state[x]["evaluations"] < 140  # most of them at the end, where rounding hides any decrease


def test_rosenbrock_without_bounds():
    x = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    losses = minimise(ProjectedLBFGS([x]), x, lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2, 100)
    torch.testing.assert_close(x.detach(), torch.ones(2, dtype=torch.float64), atol=1e-4, rtol=0)
    assert all(later <= earlier for earlier, later in pairwise(losses))


def test_the_compact_product_equals_two_loops():
    g = torch.Generator().manual_seed(0)
    n, history = 30, 12
    a, _ = quadratic(n)
    state = {"order": []}
    pairs = []
    for _ in range(15):  # more than the history: the oldest are overwritten
        s = torch.randn(n, generator=g, dtype=torch.float64)
        ProjectedLBFGS._remember(s, a @ s, state, history)
        pairs = [*pairs, (s, a @ s)][-history:]
    q = torch.randn(n, generator=g, dtype=torch.float64)
    r, shares = q.clone(), []
    for s, y in reversed(pairs):
        shares.append((s @ r) / (s @ y))
        r = r - shares[-1] * y
    r = r * max((s @ y) / (y @ y) for s, y in pairs[-10:])
    for (s, y), share in zip(pairs, reversed(shares)):
        r = r + s * (share - (y @ r) / (s @ y))
    torch.testing.assert_close(_inverse_times(q, state), r)


def test_a_resumed_run_is_the_same_run():
    a, b = quadratic()

    def run(steps, state=None, start=None):
        x = nn.Parameter(torch.full((40,), 0.5, dtype=torch.float64) if start is None else start)
        optimizer = ProjectedLBFGS([x], RgbBox().project)
        if state is not None:
            optimizer.load_state_dict(state)
        losses = minimise(optimizer, x, lambda x: 0.5 * x @ a @ x - b @ x, steps)
        return losses, optimizer.state_dict(), x.detach().clone()

    whole = run(12)
    first = run(7)
    second = run(5, first[1], first[2])
    assert first[0] + second[0] == whole[0]
    assert torch.equal(second[2], whole[2])


def test_a_loss_that_is_not_a_number_is_no_step():
    x = nn.Parameter(torch.tensor([0.5, 0.5], dtype=torch.float64))
    losses = minimise(
        ProjectedLBFGS([x], first_change=0.3), x, lambda x: (x - 0.1).square().sum() + (x - 0.35).log().sum() * 0, 5
    )
    assert all(torch.tensor(losses).isfinite())
    assert x.detach().min() > 0.35


def test_adam_stays_inside():
    x = nn.Parameter(torch.full((5,), 0.9, dtype=torch.float64))
    minimise(ProjectedAdam([x], RgbBox().project, lr=0.1), x, lambda x: -x.sum(), 5)
    assert torch.equal(x.detach(), torch.ones(5, dtype=torch.float64))


def test_settings_of_the_optimiser_are_checked():
    with pytest.raises(ValueError, match="history and backtracks"):
        ProjectedLBFGS([torch.zeros(2, requires_grad=True)], history=0)
    with pytest.raises(ValueError, match="takes one parameter"):
        ProjectedLBFGS([torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)])


def test_starts(rgb):
    target, references = rgb[:1], (Reference(rgb[1:]),)
    starts = {s: start_picture(s, target, references) for s in ("target", "source", "average", "noise")}
    assert torch.equal(starts["target"], target)
    torch.testing.assert_close(starts["source"], rgb[1:])
    torch.testing.assert_close(starts["average"], (target + rgb[1:]) / 2)
    assert torch.equal(starts["noise"], start_picture("noise", target, references))
    with pytest.raises(ValueError, match="Unknown start 'middle'"):
        start_picture("middle", target, references)


def test_rank_colour_takes_no_place_from_the_source(rgb):
    target, source = rgb[:1], rgb[1:]
    placed = place_by_rank(target, (Reference(source),))
    torch.testing.assert_close(placed, place_by_rank(target, (Reference(source.flip(-1, -2)),)), atol=1e-5, rtol=0)
    # The luminance of the source, in the order of the target's.
    ours, theirs = (rgb_to_luminance(x).flatten().sort() for x in (placed, source))
    torch.testing.assert_close(ours.values, theirs.values, atol=0.03, rtol=0)
    luminance = rgb_to_luminance(placed).flatten()[rgb_to_luminance(target).flatten().argsort()]
    assert float((luminance.diff() < -1e-3).float().mean()) < 0.02


def test_shuffling_keeps_the_pixels_and_moves_them(rgb):
    shuffled = prepare_reference(rgb[:1], "shuffle", 8)
    assert torch.equal(shuffled.flatten().sort().values, rgb[:1].flatten().sort().values)
    assert not torch.equal(shuffled, rgb[:1])
    # A patch goes as a whole.
    corner = rgb[0, :, :8, :8]
    patches = shuffled[0].unfold(1, 8, 8).unfold(2, 8, 8).permute(1, 2, 0, 3, 4).flatten(0, 1)
    assert sum(torch.equal(patch, corner) for patch in patches) == 1
    assert prepare_reference(rgb[:1, :, :21, :30], "shuffle", 8).shape[-2:] == (16, 24)
    blurred = prepare_reference(rgb[:1], "blur", 6)
    assert blurred.diff(dim=-1).abs().mean() < 0.5 * rgb[:1].diff(dim=-1).abs().mean()


def test_references_come_to_the_size_of_the_target(rgb):
    fitted = fit_reference(Reference(rgb[:1], mask=torch.ones_like(rgb[:1, :1])), 12 * 16)
    assert fitted.image.shape[-2:] == fitted.mask.shape[-2:] == (12, 16)
    assert fit_reference(Reference(rgb[:1]), 10**6).image.shape == rgb[:1].shape

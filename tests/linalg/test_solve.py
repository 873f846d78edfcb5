"""Hierarchies and iterations against direct solves; gradients through the real solver."""

import resource
from dataclasses import dataclass

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.energies.poisson import PoissonEnergy
from recolor_torch.linalg import grid_solver, krylov
from recolor_torch.linalg import hierarchy as hierarchy_module
from recolor_torch.linalg.engines import build_engine
from recolor_torch.linalg.geometric import GeometricHierarchy
from recolor_torch.linalg.graph import (
    aggregate,
    compressed,
    csr_sorted,
    multiply_sparse,
    row_numbers,
    strong_entries,
    strong_ties,
    transpose,
)
from recolor_torch.linalg.grid_solver import Effort, GridSolver
from recolor_torch.linalg.hierarchy import AggregationHierarchy
from recolor_torch.linalg.linear_system import GridSystem, NotConverged
from recolor_torch.linalg.phases import PhaseOperator, from_phases, to_phases
from recolor_torch.linalg.solve import solve

LEVIN = [
    {},
    {"kernel": "gauss", "sigma": 0.05, "neighbours": 4, "smoothing": 0.0},
    {"weights": "local", "kappa": 0.6},
    {"form": "levin"},
    {"form": "levin", "weights": "local"},
    {"form": "levin", "weights": "local", "kappa": 0.6, "neighbours": 4},
]


def case(h=70, w=85, batch=2, dtype=torch.float64, seed=0, density=0.01):
    """A picture with smooth parts, edges and texture, and scattered hints."""
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 1, 6, 6, generator=g, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(coarse, size=(h, w), mode="bilinear")
    blocks = torch.nn.functional.interpolate(coarse, size=(h, w), mode="nearest")
    noise = torch.rand(batch, 1, h, w, generator=g, dtype=torch.float64)
    luminance = 0.5 * smooth + 0.4 * blocks + 0.1 * noise * (blocks > 0.5)
    hints = torch.rand(batch, 2, h, w, generator=g, dtype=torch.float64) - 0.5
    mask = (torch.rand(batch, 1, h, w, generator=g) < density).to(dtype)
    return luminance.to(dtype), hints.to(dtype), mask


@pytest.fixture
def many_levels(monkeypatch):
    """Graphs are coarsened down to a few nodes, so that small pictures exercise every level."""
    monkeypatch.setattr(hierarchy_module, "DENSE", 8)


def test_phases_are_a_rearrangement():
    x = torch.rand(2, 3, 6, 8)
    assert (from_phases(to_phases(x)) == x).all()
    assert to_phases(x)[1, 2, 3, 1, 2] == x[1, 2, 3, 5]


@pytest.mark.parametrize("constants", LEVIN)
@pytest.mark.parametrize("transposed", [False, True])
def test_operator_on_the_phases_is_that_of_the_system(constants, transposed):
    system = LevinEnergy(*case(7, 10, density=0.1), **constants).system()
    op = PhaseOperator(system)
    x = torch.randn_like(system.values).masked_fill(system.fixed, 0)
    expected = system.multiply(x, transposed)
    torch.testing.assert_close(op.leave(op.multiply(op.split(x), transposed)), expected)
    inner = op.split(x)
    residual = op.residual(inner, torch.zeros_like(inner), transposed)
    torch.testing.assert_close(-op.leave(residual), expected)


@pytest.mark.parametrize("constants", LEVIN)
def test_transposed_cycle_is_the_transpose(constants, many_levels):
    op = PhaseOperator(LevinEnergy(*case(30, 34), **constants).system())
    hierarchy = AggregationHierarchy(op)
    assert len(hierarchy.levels) >= 2
    a, b = torch.randn(2, 2, 2, 4, 15, 17, dtype=torch.float64)
    left = (hierarchy.cycle(a) * b).sum()
    torch.testing.assert_close(left, (a * hierarchy.cycle(b, transposed=True)).sum(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("constants", [c for c in LEVIN if "form" not in c])
def test_cycle_of_a_symmetric_operator_is_positive(constants, many_levels):
    hierarchy = AggregationHierarchy(PhaseOperator(LevinEnergy(*case(30, 34), **constants).system()))
    for seed in range(5):
        a = torch.randn(2, 2, 4, 15, 17, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert (a * hierarchy.cycle(a)).sum() > 0


def test_geometric_cycle_is_symmetric_and_positive():
    luminance, _, mask = case(50, 61)
    system = PoissonEnergy(luminance, luminance, mask).system()
    hierarchy = GeometricHierarchy(system)
    assert len(hierarchy.operators) >= 2
    a = hierarchy.enter(torch.randn(2, 1, 50, 61, dtype=torch.float64))
    b = hierarchy.enter(torch.randn(2, 1, 50, 61, dtype=torch.float64))
    torch.testing.assert_close((hierarchy.cycle(a) * b).sum(), (a * hierarchy.cycle(b)).sum())
    assert (a * hierarchy.cycle(a)).sum() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("constants", LEVIN)
def test_aggregation_is_as_exact_as_promised_in_few_steps(constants, dtype, device):
    energy = LevinEnergy(*(x.to(device) for x in case()), **constants)
    exact = solve(energy, method="direct", atol=1e-8)
    assert exact.converged
    single = LevinEnergy(*(x.to(device, dtype) for x in case()), **constants)
    found = solve(single, method="aggregation", fallback=False)
    assert found.converged
    assert found.steps <= 15
    assert found.method == "aggregation"
    assert (found.x - exact.x).abs().amax() < 0.5 / 255


@pytest.mark.parametrize("lam", [0.0, 1.0, 1e3, 1e10])
def test_geometric_is_as_exact_as_promised_in_few_steps(lam, device):
    luminance, hints, mask = (x.to(device) for x in case())
    target, values = luminance.expand(-1, 3, -1, -1), torch.cat([hints, luminance], 1)
    exact = solve(PoissonEnergy(target, values, mask, lam=lam), method="direct", atol=1e-8).x
    single = PoissonEnergy(target.float(), values.float(), mask.float(), lam=lam)
    found = solve(single, method="geometric", fallback=False)
    assert found.converged
    assert found.steps <= 8
    assert found.method == "geometric"
    assert (found.x - exact).abs().amax() < 0.5 / 255


@dataclass(frozen=True)
class Given:
    """A system as an energy."""

    made: GridSystem

    def system(self):
        return self.made

    def restore(self, x):
        return x


@pytest.mark.parametrize("method", ["auto", "aggregation", "geometric"])
def test_batch_equals_one_by_one(method, device):
    luminance, hints, mask = (x.to(device) for x in case(h=101, w=103, batch=3, dtype=torch.float32))
    energy = PoissonEnergy(luminance.expand(-1, 2, -1, -1), hints, mask)
    system = (energy if method == "geometric" else LevinEnergy(luminance, hints, mask)).system()
    together = solve(Given(system), method=method).x
    for b in range(3):
        alone = solve(Given(system.select(b)), method=method).x
        if device.type == "cpu":
            assert torch.equal(together[b : b + 1], alone)
        else:
            torch.testing.assert_close(together[b : b + 1], alone, atol=0.5 / 255, rtol=0)


def test_iteration_that_fails_falls_back_or_says_so():
    energy = LevinEnergy(*case())
    failed = solve(energy, method="aggregation", max_steps=1, fallback=False)
    assert not failed.converged
    assert failed.error > 0.5 / 255
    saved = solve(energy, method="aggregation", max_steps=1)
    assert saved.converged
    assert saved.method == "direct"


def test_warm_start_saves_steps():
    energy = LevinEnergy(*case(dtype=torch.float32))
    cold = solve(energy, method="aggregation")
    warm = solve(energy, method="aggregation", start=cold.x + 0.002)
    assert warm.steps < cold.steps
    assert (warm.x - cold.x).abs().amax() < 1 / 255


def test_one_look_at_the_end():
    """Fixed steps: nothing waits for the device before the end."""
    found = solve(LevinEnergy(*case()), method="aggregation", max_steps=20, check_every=20, fallback=False)
    assert found.steps == 20
    assert found.converged


class HostIsNotAsked(TorchDispatchMode):
    """Fails where a number is read from the device, or a shape depends on values."""

    WAITING = ("_local_scalar_dense", "nonzero", "item", "equal", "masked_select", "unique", "svd", "eigvalsh", "eigh")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func.overloadpacket).split(".")[-1]
        assert not any(word in name for word in self.WAITING), f"{name} waits for the device"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("method", ["geometric", "aggregation"])
@pytest.mark.parametrize("constants", [{}, {"form": "levin", "weights": "local"}])
def test_an_iteration_does_not_wait_for_the_device(constants, method, many_levels, monkeypatch):
    """So that steps can be captured in a CUDA graph; a restart of GMRES included."""
    monkeypatch.setattr(krylov, "BASIS", 3)
    system = LevinEnergy(*case(dtype=torch.float32), **constants).system()
    if method == "geometric" and not system.symmetric:
        pytest.skip("symmetric systems only")
    engine = build_engine(system, method)
    rhs = engine.enter(system.residual(torch.zeros_like(system.values)), False)
    solver = krylov.ConjugateGradients if system.symmetric else krylov.GMRES
    with HostIsNotAsked():
        found = solver(lambda x: engine.multiply(x, False), lambda r: engine.cycle(r, False), rhs)
        for _ in range(8):
            found.step()
    assert found.steps == 8
    with pytest.raises(AssertionError, match="waits for the device"), HostIsNotAsked():
        float(found.error().amax())


def test_squared_system_by_iteration():
    """The report's form by the hierarchy applied twice: right where it says so."""
    energy = LevinEnergy(*case(40, 44, density=0.02), form="report", weights="local")
    exact = solve(energy, method="direct").x
    found = solve(energy, method="aggregation", max_steps=200)
    assert found.converged
    assert (found.x - exact).abs().amax() < 0.5 / 255


def sparse(rows, cols, seed, device):
    """A random compressed-row matrix with int32 indices, and the same dense."""
    g = torch.Generator().manual_seed(seed)
    dense = torch.rand(rows, cols, generator=g) * (torch.rand(rows, cols, generator=g) < 0.2)
    a = dense.to_sparse_csr()
    return compressed(
        *(t.to(device) for t in (a.crow_indices().int(), a.col_indices().int(), a.values())), a.shape
    ), dense


def test_sparse_products_and_transposes(device):
    (a, dense_a), (b, dense_b) = sparse(30, 20, 0, device), sparse(20, 25, 1, device)
    product, turned = multiply_sparse(a, b), transpose(a)
    torch.testing.assert_close(product.to_dense().cpu(), dense_a @ dense_b)
    torch.testing.assert_close(turned.to_dense().cpu(), dense_a.t().contiguous())
    for matrix in (product, turned):
        assert matrix.col_indices().dtype == matrix.crow_indices().dtype == torch.int32


def test_sparse_products_give_their_memory_back():
    n = 20_000
    g = torch.Generator().manual_seed(0)
    cols = (torch.arange(n).repeat_interleave(5) + torch.randint(-50, 50, (5 * n,), generator=g)) % n
    a = compressed(torch.arange(0, 5 * n + 1, 5, dtype=torch.int32), cols.int(), torch.ones(5 * n), (n, n))
    multiply_sparse(a, a)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):  # each has about 4 MB
        multiply_sparse(a, a)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


def test_aggregates_are_around_roots_two_apart():
    n = 60
    i = torch.arange(n - 1, dtype=torch.int32)
    rows, order = torch.cat([i, i + 1, torch.arange(n, dtype=torch.int32)]).sort()
    cols = torch.cat([i + 1, i, torch.arange(n, dtype=torch.int32)])[order]
    values = torch.cat([-torch.ones(2 * n - 2), 2 * torch.ones(n)])[order]
    matrix = csr_sorted(rows, cols, values, (n, n))
    rows, cols, values = row_numbers(matrix), matrix.col_indices(), matrix.values()
    diagonal = torch.full((n,), 2.0)
    strong = strong_entries(rows, cols, values, diagonal, 0.1)
    group, count = aggregate(strong_ties(rows, cols, values, diagonal, strong, True), n)
    assert (group >= 0).all()
    sizes = torch.bincount(group, minlength=count)
    assert sizes.max() <= 5
    assert sizes.min() >= 1


class TestGradient:
    """gradcheck and gradgradcheck in float64, through the iteration and the adjoint iteration."""

    def check(self, build, tensors, twice=True, **options):
        tensors = [t.clone().requires_grad_() for t in tensors]

        def chroma(*args):
            found = solve(build(*args), atol=1e-11, fallback=False, **options)
            assert found.converged
            return found.x

        assert torch.autograd.gradcheck(chroma, tensors, eps=1e-6, atol=1e-5, rtol=1e-4, fast_mode=True)
        if twice:
            assert torch.autograd.gradgradcheck(chroma, tensors, eps=1e-6, atol=1e-4, rtol=1e-3, fast_mode=True)

    @pytest.mark.parametrize("method", ["direct", "aggregation"])
    @pytest.mark.parametrize(
        "constants",
        [
            {"sigma": 0.3},
            {"weights": "local", "neighbours": 4},
            {"form": "levin", "weights": "local"},
            {"form": "report", "weights": "local", "neighbours": 4},
        ],
    )
    def test_levin(self, constants, method, many_levels):
        if method == "aggregation" and constants.get("form") == "report":
            pytest.skip("solved directly")
        luminance, hints, mask = case(5, 6, batch=1, density=0.1)
        mask[..., 2, 3] = 1
        prior, confidence = torch.rand_like(hints) - 0.5, 0.1 + 0.2 * torch.rand_like(mask)

        def build(luminance, hints, prior, confidence):
            return LevinEnergy(luminance, hints, mask, prior=prior, confidence=confidence, **constants)

        self.check(build, (luminance, hints, prior, confidence), method=method)

    @pytest.mark.parametrize("order", [1, 2])
    def test_poisson(self, order):
        luminance, hints, mask = case(5, 6, batch=1, density=0.1)
        mask[..., 2, 3] = 1
        lam = torch.tensor(3.0, dtype=torch.float64)
        method = "geometric" if order == 1 else "direct"

        def build(target, values, lam):
            return PoissonEnergy(target, values, mask, lam=lam, order=order)

        self.check(build, (luminance.expand(-1, 2, -1, -1), hints, lam), method=method)

    def test_second_derivatives_of_a_batch(self):
        """Each picture has a solver of its own; weights that one picture lends to all get the sum."""
        luminance, hints, mask = case(4, 5, batch=2, density=0.2)
        mask[..., 2, 3] = 1

        def build(luminance, hints):
            return LevinEnergy(luminance, hints, mask, sigma=0.3)

        self.check(build, (luminance, hints[:1]), method="aggregation")

    def test_adjoint_that_fails_is_no_gradient(self):
        luminance, hints, mask = case(30, 34)
        luminance.requires_grad_()
        energy = LevinEnergy(luminance, hints, mask)
        half = solve(energy, method="aggregation", max_steps=3, fallback=False)
        with pytest.raises(NotConverged, match="adjoint"):
            half.x.square().sum().backward()

    def test_adjoint_of_a_larger_picture(self):
        """By the aggregation, against the direct adjoint."""
        luminance, hints, mask = case()
        grads = []
        for method in ("direct", "aggregation"):
            t, h = luminance.clone().requires_grad_(), hints.clone().requires_grad_()
            x = solve(LevinEnergy(t, h, mask, form="levin", weights="local"), method=method, atol=1e-7).x
            (x * torch.linspace(-1, 1, 85, dtype=torch.float64)).sum().backward()
            grads.append((t.grad, h.grad))
        for direct, iterated in zip(*grads):
            torch.testing.assert_close(iterated, direct, atol=1e-3 * float(direct.abs().max()), rtol=0)


def test_a_luminance_transform_learns_to_spread_better():
    """Two textures of equal brightness: a small network finds a guide in which they differ."""
    torch.manual_seed(0)
    h, w = 16, 24
    noise = torch.rand(1, 1, h, w, dtype=torch.float64)
    left = (torch.arange(w) < w // 2).to(torch.float64).expand(1, 1, h, w)
    luminance = 0.5 + torch.where(left > 0, 0.02, 0.2) * (noise - 0.5)  # smooth to the left, rough to the right
    truth = torch.cat([left - 0.5, 0.5 - left], 1) * 0.6
    mask = torch.zeros(1, 1, h, w, dtype=torch.float64)
    mask[..., h // 2, 4] = mask[..., h // 2, w - 5] = 1
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 5, padding=2, padding_mode="replicate"),
        torch.nn.Tanh(),
        torch.nn.Conv2d(8, 8, 5, padding=2, padding_mode="replicate"),
        torch.nn.Tanh(),
        torch.nn.Conv2d(8, 1, 1),
    ).double()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)

    def loss(guide):
        found = solve(LevinEnergy(guide, truth, mask, sigma=0.1), method="aggregation", atol=1e-4)
        return (found.x - truth).square().mean()

    before = loss(luminance).item()
    for _ in range(20):
        optimizer.zero_grad()
        value = loss(luminance + network(8 * (luminance - 0.5)))
        value.backward()
        optimizer.step()
    after = loss(luminance + network(8 * (luminance - 0.5))).item()
    assert after < 0.5 * before


@pytest.mark.parametrize("constants", [{}, {"form": "levin", "weights": "local"}])
def test_each_image_stops_on_its_own_error(constants, device):
    """An easy picture beside a hard one: where they are solved together, as on a GPU, the easy one is left alone."""
    luminance, hints, mask = (x.to(device) for x in case(batch=2))
    luminance[0], mask[0, :, ::3, ::3] = 0.5, 1
    system = LevinEnergy(luminance, hints, mask, **constants).system()
    together = GridSolver(system, "aggregation").improve(torch.zeros_like(system.values), 0.5 / 255)
    assert together.converged
    exact = solve(LevinEnergy(luminance, hints, mask, **constants), method="direct", atol=1e-8).x
    assert (system.insert(together.x) - exact).abs().amax() < 0.5 / 255
    steps = []
    for i in range(2):
        one = system.select(i)
        steps.append(GridSolver(one, "aggregation").improve(torch.zeros_like(one.values), 0.5 / 255).steps)
    assert steps[0] < min(steps[1], together.steps)


def test_only_the_image_that_fails_is_solved_again(monkeypatch):
    luminance, hints, mask = case(batch=2)
    luminance[0], mask[0, :, ::2, ::2] = 0.5, 1
    system = LevinEnergy(luminance, hints, mask).system()
    solved = []
    direct = grid_solver.solve_direct

    def counted(system, rhs, image, *rest):
        solved.append(image)
        return direct(system, rhs, image, *rest)

    monkeypatch.setattr(grid_solver, "solve_direct", counted)
    alone = GridSolver(system.select(0), "aggregation").improve(torch.zeros_like(system.values[:1]), 0.5 / 255).steps
    solver = GridSolver(system, "aggregation", Effort(max_steps=alone + 1))
    assert solver.improve(torch.zeros_like(system.values), 0.5 / 255).converged
    assert solved == [1]

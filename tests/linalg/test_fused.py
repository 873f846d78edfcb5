"""Kernels for a GPU, run by Triton's interpreter on the CPU, against the plain operations."""

import sys
from importlib.util import find_spec, module_from_spec

import pytest
import torch

from recolor_torch.linalg import fused, fused_check
from recolor_torch.linalg.cells import Cells
from recolor_torch.linalg.graph import csr_sorted
from recolor_torch.linalg.hierarchy import AggregationHierarchy
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.phases import PhaseOperator, taps_of, to_phases
from recolor_torch.linalg.stencil import FULL_8, HALF_4, HALF_8


@pytest.fixture
def interpreted(monkeypatch):
    """The kernels on the CPU."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")  # read when Triton and the kernels are imported, never after
    if find_spec("triton") is None:
        pytest.skip("Triton is not installed.")
    import triton.language

    if not type(triton.language.sum).__name__.startswith("Interp"):
        assert torch.cuda.is_available(), "without a GPU nothing imports Triton for one"
        pytest.skip("Triton was imported before, for a GPU.")
    monkeypatch.setattr(fused, "DEVICES", {"cpu"})
    monkeypatch.setattr(fused, "_CHECKED", {})
    monkeypatch.setattr(fused_check, "SIZE", (2, 6, 6))
    return torch.device("cpu")


@pytest.mark.slow
def test_kernels_agree_with_the_plain_operations(interpreted):
    assert fused_check.agree(interpreted, torch.float32, 3)


def test_a_kernel_that_is_wrong_is_found_and_not_used(interpreted, monkeypatch, caplog):
    rows = fused.update_rows
    monkeypatch.setattr(fused, "update_rows", lambda *args, **kwargs: 1.001 * rows(*args, **kwargs))
    monkeypatch.setattr(fused_check, "_pixels", lambda *_: [])
    matrix = csr_sorted(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([2.0, 3.0]), (2, 2))
    assert fused.product(matrix, torch.eye(2)).tolist() == [[0, 2], [3, 0]]
    assert "they disagree with the plain operations" in caplog.text


def test_a_compiler_that_fails_is_said_once(interpreted, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(fused_check, "agree", fail)
    for _ in range(2):
        assert not fused.usable(torch.zeros(1, 2, 4, 2, 2), torch.zeros(1, 1, 4, 2, 2))
    assert caplog.text.count("no compiler") == 1


@pytest.mark.parametrize(("lacking", "said"), [("triton", 0), ("setuptools", 1)])
def test_a_triton_that_does_not_start_leaves_the_plain_operations(monkeypatch, caplog, lacking, said):
    fault = ModuleNotFoundError(f"No module named {lacking!r}", name=lacking)
    monkeypatch.setattr("recolor_torch.linalg.kernels.FAULT", fault)
    monkeypatch.setattr(fused, "DEVICES", {"cpu"})
    monkeypatch.setattr(fused, "_CHECKED", {})
    for _ in range(2):
        assert not fused.usable(torch.zeros(1, 2, 4, 2, 2), torch.zeros(1, 1, 4, 2, 2))
    assert caplog.text.count("No module named 'setuptools'") == said
    assert len(caplog.records) == said


def test_the_kernels_are_there_without_triton(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    spec = find_spec("recolor_torch.linalg.kernels")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.FAULT.name == "triton"


def test_kernels_can_be_left_out(interpreted, monkeypatch):
    monkeypatch.setenv("RECOLOR_TRITON", "0")
    assert not fused.usable(torch.zeros(1, 2, 4, 2, 2), torch.zeros(1, 1, 4, 2, 2))


@pytest.mark.parametrize(("offsets", "one_way", "count"), [(HALF_8, False, 8), (FULL_8, True, 8)])
def test_every_pixel_has_its_neighbours(offsets, one_way, count):
    for phase in range(4):
        for backward in (False, True):
            taps = taps_of(offsets, phase, one_way, backward)
            assert len({tap[2:] for tap in taps}) == count <= fused.TAPS


@pytest.mark.parametrize(("offsets", "symmetric"), [(HALF_8, True), (HALF_4, True), (FULL_8, False)])
def test_the_coarse_matrix_by_sorting_is_the_one_by_counting(offsets, symmetric, monkeypatch):
    generator = torch.Generator().manual_seed(3)
    weights, mass, mask = (
        torch.rand(n, 2, 1, 11, 14, generator=generator, dtype=torch.float64) for n in (len(offsets), 1, 1)
    )
    fixed, empty = mask[0] < 0.1, torch.zeros_like(mass[0])
    system = GridSystem(tuple(weights.pow(6)), offsets, symmetric, False, 0.1 * mass[0], empty, fixed, empty)
    op = PhaseOperator(system)
    null = 0.5 + 0.5 * op.split(mass[0])
    counted, diagonal = Cells(op, 0.1, null).galerkin(op, null)
    monkeypatch.setattr(fused, "DEVICES", {"cpu"})
    monkeypatch.setenv("RECOLOR_TRITON", "0")
    monkeypatch.setattr(fused, "_CHECKED", {})
    found, same = Cells(op, 0.1, null).galerkin(op, null)
    torch.testing.assert_close(found.to_dense(), counted.to_dense(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(same, diagonal, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.to_dense().diagonal(), diagonal, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("offsets", "symmetric"), [(HALF_8, True), (FULL_8, False)])
def test_a_cycle_by_kernels_is_the_plain_one(interpreted, offsets, symmetric, monkeypatch):
    generator = torch.Generator().manual_seed(4)
    weights = torch.rand(len(offsets), 1, 1, 24, 28, generator=generator, dtype=torch.float64).pow(4)
    mass, empty = torch.full((1, 1, 24, 28), 0.01, dtype=torch.float64), torch.zeros(1, 1, 24, 28, dtype=torch.float64)
    system = GridSystem(tuple(weights), offsets, symmetric, False, mass, empty, empty > 0, empty)
    monkeypatch.setattr(fused, "_ready", lambda *_: False)
    hierarchy = AggregationHierarchy(PhaseOperator(system), dense=10)
    assert len(hierarchy.levels) >= 1
    b = to_phases(torch.rand(1, 2, 24, 28, generator=generator, dtype=torch.float64))
    for transposed in (False, True):
        wanted, product = hierarchy.cycle(b, transposed), hierarchy.op.multiply(b, transposed)
        used: list[str] = []
        with monkeypatch.context() as kernels:
            kernels.setattr(fused, "_ready", lambda *_: True)
            for name in ("update_rows", "sweep", "residual", "restrict", "prolong_add"):
                plain = getattr(fused, name)
                kernels.setattr(fused, name, lambda *a, n=name, f=plain, u=used, **k: (u.append(n), f(*a, **k))[1])
            torch.testing.assert_close(hierarchy.cycle(b, transposed), wanted, rtol=1e-6, atol=1e-6)
            torch.testing.assert_close(hierarchy.op.multiply(b, transposed), product, rtol=1e-9, atol=1e-9)
        others = [name for name in used if name != "update_rows"]
        assert others == ["sweep", "residual", "restrict", "prolong_add", "sweep"]
        assert used.count("update_rows") >= 6 * len(hierarchy.levels)

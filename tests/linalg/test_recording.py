"""Recorded iterations against the same ones run as they are, with a stand-in for CUDA graphs."""

import gc
import logging
import weakref
from functools import partial

import pytest
import torch
from tape import Tape

from recolor_torch.energies import LevinEnergy, PoissonEnergy
from recolor_torch.linalg import grid_solver, hierarchy, recording
from recolor_torch.linalg.grid_solver import GridSolver
from recolor_torch.linalg.recording import Recording
from recolor_torch.linalg.solve import solve

ATOL = 0.5 / 255


def energy(name, dtype=torch.float32, batch=1):
    g = torch.Generator().manual_seed(3)
    luminance = torch.rand(batch, 1, 26, 30, generator=g, dtype=dtype).cumsum(-1) / 15
    hints = torch.rand(batch, 2, 26, 30, generator=g, dtype=dtype) - 0.5
    mask = (torch.rand(batch, 1, 26, 30, generator=g) < 0.1).to(dtype)
    if name == "poisson":
        rgb = hints.repeat(1, 2, 1, 1)[:, :3]
        return PoissonEnergy(luminance.expand(-1, 3, -1, -1).contiguous(), rgb, mask, lam=1e3)
    settings = {"levin": {"form": "levin", "weights": "local"}, "report": {"form": "report", "weights": "local"}}
    return LevinEnergy(luminance, hints, mask, **settings.get(name, {}))


METHODS = {"laplacian": "aggregation", "levin": "aggregation", "poisson": "geometric", "report": "aggregation"}


@pytest.fixture
def tapes(monkeypatch):
    """All recordings that were made on the CPU."""
    made = weakref.WeakSet()

    def record(procedure, like):
        tape = Tape(procedure, like)
        made.add(tape)
        return tape

    monkeypatch.setattr(recording, "RECORDERS", {"cpu": record})
    monkeypatch.setattr(recording, "_WARM", set())
    monkeypatch.setattr(recording, "_FAILED", set())
    monkeypatch.setattr(grid_solver, "SMALL", 0)
    monkeypatch.setattr(grid_solver, "SMALL_AND_HARD", 0)
    monkeypatch.setattr(hierarchy, "DENSE", 20)
    return made


def plain(run):
    """The same without a recorder."""
    kept, recording.RECORDERS = recording.RECORDERS, {}
    try:
        return run()
    finally:
        recording.RECORDERS = kept


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", METHODS)
def test_a_recorded_solve_is_the_same_to_the_last_bit(tapes, name, batch):
    system = energy(name, batch=batch).system()

    def run():
        solver = GridSolver(system, METHODS[name])
        return solver, solver.improve(torch.zeros_like(system.values), ATOL)

    solver, found = run()
    assert len(solver.iterations) == 1
    assert sum(r.replay is not None for r in (k.advance for k in solver.iterations.values())) == 1
    _, wanted = plain(run)
    assert found.steps == wanted.steps >= 3
    assert found.method == wanted.method
    assert torch.equal(found.x, wanted.x)


def test_one_recording_serves_all_right_hand_sides_of_a_hierarchy(tapes):
    system = energy("levin").system()
    solver, g = GridSolver(system, "aggregation"), torch.Generator().manual_seed(1)
    sides = [torch.randn(system.values.shape, generator=g).masked_fill(system.fixed, 0) for _ in range(3)]
    for transposed in (False, True):
        found = [solver.solve(b, ATOL, transposed).x for b in sides]
        for b, x in zip(sides, found):
            wanted = plain(partial(GridSolver(system, "aggregation").solve, b, ATOL, transposed)).x
            assert torch.equal(x, wanted)
    assert len(solver.iterations) == 2
    other = torch.cat((sides[0], sides[1]), 1)  # four channels: another shape, another recording
    torch.testing.assert_close(solver.solve(other, ATOL).x[:, 2:], solver.solve(sides[1], ATOL).x, atol=ATOL, rtol=0)
    assert len(solver.iterations) == 3


def test_gradients_go_through_recorded_solves(tapes):
    def gradient():
        made = energy("levin", torch.float64)
        hints = made.hints_chroma.clone().requires_grad_()
        x = solve(LevinEnergy(made.luminance, hints, made.mask, form="levin", weights="local"), atol=1e-7).x
        return torch.autograd.grad(x.square().sum(), hints)[0]

    found = gradient()
    assert torch.equal(found, plain(gradient))
    assert found.abs().sum() > 0


def test_recordings_go_with_their_solver(tapes):
    system = energy("laplacian").system()
    gc.collect()
    gc.disable()
    try:
        solver = GridSolver(system, "aggregation")
        solver.improve(torch.zeros_like(system.values), ATOL)
        assert len(tapes) >= 1
        del solver
        assert len(tapes) == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["laplacian", "levin"])
def test_a_device_that_cannot_record_goes_on_and_says_so_once(tapes, monkeypatch, caplog, name):
    def refuse(procedure, like):
        raise RuntimeError("operation not permitted when stream is capturing")

    system = energy(name).system()

    def run():
        return GridSolver(system, "aggregation").improve(torch.zeros_like(system.values), ATOL)

    wanted = plain(run)
    monkeypatch.setattr(recording, "RECORDERS", {"cpu": refuse})
    with caplog.at_level(logging.WARNING, "recolor_torch"):
        assert torch.equal(run().x, wanted.x)
        assert torch.equal(run().x, wanted.x)
    told = [r.message for r in caplog.records if "CUDA graph" in r.message]
    assert len(told) == 1
    assert "not permitted" in told[0]


def test_what_reads_a_value_cannot_be_recorded(tapes):
    x, record = torch.ones(3), None
    record = Recording(x, "reads")

    def reads():
        if float(x.sum()) > 0:
            x.mul_(2)

    for _ in range(3):
        record(reads)
    assert record.replay is None
    assert torch.equal(x, torch.full((3,), 8.0))

"""The engine does what a Trainer does, without one."""

import json
import os
import signal
import threading
from dataclasses import replace

import lightning.pytorch as pl
import pytest
import torch
from pictures import save_picture

from recolor_torch import system
from recolor_torch.errors import UsageError
from recolor_torch.lit import PictureDataModule, PictureWriter, RecolorModule
from recolor_torch.methods import HistogramTransfer, Recolorizer, build_method
from recolor_torch.run import engine
from recolor_torch.run.batches import BatchDataset
from recolor_torch.run.coloring import describe_method
from recolor_torch.run.description import Coloring, GallerySource, Guidance, Loading, Output, Run, Targets
from recolor_torch.run.engine import batches_of, color_run, read_ahead
from recolor_torch.run.planning import plan_run

CPU = torch.device("cpu")


@pytest.fixture
def run(tmp_path):
    for n in range(7):
        save_picture(tmp_path / f"in/{n}.png", 40 + n % 2, 30, seed=n)
    (tmp_path / "in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    reference = save_picture(tmp_path / "ref.png", 30, 20, seed=8)
    return Run(Targets((str(tmp_path / "in"),)), Output(tmp_path / "out"), Guidance((reference,)))


def do(run, method=None, **options):
    method = method or HistogramTransfer()
    settings = describe_method(method, run.coloring)
    plan = plan_run(run, settings)
    return color_run(run, method, plan, settings, device=CPU, **options)


def made(folder):
    return {p.name: p.read_bytes() for p in folder.glob("*.png")}


def lines(folder):
    entries = map(json.loads, (folder / "run.jsonl").read_text().splitlines())
    return {e["output"]: {k: v for k, v in e.items() if k not in ("seconds", "time", "mtime_ns")} for e in entries}


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_trainer_and_the_engine_make_the_same_bytes_and_record(run, tmp_path, workers):
    run = replace(run, loading=Loading(batch_size=2, workers=workers), coloring=Coloring(strength=0.8))
    assert do(run) == {"done": 7, "failed": 1}
    other = replace(run, output=Output(tmp_path / "other"), loading=Loading(batch_size=2, workers=0))
    writer = PictureWriter()
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, callbacks=[writer])
    module = RecolorModule(HistogramTransfer(), strength=0.8)
    trainer.predict(module, PictureDataModule.of(other), return_predictions=False)
    assert writer.entries == {"done": 7, "failed": 1}
    assert made(tmp_path / "out") == made(tmp_path / "other")
    assert lines(tmp_path / "out") == lines(tmp_path / "other")
    # Each resumes what the other did: the broken picture alone is left.
    assert len(plan_run(other, describe_method(HistogramTransfer(), other.coloring)).skipped) == 7


@pytest.mark.parametrize(
    ("device", "asked", "sizes"), [("cpu", -1, [1] * 20), ("meta", -1, [20]), ("meta", 16, [16, 4])]
)
def test_a_gpu_is_given_more_pictures_at_a_time(tmp_path, device, asked, sizes):
    """A processor is given those that take them one by one anyhow each for itself."""
    for i in range(20):
        save_picture(tmp_path / f"in/{i}.png", 12, 10, seed=i)
    method = build_method("wavelet")
    run = Run(Targets((str(tmp_path / "in"),)), Output(tmp_path / "out"), loading=Loading(batch_size=asked))
    batches = batches_of(plan_run(run, describe_method(method, run.coloring)), run, method, torch.device(device))
    assert [len(jobs) for jobs in batches.batches] == sizes


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_batches_come_in_order_whoever_reads_them(run, workers):
    settings = describe_method(HistogramTransfer(), run.coloring)
    run = replace(run, loading=Loading(batch_size=1))
    batches = batches_of(plan_run(run, settings), run)
    names = [[job.target.name for job in jobs] for jobs in batches.batches]
    found = [
        [job.target.name for job in b.jobs or [job for job, _ in b.failures]] for b in read_ahead(batches, workers)
    ]
    assert found == names


def test_readers_share_one_tensor_of_a_reference(run):
    settings = describe_method(HistogramTransfer(), run.coloring)
    run = replace(run, loading=Loading(batch_size=2))
    found = [b.guide.references[0].image for b in read_ahead(batches_of(plan_run(run, settings), run), 3) if b.jobs]
    assert len(found) > 3
    assert all(image is found[0] for image in found)


def test_every_thread_can_throw_where_memory_lacks(run, tmp_path, monkeypatch):
    prepared = set()
    monkeypatch.setattr(system, "prepare_thread", lambda: prepared.add(threading.current_thread()))
    settings = describe_method(HistogramTransfer(), run.coloring)
    run = replace(run, loading=Loading(batch_size=1))
    used = set()
    read = BatchDataset.__getitem__
    monkeypatch.setattr(BatchDataset, "__getitem__", lambda *a: (used.add(threading.current_thread()), read(*a))[1])
    assert len(list(read_ahead(batches_of(plan_run(run, settings), run), 2))) > 1
    list(engine.write_all(Writer(used), [None] * 3))
    assert used
    assert used <= prepared


class Writer:
    def __init__(self, used):
        self.used = used

    def write(self, result):
        self.used.add(threading.current_thread())
        return {}


def test_readers_end_with_a_run_that_ends_early(run):
    settings = describe_method(HistogramTransfer(), run.coloring)
    run = replace(run, loading=Loading(batch_size=1))
    before = threading.active_count()
    ahead = read_ahead(batches_of(plan_run(run, settings), run), 2)
    next(ahead)
    ahead.close()
    assert threading.active_count() == before


class Signalled(Recolorizer):
    """Asks its own process to end while it works on the third batch."""

    def forward(self, image, guide):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return image

    def settings(self):
        return {}


def test_a_run_that_is_ended_leaves_whole_files_and_goes_on(run, tmp_path):
    run = replace(run, loading=Loading(batch_size=1, workers=0))
    before = signal.getsignal(signal.SIGTERM)
    told = []
    with pytest.raises(KeyboardInterrupt):
        do(run, Signalled(), on_entry=told.append)
    assert signal.getsignal(signal.SIGTERM) is before
    done = {name for name, line in lines(tmp_path / "out").items() if line["status"] == "done"}
    assert done == set(made(tmp_path / "out"))
    assert 1 <= len(done) <= 2
    assert {entry["output"] for entry in told if entry["status"] == "done"} == done
    assert do(run)["done"] == 7 - len(done)  # the other method's results are another recipe, and are kept


def test_double_precision_is_set_back(run):
    assert do(run, precision="64-true")["done"] == 7
    assert torch.get_default_dtype() is torch.float32


def test_mistakes_are_seen_when_a_run_is_described(tmp_path):
    with pytest.raises(UsageError, match="in .0, 1., got 1.5"):
        Coloring(strength=1.5)
    with pytest.raises(UsageError, match="got 0"):
        Loading(batch_size=0)
    with pytest.raises(UsageError, match="1 reference or more from the gallery, got 0"):
        GallerySource((tmp_path,), 0)
    with pytest.raises(UsageError, match="1 reference weights were given for 2"):
        Guidance((tmp_path, tmp_path), (1.0,))
    with pytest.raises(UsageError, match="not all 0"):
        Guidance((tmp_path,), (float("nan"),))
    with pytest.raises(UsageError, match="no slash"):
        Output(tmp_path, suffix="a/b")
    with pytest.raises(UsageError, match="either pairs or targets"):
        Targets(("a.png",), pairs=tmp_path)
    with pytest.raises(UsageError, match="either a gallery or references"):
        Run(Targets(("a.png",)), Output(tmp_path), Guidance((tmp_path,)), GallerySource((tmp_path,)))

"""Signals end a run as Ctrl-C does: within a batch, nothing half, one sentence; the same command goes on."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
from pictures import save_picture

from recolor_torch.cli import main
from recolor_torch.system import stopped_by_signals

ROOT = Path(__file__).parents[2]
COLORIZE = ["colorize", "in", "-r", "ref.png", "-m", "histogram", "-o", "out", "--batch-size", "1"]
PREDICT = ["predict", "--config", str(ROOT / "configs/methods/histogram.yaml"), "--data.targets", "[in]"]
PREDICT += ["--data.references", "[ref.png]", "--data.output", "out", "--data.batch_size", "1", "--data.workers", "0"]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def folder(tmp_path):
    one = save_picture(tmp_path / "in/0.png", 300, 300)
    for n in range(1, 60):
        os.link(one, tmp_path / f"in/{n}.png")
    save_picture(tmp_path / "ref.png", 30, 20, seed=99)
    return tmp_path


def start(folder, command, ignore_hangup=False):
    # A run takes over what its parent ignores, and the tests may run under nohup.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignore_hangup else signal.SIG_DFL)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "recolor_torch", *command],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
    finally:
        signal.signal(signal.SIGHUP, before)


def wait_for_results(folder, process):
    end = time.monotonic() + 240
    while not list(folder.glob("out/*.png")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.01)


def written(folder):
    lines = [json.loads(line) for line in (folder / "out/run.jsonl").read_text().splitlines()]
    return {line["output"] for line in lines}, {p.name for p in folder.glob("out/*.png")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "number"), [(COLORIZE, signal.SIGHUP), (PREDICT, signal.SIGTERM)], ids=["colorize", "predict"]
)  # both signals go one way; tests/lit/test_together.py has SIGHUP under predict
def test_a_signal_stops_a_run_that_then_goes_on(folder, command, number, monkeypatch, capsys):
    process = start(folder, command)
    wait_for_results(folder, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "nterrupted" in err
    assert "Traceback" not in err
    assert list(folder.glob("out/.recolor-*")) == []
    recorded, there = written(folder)
    assert there <= recorded
    assert len(there) < 60
    monkeypatch.chdir(folder)
    assert main(command) == 0
    assert f"{len(there)} skipped" in capsys.readouterr().out
    assert len(written(folder)[1]) == 60


@pytest.mark.slow
def test_a_hangup_that_is_ignored_stays_so(folder):
    process = start(folder, COLORIZE, ignore_hangup=True)
    wait_for_results(folder, process)
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "60 done" in out


def hit(number, seen):
    """Receive a signal, and note what the next of its kind would do."""
    with stopped_by_signals():
        try:
            os.kill(os.getpid(), number)
            time.sleep(1)
        finally:
            seen.append(signal.getsignal(number))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_second_signal_has_its_own_meaning_again(number):
    seen = []
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it would stay ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            hit(number, seen)
        assert seen == [signal.SIG_DFL]
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("busy", [False, True])
def test_an_interruption_that_python_drops_comes_again(number, busy, capfd, monkeypatch):
    """What a callback of a weak reference raises is dropped, the interruption too, and the run went on."""

    class Thing:
        """To be referred to."""

    def slow(thread, begin=threading.Thread.start):
        """A thread takes long to begin, as on a busy machine."""
        begin(thread)
        time.sleep(0.1)

    if busy:
        monkeypatch.setattr(threading.Thread, "start", slow)
    thing, handlers, went_on = Thing(), [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)], []

    def hit_in_callback(_dead):
        os.kill(os.getpid(), number)
        time.sleep(0.1)

    kept = weakref.ref(thing, hit_in_callback)

    def run():
        nonlocal thing
        with stopped_by_signals():
            thing = None
            time.sleep(1)
            went_on.append(kept)

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run()
    finally:
        for n, handler in zip((signal.SIGTERM, signal.SIGINT), handlers):
            signal.signal(n, handler)
    assert kept() is None
    assert went_on == []
    assert "Traceback" not in capfd.readouterr().err

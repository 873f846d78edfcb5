"""Several processes of one run: where one ends, the others do, with a sentence."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pictures import save_picture
from PIL import Image

from recolor_torch.cli import main
from recolor_torch.lit import together
from recolor_torch.lit.together import LOST, ProcessLost, StopTogether

ROOT = Path(__file__).parents[2]


class Process:
    """A process that has ended with a code, or runs."""

    def __init__(self, code):
        self.code, self.killed, self.waited = code, False, False

    def poll(self):
        return self.code

    def kill(self):
        self.killed = True

    def wait(self):
        assert self.killed
        self.waited = True


def trainer(main, codes=(), count=2):
    launcher = SimpleNamespace(procs=[Process(code) for code in codes])
    return SimpleNamespace(world_size=count, is_global_zero=main, strategy=SimpleNamespace(launcher=launcher))


def test_before_each_batch_the_others_are_looked_after(monkeypatch):
    callback = StopTogether()
    for fine in (trainer(True, (None,)), trainer(True, (0,)), trainer(False), trainer(True, (-9,), count=1)):
        callback.on_predict_batch_start(fine, None, None, 0)
    with pytest.raises(ProcessLost):
        callback.on_predict_batch_start(trainer(True, (None, -9)), None, None, 0)
    if os.name == "posix":
        monkeypatch.setattr(os, "getppid", lambda: callback.parent + 1)  # the main process is gone
        with pytest.raises(ProcessLost):
            callback.on_predict_batch_start(trainer(False), None, None, 0)


@pytest.mark.parametrize(
    "error", [ProcessLost(), RuntimeError("[pair.cc:561] Connection closed by peer [127.0.0.1]:37024.")]
)
def test_the_main_process_ends_the_others_and_says_why(capsys, error):
    run = trainer(True, (None, -9))
    processes = list(run.strategy.launcher.procs)
    with pytest.raises(KeyboardInterrupt):
        StopTogether().on_exception(run, None, error)
    assert all(p.killed and p.waited for p in processes)
    assert run.strategy.launcher.procs == []  # Lightning's own thread has nothing left to look after
    assert capsys.readouterr().err == LOST


def test_a_helper_that_is_interrupted_waits_for_nobody(monkeypatch, capsys):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    StopTogether().on_exception(trainer(False), None, KeyboardInterrupt())
    assert codes == [130]
    StopTogether().on_exception(trainer(False), None, ValueError("anything else"))
    StopTogether().on_exception(trainer(False, count=1), None, KeyboardInterrupt())
    assert codes == [130]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("codes", "kills"), [((0, 0), False), ((None, -9), True), ((), False)], ids=["all well", "one lost", "ended"]
)
def test_a_main_process_that_waits_for_a_lost_one_is_ended(monkeypatch, capsys, codes, kills):
    ended = []
    monkeypatch.setattr(together, "PATIENCE", 0.05)
    monkeypatch.setattr(os, "_exit", ended.append)
    processes = [Process(code) for code in codes]
    together._end_where_stuck(processes, every=0.01)
    assert ended == ([130] if kills else [])
    assert capsys.readouterr().err == (LOST if kills else "")
    assert all(p.killed == kills for p in processes)


def test_a_main_process_that_ends_in_order_is_left_alone(monkeypatch):
    ended = []
    monkeypatch.setattr(together, "PATIENCE", 30.0)
    monkeypatch.setattr(os, "_exit", ended.append)
    run = trainer(True, (None, -9))
    lightnings = run.strategy.launcher.procs
    StopTogether().on_predict_start(run, None)
    assert lightnings == []  # what ends Lightning's thread
    (watch,) = [thread for thread in threading.enumerate() if thread.name == "end-where-stuck"]
    with pytest.raises(KeyboardInterrupt):
        StopTogether().on_exception(run, None, ProcessLost())
    watch.join(timeout=20)
    assert not watch.is_alive()
    assert ended == []


def child_of(pid):
    """The one child process that ``pid`` has."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name_and_rest = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(name_and_rest[1]) == pid:
            return int(stat.parent.name)
    raise AssertionError(f"{pid} has no child")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it finds the helper in /proc")
@pytest.mark.parametrize(
    ("whom", "number"), [("helper", signal.SIGKILL), ("main", signal.SIGTERM), ("both", signal.SIGHUP)]
)
def test_a_run_of_two_processes_is_ended(tmp_path, monkeypatch, whom, number):
    """One that is killed, a scheduler's word to the first, and a terminal that is closed, which all hear of."""
    for n in range(24):
        save_picture(tmp_path / f"in/{n}.png", 300, 300, seed=n)
    save_picture(tmp_path / "ref.png", 30, 20, seed=99)
    command = [sys.executable, "-m", "recolor_torch", "predict", "--data.targets", "[in]", "--data.workers", "0"]
    command += ["--config", str(ROOT / "configs/methods/wavelet.yaml"), "--data.references", "[ref.png]"]
    command += ["--data.output", "out", "--data.batch_size", "1", "--trainer.accelerator", "cpu"]
    command += ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    more = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, "text": True}
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored there too
    try:
        running = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, **more
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    until = time.monotonic() + 240
    while not list(tmp_path.glob("out/*.png")) and running.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    if whom == "both":
        os.killpg(running.pid, number)
    else:
        os.kill(running.pid if whom == "main" else child_of(running.pid), number)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert (LOST if whom == "helper" else "nterrupted") in err
    assert "Traceback" not in err
    there = sorted(tmp_path.glob("out/*.png"))
    assert len(there) < 24
    for path in there:
        Image.open(path).load()
    assert list(tmp_path.glob("out/.recolor-*")) == []
    if whom == "helper":  # both again, for an odd number of pictures, each of which is written once
        if len(there) % 2 == 0:
            there.pop().unlink()
        earlier = len((tmp_path / "out/run.jsonl").read_text().splitlines())
        again = subprocess.run(command, capture_output=True, **more)
        assert again.returncode == 0, again.stderr
        assert f"{24 - len(there)} done, {len(there)} skipped, 0 failed" in again.stdout
        lines = (tmp_path / "out/run.jsonl").read_text().splitlines()[earlier:]
        written = [json.loads(line)["output"] for line in lines if json.loads(line)["status"] == "done"]
        assert sorted(written) == sorted({f"{n}.png" for n in range(24)} - {p.name for p in there})
    else:  # alone, without the cost of two more processes
        monkeypatch.chdir(tmp_path)
        assert main([*command[3:-4], "--trainer.devices", "1"]) == 0
    done = [json.loads(line) for line in (tmp_path / "out/run.jsonl").read_text().splitlines()]
    assert {line["output"] for line in done} == {f"{n}.png" for n in range(24)}
    assert len(list(tmp_path.glob("out/*.png"))) == 24
    assert list(tmp_path.glob("out/.recolor-*")) == []

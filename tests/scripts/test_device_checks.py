"""The checks of a device, rehearsed on the CPU: every stage, tiny sizes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["right", "command", "fast"])
def test_a_stage_on_the_cpu(tmp_path, stage):
    surrounding = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "scripts" / "checks" / "device"), "--device", "cpu", "--tiny"]
    limits = ["--stages", stage, "--budget", "3000", "--check-limit", "900"]
    done = subprocess.run(
        [*command, *limits, "-o", str(tmp_path)], env=surrounding, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "device.json").read_text())
    assert found["environment"]["rehearsal"] is True
    assert {row["stage"] for row in found["rows"]} == {stage}
    assert [row for row in found["rows"] if "error" in row] == []
    assert [row for row in found["rows"] if row.get("ok") is False] == []
    table = (tmp_path / "device.md").read_text()
    assert all(f"## {row['stage']}: {row['check']}" in table for row in found["rows"])


def test_what_fails_is_told_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "checks" / "device"))
    import time

    import torch
    from bench import Bench, Pictures, run_stage
    from record import Record

    def fails(bench):
        yield {"name": "before"}
        raise RuntimeError("no such kernel")

    def hangs(bench):
        time.sleep(60)
        yield {}

    def works(bench):
        yield {"name": "after", "levels": 0.1, "ok": True}

    record = Record(tmp_path, torch.device("cpu"), True)
    bench = Bench(torch.device("cpu"), True, Pictures(), None, tmp_path)
    checks = {"a": fails, "b": hangs, "c": works}
    run_stage("right", checks, bench, record, time.perf_counter() + 30, limit=0.5)
    run_stage("fast", {"d": works}, bench, record, time.perf_counter(), limit=0.5)
    record.write(1.0)
    rows = json.loads((tmp_path / "device.json").read_text())["rows"]
    assert [(r["check"], r.get("error", "").split(" (")[0]) for r in rows] == [
        ("a", ""),
        ("a", "RuntimeError: no such kernel"),
        ("b", "OutOfTime: stopped after 0 s"),
        ("c", ""),
        ("d", "not begun: the stage's time was over"),
    ]

"""Damaged files and disturbed runs with a fixed seed: all are done rightly, or refused in one sentence."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

FILES = ["pictures", "hints", "pairs", "weights", "records", "configs", "shots", "text"]
KINDS = [*FILES, "galleries", "films", "studio", "links", "captions", "kills", "disk", "memory", "batches"]
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="each input is read in a fork")
def test_a_part_of_a_minute_of_the_attack(tmp_path):
    command = [sys.executable, str(ROOT / "scripts/checks/attack"), "--seed", "7", "--minutes", "0.3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == KINDS
    assert all(int(row[1]) > 0 for row in rows)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each input is read in a fork")
def test_a_case_that_computes_too_long_hangs_and_one_that_waits_does_not(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts/checks/attack")
    import forks

    def run(case, folder):
        time.sleep(0.4)
        while case["busy"]:
            pass

    attack = forks.Attack(lambda rng: {}, run, (), seconds=0.2)
    assert forks.outcome_of(attack, {"busy": False}) == ("right", "")
    assert forks.outcome_of(attack, {"busy": True}) == ("hang", "over 0.2 s")
    monkeypatch.setattr(forks, "WAITING", 1)
    assert forks.outcome_of(attack, {"busy": False})[0] == "hang"

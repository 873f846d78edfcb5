"""Damaged files and disturbed runs with a fixed seed: all are done rightly, or refused in one sentence."""

import os
import subprocess
import sys
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

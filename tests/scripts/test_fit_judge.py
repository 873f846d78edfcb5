"""The script that chooses how far a reference is believed, run on a tiny archive, and its rule of choice."""

import json
import tarfile
import zlib

import pytest
from pictures import save_picture

from recolor_torch.methods.judged import Rule
from scripts.training.fit_judge import Measured, best_rule


@pytest.fixture
def archive(tmp_path):
    """Ten pictures of one label in a shard, two of them by the names that training holds out."""
    names = [f"corel_{i}.jpg" for i in range(1000)]
    held_out = [name for name in names if zlib.crc32(name.encode()) % 10_000 < 500]
    chosen = held_out[:2] + [name for name in names if name not in held_out][:8]
    folder = tmp_path / "train"
    with_sizes = {name: save_picture(folder / name, 148, 140) for name in chosen}
    with tarfile.open(folder / "train_00.tar", "w") as tar:
        for name in with_sizes:
            tar.add(folder / name, name)
    rows = ["name,shard,offset,bytes,label,subset,width,height,mean_chroma"]
    with tarfile.open(folder / "train_00.tar") as tar:
        rows += [f"{m.name},train_00.tar,{m.offset_data},{m.size},beach,corel,148,140,20" for m in tar]
    (folder / "index.csv").write_text("\n".join(rows))
    return folder


def test_it_measures_and_prints_a_row_for_each_kind(run, archive, tmp_path, network_path, monkeypatch):
    monkeypatch.setenv("RECOLOR_NETWORK", str(network_path))
    monkeypatch.setattr("scripts.training.fit_judge.MADE", ("near", "label"))
    pairs = tmp_path / "pairs"
    for name in ("a", "b", "c"):
        save_picture(pairs / f"{name}.jpg", 60, 48)
    rows = [("walk", "a", "b"), ("run", "b", "c"), ("swim", "c", "a")]
    manifest = [
        {"kind": "video", "name": n, "target": f"{t}.jpg", "reference": f"{r}.jpg", "has_ground_truth": True}
        for n, t, r in rows
    ]
    (pairs / "manifest.json").write_text(json.dumps({"pairs": manifest}))
    sizes = "--count", 1, "--draws", 1, "--points", 2, "--side", 32, "--keep", tmp_path / "kept.pt"
    out = run("training.fit_judge", archive, "--pairs", pairs, "--half", "tune", *sizes)
    kinds = "true", "shuffled", "near", "label"
    assert all(f"| {kind} | 2 |" in out for kind in kinds)
    again = run("training.fit_judge", archive, "--pairs", pairs, "--half", "tune", *sizes)
    assert again.splitlines()[-6:] == out.splitlines()[-6:]
    assert "1 of" not in again


def test_the_best_rule_gains_with_right_references_and_keeps_the_bound():
    shares = tuple(i / 8 for i in range(9))
    right = Measured("true", 1, (0.1, 1.0, 0.0), 5.0, 9.0, tuple(9 - 5 * s for s in shares))
    wrong = Measured("random", 1, (0.02, 1.0, -1.0), 9.0, 5.0, tuple(5 + 4 * s for s in shares))
    best = best_rule([right, wrong], 0.4)
    assert best != Rule()
    assert right.cost(best) < right.cost(Rule())
    assert wrong.cost(best) <= max(0.4, wrong.cost(Rule()))

"""Benchmarks and evaluations run whole on tiny input: each prints a row of numbers for what it was asked."""

import json
import re

import pytest
from pictures import save_picture


@pytest.fixture
def photos(tmp_path):
    for name in ("a", "b"):
        save_picture(tmp_path / f"photos/{name}.jpg", 96, 72)
    return tmp_path / "photos"


@pytest.fixture
def pairs(photos):
    pair = {"kind": "video", "name": "walk", "target": "a.jpg", "reference": "b.jpg", "has_ground_truth": True}
    (photos / "manifest.json").write_text(json.dumps({"pairs": [pair]}))
    return photos


def numbers(text, start):
    """Those of the line that opens with some words."""
    (line,) = [line for line in text.splitlines() if line.lstrip("| ").startswith(start)]
    return [float(n) for n in re.findall(r"-?\d+\.\d+", line[line.index(start) + len(start) :])]


def test_bench_wavelet(run):
    pytest.importorskip("ptwt")
    out = run("benchmarks.bench_wavelet", "--megapixels", 0.004, "--wavelets", "haar", "--rounds", 1)
    assert "haar" in out


def test_bench_solvers(run, photos):
    arguments = "--sizes", 32, "--forms", "levin, kappa 1", "--peers", "splu", "--repeats", 1
    out = run("benchmarks.bench_solvers", "--pictures", photos, *arguments)
    assert "levin, kappa 1" in out


def test_bench_large_hints(run, tmp_path):
    save_picture(tmp_path / "tall/a.jpg", 64, 512)
    out = run("benchmarks.bench_large_hints", tmp_path / "tall", "--side", 64, "--points", 9, "--repeat", 1)
    assert len(re.findall(r"\d+\.\d+ +\d+\.\d+$", out, re.MULTILINE)) >= 2


def test_eval_histogram(run, pairs):
    out = run("evaluations.eval_histogram", pairs, "--kinds", "video", "--side", 32)
    assert numbers(out, "gray")[0] > 1


def test_eval_wavelet(run, pairs):
    out = run("evaluations.eval_wavelet", pairs, "--half", "all", "--max-side", 96)
    assert all(n >= 0 for n in numbers(out, "histogram"))


def test_eval_color_maps(run, photos, tmp_path):
    out = run("evaluations.eval_color_maps", photos, "-o", tmp_path / "out", "--side", 32, "--limit", 1)
    assert numbers(out, "unchanged")[0] > 0
    assert len((tmp_path / "out/maps.csv").read_text().splitlines()) > 2


def test_eval_hint_forms(run, photos, monkeypatch):
    monkeypatch.setattr("scripts.evaluations.eval_hint_forms.SIDE", 32)
    form = "levin, kappa 1"
    arguments = "--part", "develop", "--photos", 1, "--points", 3, "--forms", form
    out = run("evaluations.eval_hint_forms", "--pictures", photos, *arguments)
    assert numbers(out, form)[0] > 5


def test_eval_motion(run, photos):
    pytest.importorskip("cv2")
    out = run("evaluations.eval_motion", photos, "--pictures", 1, "--side", 64)
    assert len([line for line in out.splitlines() if "torch" in line]) == 8

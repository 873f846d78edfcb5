"""Films, runs, pairs and strokes: scripts that need more than a photograph, whole on tiny input."""

import json
import re

import pytest
from pictures import save_picture
from PIL import Image

from recolor_torch.cli import main as recolor


@pytest.fixture
def pairs(tmp_path):
    for name in ("a", "b", "c", "d"):
        save_picture(tmp_path / f"pairs/{name}.jpg", 48, 36)
    found = [
        {"kind": "video", "name": f"walk_{t}", "target": f"{t}.jpg", "reference": f"{r}.jpg", "has_ground_truth": True}
        for t, r in ("ab", "cd")
    ]
    (tmp_path / "pairs/manifest.json").write_text(json.dumps({"pairs": found}))
    return tmp_path / "pairs"


def numbers(line):
    return [float(n) for n in re.findall(r"\d+\.\d+", line)]


def test_bench_film(run, tmp_path):
    pytest.importorskip("av")
    from film.clips import make_clip

    make_clip(tmp_path / "in.mkv", 6, (32, 32))
    out = run("benchmarks.bench_film", tmp_path / "in.mkv", "--megapixels", 0.001, "--frames", 8)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines()]
    assert rows[0][:5] == ["film", "of a frame", "decode", "estimate", "motion"]
    clock = [float(cell) for cell in rows[3][2:-1]]
    assert sum(clock[:-1]) == pytest.approx(clock[-1], abs=1)


def test_eval_network(run, tmp_path):
    save_picture(tmp_path / "photos/a.jpg", 48, 36)
    run("evaluations.eval_network", tmp_path / "photos", "-o", tmp_path / "out", "--side", 32, "--setting", "x:side=32")
    assert len((tmp_path / "out/network.csv").read_text().splitlines()) >= 2


def test_eval_correspondence(run, pairs):
    out = run("evaluations.eval_correspondence", pairs, "--half", "all", "--side", 32, "--methods", "histogram")
    assert "histogram" in out


def test_eval_semi_interactive(run, pairs):
    arguments = "--half", "all", "--every", 2, "--side", 32, "--points", 1, "--transfer", "histogram"
    out = run("evaluations.eval_semi_interactive", pairs, *arguments)
    assert any(numbers(line) for line in out.splitlines())


def test_check_run(run, tmp_path):
    save_picture(tmp_path / "in/a.png", 24, 16)
    save_picture(tmp_path / "reference.png", 24, 16)
    command = ["colorize", str(tmp_path / "in"), "-m", "histogram", "-r", str(tmp_path / "reference.png")]
    assert recolor([*command, "-o", str(tmp_path / "out"), "-q", "--device", "cpu"]) == 0
    out = run("checks.check_run", tmp_path / "out")
    assert re.search(r"\b1\b", out)


def test_scribble_sheet(run, tmp_path):
    save_picture(tmp_path / "cases/one_gray.png", 24, 16)
    gray = Image.open(tmp_path / "cases/one_gray.png").convert("L").convert("RGB")
    gray.save(tmp_path / "cases/one_gray.png")
    gray.paste((200, 40, 40), (2, 2, 8, 8))
    gray.save(tmp_path / "cases/one_marked.png")
    run("figures.scribble_sheet", tmp_path / "cases", "-o", tmp_path / "out")
    assert (tmp_path / "out/sheet.png").exists()

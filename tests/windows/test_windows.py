"""Whole commands where what Windows lacks is taken away; see sitecustomize.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

HERE = Path(__file__).parent


@pytest.fixture
def windows(tmp_path):
    """Runs a command line in a folder of pictures; gives its exit code, output and errors, as a console would."""
    rng = np.random.default_rng(0)
    names = ("in/a.png", "in/b.png", "in/c.jpg", "in/sub/d.png", "in/\u65e5\u672c.png", "ref.png")
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (36, 40, 3), dtype=np.uint8)).save(path)
    places = [str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {"RECOLOR_SIMULATE_WINDOWS": "1", "PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"}

    def run(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "recolor_torch", *map(str, arguments)],
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, **environment},
            timeout=300,
        )
        out, error = (text.decode("cp1252") for text in (done.stdout, done.stderr))
        assert done.returncode == code, error
        return out, error

    run.folder = tmp_path
    return run


def test_a_batch_with_workers_is_written_and_resumed(windows):
    (windows.folder / "in/\u65e5\u672c.png").write_bytes(b"no picture")
    command = (
        "colorize",
        "in",
        "-r",
        "ref.png",
        "-m",
        "histogram",
        "-o",
        "out/",
        "--workers",
        "2",
        "--batch-size",
        "1",
    )
    out, error = windows(*command, "--workers", "2", "--batch-size", "1", code=3)
    assert out.startswith("4 done, 0 skipped, 1 failed")
    assert "in/\\u65e5\\u672c.png: " in error
    record = (windows.folder / "out/run.jsonl").read_bytes()
    assert b"\r" not in record
    assert {json.loads(line)["output"] for line in record.splitlines()} >= {"a.png", "sub/d.png", "\u65e5\u672c.png"}
    (windows.folder / "out/run.jsonl").write_bytes(record[:-9])  # a kill in the middle of a line
    out, _ = windows(*command, "--json", code=3)
    lines = [json.loads(line) for line in out.splitlines()]
    assert sorted(line["status"] for line in lines[:-1])[-3:] == ["skipped"] * 3
    assert lines[-1]["summary"]["failed"] == 1


def test_hints(windows):
    overlay = Image.new("RGBA", (40, 36))
    ImageDraw.Draw(overlay).rectangle((5, 5, 12, 12), fill=(200, 40, 40, 255))
    overlay.save(windows.folder / "hints.png")
    out, _ = windows("colorize", "in/a.png", "--hints", "hints.png", "-m", "levin", "-o", "out.png")
    assert out.startswith("1 done")
    assert Image.open(windows.folder / "out.png").size == (40, 36)


def test_a_gallery_is_built_updated_and_asked(windows, vgg19_path):
    weights = ("--weights", vgg19_path)
    windows("gallery", "build", "photos.gallery", "in", *weights)
    Image.open(windows.folder / "ref.png").save(windows.folder / "in/new.png")
    windows("gallery", "update", "photos.gallery", *weights)
    out, _ = windows("gallery", "query", "photos.gallery", "ref.png", "--json", *weights)
    found = json.loads(out)["matches"][0]
    assert found["path"].endswith("in/new.png")
    assert not (windows.folder / "photos.gallery/writer.json").read_bytes().startswith(b"{}")

"""The files of a run do not depend on how its pictures were batched, nor on whether it was one run."""

import json

import pytest
from pictures import save_picture

METHODS = {
    "levin": ["--hints", "marks"],
    "poisson": ["--hints", "marks"],
    "network": [],
    "correspondence": ["-r", "ref.jpg"],
    "semi_interactive": ["--hints", "marks", "-r", "ref.jpg"],
}


@pytest.fixture
def strips(folder):
    """Pictures of one odd size, each with points of its own."""
    (folder / "marks").mkdir()
    for n in range(4):
        save_picture(folder / f"same/{n}.png", 37, 29, seed=n)
        colors = [f"#{40 * k + 60:02x}80{n:02x}" for k in range(4)]
        points = [{"x": 5 + 7 * k, "y": 4 + 5 * k, "radius": 2, "color": c} for k, c in enumerate(colors)]
        (folder / f"marks/{n}.json").write_text(json.dumps({"size": [37, 29], "points": points}))
    return folder


@pytest.mark.parametrize("name", METHODS)
def test_every_batch_size_and_a_run_in_parts_write_the_same_bytes(recolor, strips, name):
    def files(out):
        return {p.name: p.read_bytes() for p in sorted((strips / out).glob("*.png"))}

    options = ["-m", name, *METHODS[name], "--workers", "0"]
    for size in (1, 16):  # a run in parts has batches of three
        assert recolor("colorize", "same", "-o", f"by_{size}/", *options, "--batch-size", size)[0] == 0
    assert len(files("by_1")) == 4
    assert files("by_16") == files("by_1")
    assert recolor("colorize", "same/2.png", "-o", "parts/", *options)[0] == 0
    assert recolor("colorize", "same", "-o", "parts/", *options, "--batch-size", 3)[0] == 0
    assert files("parts") == files("by_1")

"""What each verb and method may import: what is slow to import is imported by those that need it."""

import json
import subprocess
import sys

import pytest
from pictures import save_picture

HEAVY = [
    "av", "faiss", "jsonargparse", "kornia", "lightning", "matplotlib", "optuna", "pywt", "scipy", "starlette",
    "tifffile", "torch", "torchmetrics", "torchvision",
]  # fmt: skip

CODE = """
import sys, json, io, contextlib
from recolor_torch.cli import main
heavy, steps, found = json.loads(sys.argv[1]), json.loads(sys.argv[2]), []
for step in steps:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(step)
        except SystemExit as stop:
            code = stop.code
    found.append([code, [name for name in heavy if name in sys.modules]])
print(json.dumps(found))
"""


def run(folder, *steps):
    """Exit code, and the modules of HEAVY that are there, after each of these commands in one new process."""
    command = [sys.executable, "-c", CODE, json.dumps(HEAVY), json.dumps(steps)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def folder(tmp_path):
    save_picture(tmp_path / "old.png", mode="L", seed=1)
    save_picture(tmp_path / "ref.png", seed=2)
    (tmp_path / "h.json").write_text(
        '{"size": [24, 16], "points": [{"x": 5, "y": 5, "radius": 2, "color": "#c03020"}]}'
    )
    return tmp_path


def test_colorize_imports_what_its_method_needs(folder):
    reference, hints = ["-r", "ref.png"], ["--hints", "h.json"]
    found = run(
        folder,
        ["--help"],
        ["colorize", "--help"],
        ["colorize", "old.png", *reference, "-m", "histogram", "-o", "1.png"],
        ["colorize", "old.png", *hints, "-m", "levin", "-o", "2.png"],
        ["colorize", "old.png", *reference, "-m", "wavelet", "-o", "3.png"],
        ["colorize", "old.png", "-m", "network", "-o", "4.png"],
        ["colorize", "old.png", *reference, "-m", "correspondence", "-o", "5.png"],
    )
    base = {"jsonargparse", "torch"}
    allowed = [
        set(),
        base,
        base,
        base | {"scipy"},
        base | {"scipy", "pywt"},
        base | {"scipy", "kornia", "pywt"},
        base | {"scipy", "kornia", "pywt"},
    ]
    for (code, modules), may in zip(found, allowed):
        assert code == 0
        assert set(modules) <= may


@pytest.mark.parametrize("verb", ["hints", "plot", "gallery", "studio"])
def test_help_of_a_verb_brings_no_lightning_and_no_plots(folder, verb):
    ((code, modules),) = run(folder, [verb, "--help"])
    assert code == 0
    assert not {"lightning", "matplotlib", "torchmetrics", "torchvision", "optuna", "av"} & set(modules)


def test_readers_of_rarer_kinds_load_when_a_file_needs_them(tmp_path):
    """Also after a common kind was opened, and by what a file holds rather than by its name."""
    save_picture(tmp_path / "a.jpg", seed=1)
    save_picture(tmp_path / "b.webp", seed=2).rename(tmp_path / "b.jpg")
    code = (
        "import sys; from recolor_torch.pictures.opening import open_picture\n"
        "for name in ('a.jpg', 'b.jpg'):\n"
        "    with open_picture(name, 10**6) as image: print(image.format, 'PIL.WebPImagePlugin' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["JPEG", "False", "WEBP", "True"]

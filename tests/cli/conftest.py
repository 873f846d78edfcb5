import json

import pytest
from pictures import save_picture

from recolor_torch.cli import main


@pytest.fixture
def folder(tmp_path):
    save_picture(tmp_path / "old.png", mode="L", seed=1)
    save_picture(tmp_path / "ref.jpg", 30, 20, seed=2, quality=95)
    for n in range(3):
        save_picture(tmp_path / f"in/frame_{n}.png", seed=n)
    save_picture(tmp_path / "in/sub/photo.jpg", 31, 17, seed=9, quality=90)
    return tmp_path


@pytest.fixture
def recolor(folder, capsys, monkeypatch):
    """Run the command in the folder of pictures; returns (exit code, standard output, standard error)."""
    monkeypatch.chdir(folder)

    def run(*args):
        code = main([str(a) for a in args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def entries(folder):
    """The lines of a run record."""

    def read(out):
        return [json.loads(line) for line in (folder / out / "run.jsonl").read_text().split("\n") if line]

    return read

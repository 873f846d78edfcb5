"""Every script can be imported and says how it is called: what it takes from the package is there."""

import importlib
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
# What scripts compare with, and the project does not need.
PEERS = {"ptwt"}
FILES = [
    file
    for file in sorted(SCRIPTS.rglob("*.py"))
    if "argparse" in file.read_text() and "def main(" in file.read_text() and file.name != "__main__.py"
]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(SCRIPTS).with_suffix("").as_posix())
def test_it_says_how_it_is_called(file, monkeypatch, capsys):
    try:
        module = importlib.import_module(".".join(("scripts", *file.relative_to(SCRIPTS).with_suffix("").parts)))
    except ModuleNotFoundError as error:
        if error.name not in PEERS:
            raise
        pytest.skip(f"no {error.name}")
    monkeypatch.setattr(sys, "argv", [file.stem, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert not ended.value.code
    assert "usage" in capsys.readouterr().out

"""The README's Python runs, its commands exist, and its scripts are there."""

import re
import shlex
from pathlib import Path

import pytest

from recolor_torch.cli import VERBS
from recolor_torch.cli.colorize import make_parser
from recolor_torch.cli.starting import own_method
from recolor_torch.examples import FOLDER
from recolor_torch.pictures import read_picture

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("recolor ")
]


OWN = """
from recolor_torch import Recolorizer


class MyMethod(Recolorizer):
    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
"""


def test_the_python_runs(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for name, source in (("old.jpg", "coffee_gray.jpg"), ("color.jpg", "coffee_colour.jpg")):
        (tmp_path / name).write_bytes((FOLDER / source).read_bytes())
    exec(compile(code, "README.md", "exec"), {})
    new = read_picture(tmp_path / "new.jpg").image
    assert new.shape == read_picture(FOLDER / "coffee_gray.jpg").image.shape
    assert (new.amax(1) - new.amin(1)).mean() > 0.1


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_parse(command, tmp_path, monkeypatch):
    _, verb, *args = shlex.split(command)
    assert verb in VERBS
    if verb == "colorize":
        own = [a for a in args if a == "my_module.MyMethod"]
        if own:
            (tmp_path / "my_module.py").write_text(OWN)
            monkeypatch.syspath_prepend(tmp_path)
        make_parser(own_method(*own) if own else None).parse_args(args)


def test_the_scripts_are_there():
    modules = [m.replace(".", "/") + ".py" for m in re.findall(r"-m (scripts(?:\.\w+)+)", README)]
    assert modules
    for script in modules + re.findall(r"scripts(?:/\w+)+(?:\.\w+)?", README):
        assert (ROOT / script).exists(), script


def test_every_method_is_in_the_table():
    from recolor_torch.methods import METHODS

    for name in METHODS:
        assert f"| `{name}` |" in README

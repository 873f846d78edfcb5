"""What the package imports is what it declares, so that an installation from the wheel lacks nothing."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import recolor_torch

ROOT = Path(recolor_torch.__file__).parent
PROJECT = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAMES = {"PIL": "pillow", "yaml": "pyyaml", "pywt": "pywavelets", "faiss": "faiss-cpu"}
OPTIONAL = {"cupy", "sksparse", "triton"}
"""Used where they are installed, each behind a try."""


def names(requirements):
    return {re.match(r"[\w-]+", r)[0].lower() for r in requirements}


def imported(file):
    """Names of foreign packages, with whether the import stands at the top of its module."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [node.module]
        for module in modules:
            name = module.partition(".")[0]
            if name != "recolor_torch" and name not in sys.stdlib_module_names:
                yield NAMES.get(name, name), id(node) in top


def test_imports_are_declared():
    required = names(PROJECT["dependencies"])
    extras = {kind: names(v) for kind, v in PROJECT["optional-dependencies"].items() if kind not in ("dev", "test")}
    for file in ROOT.rglob("*.py"):
        for name, at_top in imported(file):
            name = name.lower().replace("_", "-")
            if name in required | OPTIONAL:
                continue
            owners = [kind for kind, members in extras.items() if name in members]
            assert owners, f"{file.relative_to(ROOT)} imports {name}, which pyproject.toml does not name"
            assert not at_top or owners == [file.relative_to(ROOT).parts[0]], f"{file}: {name} is of an extra"


def test_every_bound_is_named():
    for requirement in PROJECT["dependencies"]:
        assert re.search(r">=\d", requirement), f"{requirement} has no lowest version"

"""Imports point one way, and importing the package costs nothing."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import recolor_torch

ROOT = Path(recolor_torch.__file__).parent
LAYERS = [
    {"system"},
    {"errors", "checks", "describe", "files", "kept", "lazy", "moved", "text"},
    {"paths", "precision"},
    {"resize", "strips"},
    {"guide", "color", "filters", "linalg", "features"},
    {"losses", "energies", "networks"},
    {"text_guidance"},
    {"methods"},
    {"compose"},
    {"pipeline"},
    {"pictures"},
    {"hints", "gallery"},  # a gallery's upkeep looks for pictures
    {"film"},
    {"run"},
    {"plots"},
    {"evaluation", "training", "lit"},
    {"studio"},
    {"cli"},
]
# Files of one name: a subject's mathematics and its faces, or what two folders do to files of their own kind.
SAME_SUBJECT = {
    "adversarial": {"losses", "training"},
    "coloring": {"film", "run"},
    "engine": {"run", "studio"},
    "files": {"recolor_torch", "gallery"},
    "films": {"cli", "run"},
    "gallery": {"cli", "gallery", "lit"},
    "gram": {"features", "lit"},
    "guidance": {"film", "pictures"},
    "histogram": {"color", "methods"},
    "links": {"hints", "correspondence"},
    "live": {"linalg", "levin"},
    "method": {"correspondence", "gram", "levin"},
    "opening": {"film", "pictures"},
    "poisson": {"energies", "methods"},
    "progress": {"cli", "lit"},
    "read": {"hints", "pictures"},
    "tuning": {"cli", "evaluation"},
    "wavelet": {"filters", "methods"},
    "weights": {"evaluation", "features"},
    "words": {"gallery", "methods"},
    "writer": {"lit", "run"},
}
LEVEL = {name: i for i, layer in enumerate(LAYERS) for name in layer}


def edges():
    for file in ROOT.rglob("*.py"):
        own = file.relative_to(ROOT).parts[0].removesuffix(".py")
        if own in ("__init__", "__main__", "examples"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                parts = name.split(".")
                if parts[0] == "recolor_torch" and len(parts) > 1 and parts[1] != own:
                    yield file.relative_to(ROOT).as_posix(), own, parts[1]


def test_imports_point_one_way():
    wrong = [f"{file} imports {other}" for file, own, other in edges() if LEVEL[other] >= LEVEL[own]]
    assert wrong == []


def test_every_folder_has_its_place():
    folders = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith("_")} - {"examples"}
    assert folders <= set(LEVEL)


def test_a_public_name_means_one_thing():
    homes = defaultdict(list)
    for file in ROOT.rglob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                homes[node.name].append(file.relative_to(ROOT).as_posix())
    # Each verb of the command line is a module with these two.
    verbs = {name: homes.pop(name) for name in ("main", "make_parser")}
    assert all(home.startswith("cli/") for places in verbs.values() for home in places)
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_files_of_one_name_have_one_subject():
    homes = defaultdict(set)
    for file in ROOT.rglob("[!_]*.py"):
        homes[file.stem].add(file.parent.name)
    twice = {stem: places for stem, places in homes.items() if len(places) > 1}
    assert twice == SAME_SUBJECT


def test_the_package_imports_neither_torch_nor_numpy():
    code = "import sys, recolor_torch, recolor_torch.cli; print({'torch', 'numpy', 'lightning'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_public_names_are_there():
    for name in recolor_torch.__all__:
        assert getattr(recolor_torch, name) is not None
    assert set(recolor_torch.__all__) <= set(dir(recolor_torch))


def test_subpackages_are_found_by_tab_completion_and_say_what_is_public():
    import recolor_torch as rt

    assert {"color", "energies", "linalg", "losses", "methods", "gallery"} <= set(dir(rt))
    for name in ("color", "energies", "features", "filters", "gallery", "hints", "linalg", "losses", "methods"):
        module = getattr(rt, name)
        for public in module.__all__:
            assert getattr(module, public) is not None
    assert callable(rt.linalg.solve)
    assert callable(rt.methods.spread_chroma)

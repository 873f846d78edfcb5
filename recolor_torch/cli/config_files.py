"""Configs by file or by name: those of the package are there wherever it is installed."""

from importlib.util import find_spec
from pathlib import Path

from recolor_torch.cli.parser import guess
from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, is_file, show_path


def find_config(name: str) -> Path:
    """The file that a name stands for: a file, else a config of the package, as ``methods/histogram``.

    Raises:
        UsageError: there is neither.
    """
    path = as_path(name)
    if is_file(path):
        return path
    shipped = shipped_configs()
    plain = name.replace("\\", "/").removeprefix("configs/").removesuffix(".yaml")
    if plain in shipped:
        return shipped[plain]
    listed = ", ".join(sorted(n for n in shipped if not n.startswith("gram/"))) or "none"
    raise UsageError(f"No such config: {show_path(name)}.{guess([plain], shipped)} By name there are {listed}, ...")


def shipped_configs() -> dict[str, Path]:
    """The configs of the package by name: below ``configs`` in it, or beside it in a source tree."""
    spec = find_spec("recolor_torch")
    if spec is None or not spec.submodule_search_locations:
        return {}
    package = Path(spec.submodule_search_locations[0])
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "methods").is_dir():
            return {f.relative_to(folder).with_suffix("").as_posix(): f for f in sorted(folder.rglob("*.yaml"))}
    return {}

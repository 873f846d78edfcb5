"""What is evaluated on: a folder of color photographs, or a manifest of photographs, pairs or scribbles."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, is_file, is_folder
from recolor_torch.pictures.opening import picture_suffixes
from recolor_torch.run.targets import find_targets
from recolor_torch.text import parse_json, read_text

MANIFEST = "manifest.json"
# What manifests call the same thing.
_LISTS = ("pictures", "pairs", "cases", "photos")
_TARGET = ("target", "gray", "file")
_TRUTH = ("truth", "ground_truth")
_HINTS = ("hints", "marked")
_GROUP = ("group", "kind", "subset")
_LABEL = ("class", "label")


@dataclass(frozen=True)
class Case:
    """A picture to be colored and judged.

    Args:
        name: unique; a relative path without suffix.
        target: the file whose luminance is colored.
        truth: the file of the true colors, of the same picture; None where they are not known.
        references: pictures whose colors are wanted.
        hints: a file of given colors.
        group: a name under which results are reported apart.
        certain: it shows things that have a certain color in life, which judge best.
        label: the ImageNet class that it shows, for the recognition test.
    """

    name: str
    target: Path
    truth: Path | None
    references: tuple[Path, ...] = ()
    hints: Path | None = None
    group: str = ""
    certain: bool = False
    label: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that a result depends on."""
        parts = (self.target, self.truth, *self.references, self.hints)
        return tuple(dict.fromkeys(p for p in parts if p is not None))


def find_cases(data: str | Path, groups: Iterable[str] = (), count: int | None = None, seed: int = 0) -> list[Case]:
    """The cases of a folder or a manifest, sorted by name.

    A folder with ``manifest.json`` is that manifest; of another folder every picture is a photograph whose own
    colors are the truth; a picture is a folder with that one. A manifest is JSON with a list under ``pictures``,
    ``pairs``, ``cases`` or ``photos``, of entries with the keys (other manifests' words in brackets)

    - ``target`` (``gray``; ``file``: a photograph whose own colors are the truth),
    - ``truth`` (``ground_truth``), or ``"has_ground_truth": true`` where the target has its own true colors,
    - ``reference``: a path or several; ``hints`` (``marked``); ``name``; ``group`` (``kind``, ``subset``),
    - ``"certain_color": true`` for things that have a certain color in life,
    - ``class`` (``label``): the name of an ImageNet class; in a folder without manifest the name of the subfolder.

    Paths are relative to the manifest.

    Args:
        data: the folder, the manifest, or a picture.
        groups: only cases of these groups.
        count: a random sample of this many.
        seed: of that sample.

    Raises:
        UsageError: there is no such thing, the manifest cannot be read or has an entry without target, or nothing
            is left of it. A picture that is missing or broken is no error yet.
    """
    path = as_path(data)
    one = path.suffix.lower() in picture_suffixes() and is_file(path)
    if one or (is_folder(path) and not is_file(path / MANIFEST)):
        cases = [
            Case(t.relative.with_suffix("").as_posix(), t.path, t.path, group=_top(t.relative), label=_top(t.relative))
            for t in find_targets([str(path)])
        ]
    else:
        cases = _read_manifest(path / MANIFEST if is_folder(path) else path)
    cases = _with_unique_names(cases)
    wanted = set(groups)
    unknown = sorted(wanted - {case.group for case in cases})
    if unknown:
        known = ", ".join(sorted({case.group for case in cases if case.group})) or "none"
        raise UsageError(f"{data}: no group {unknown[0]!r}. Known groups: {known}.")
    cases = [case for case in cases if not wanted or case.group in wanted]
    if count is not None and count < len(cases):
        chosen = np.random.default_rng(seed).permutation(len(cases))[:count]
        cases = [cases[i] for i in sorted(chosen)]
    return cases


def _top(relative: Path) -> str:
    return relative.parts[0] if len(relative.parts) > 1 else ""


def _read_manifest(path: Path) -> list[Case]:
    try:
        manifest = parse_json(read_text(path))
    except FileNotFoundError as error:
        raise UsageError(f"No such file or folder: {path}.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot read the manifest {path}: {' '.join(str(error).split())}.") from error
    entries = manifest
    if isinstance(manifest, dict):
        entries = next((manifest[key] for key in _LISTS if key in manifest), None)
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"{path}: there is no list of pictures in it, under one of {', '.join(_LISTS)}.")
    return [_case(entry, path, number) for number, entry in enumerate(entries, start=1)]


def _case(entry: Any, manifest: Path, number: int) -> Case:
    def first(keys: tuple[str, ...]) -> Any:
        return next((entry[key] for key in keys if entry.get(key)), None)

    def file(value: Any) -> Path:
        if not isinstance(value, str):
            raise UsageError(f"{manifest}, entry {number}: a path must be text, got {value!r}.")
        return manifest.parent / value

    if not isinstance(entry, dict) or first(_TARGET) is None:
        raise UsageError(f"{manifest}, entry {number}: needs the key target.")
    target = file(first(_TARGET))
    truth = first(_TRUTH)
    own = bool(entry.get("has_ground_truth", entry.get("file") and not entry.get("target")))
    references = entry.get("reference") or ()
    references = (references,) if isinstance(references, str) else tuple(references)
    hints = first(_HINTS)
    return Case(
        str(entry.get("name") or Path(first(_TARGET)).with_suffix("").as_posix()),
        target,
        file(truth) if truth else target if own else None,
        tuple(file(r) for r in references),
        file(hints) if hints else None,
        str(first(_GROUP) or ""),
        bool(entry.get("certain_color", False)),
        str(first(_LABEL) or ""),
    )


def _with_unique_names(cases: list[Case]) -> list[Case]:
    """Sorted by name; cases of one name (a.png and a.jpg, or differing in case alone) are numbered."""
    total = Counter(case.name.casefold() for case in cases)
    seen: Counter[str] = Counter()
    named = []
    for case in cases:
        key = case.name.casefold()
        seen[key] += 1
        named.append(replace(case, name=f"{case.name}_{seen[key]}") if total[key] > 1 else case)
    return sorted(named, key=lambda case: case.name)

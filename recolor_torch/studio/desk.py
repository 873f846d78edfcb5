"""The pictures on the desk: their files, their hints, their state, and the command that colors each."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recolor_torch.errors import UsageError
from recolor_torch.files import write_bytes_atomically
from recolor_torch.hints import HintError, read_hints
from recolor_torch.hints.shapes import Stroke, shapes_from_pixels
from recolor_torch.paths import as_path, exists, is_file, is_folder, show_path
from recolor_torch.pictures import PictureError, probe, read_picture
from recolor_torch.pictures.formats import FORMATS, output_suffix
from recolor_torch.run.targets import Target, find_targets
from recolor_torch.studio.engine import network_settings
from recolor_torch.studio.painted import Mark, Marks, parse_file, scaled
from recolor_torch.studio.protocol import Recipe

HINTS = ".hints.json"
# The folder for results beside the first picture, where the command names none.
FOLDER = "recolored"


@dataclass(frozen=True)
class Item:
    """A picture of the desk.

    Args:
        target: the file, and its place below the output folder.
        output: where its result goes.
        hints: where its hints are kept.
    """

    target: Target
    output: Path
    hints: Path

    @property
    def name(self) -> str:
        """What the page shows."""
        return self.target.relative.as_posix()

    def state(self) -> str:
        """New, touched (there are hints) or done (there is a result)."""
        return "done" if self.output.exists() else "touched" if self.hints.exists() else "new"


@dataclass
class Desk:
    """What the command named.

    Args:
        items: the pictures.
        references: pictures whose colors are wanted, from the command.
        galleries: folders of galleries that are asked for references.
        given: hints of the command: a file or a folder.
        side: the longer side that results are solved at.
        max_pixels: larger pictures are refused.
        weights: file of VGG-19 weights.
    """

    items: list[Item]
    references: list[Path] = field(default_factory=list)
    galleries: list[Path] = field(default_factory=list)
    given: Path | None = None
    side: int = 1024
    max_pixels: int = 1_000_000_000
    weights: str | None = None

    def size(self, index: int) -> tuple[int, int]:
        """(width, height) of a picture, upright.

        Raises:
            PictureError: it cannot be read.
        """
        info = probe(self.items[index].target.path, self.max_pixels)
        return info.width, info.height

    def load_marks(self, index: int) -> Marks:
        """The marks of a picture: those kept beside the output, else those that the command gave, else none.

        Raises:
            PictureError: hints are there and cannot be read.
        """
        item, size = self.items[index], self.size(index)
        if item.hints.exists():
            return _read_marks(item.hints, item, size, self.max_pixels)
        given = self._given(item)
        return _read_marks(given, item, size, self.max_pixels) if given else Marks(size)

    def save_marks(self, index: int, marks: Marks, start: dict[str, Any] | None = None) -> None:
        """Keep the marks, and what they correct; the file appears whole or not at all, and goes with the last mark."""
        path = self.items[index].hints
        if not (marks.items or marks.links) and path != self.given:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, marks.to_file(start).encode())

    def load_start(self, index: int) -> dict[str, Any]:
        """What the marks of a picture were to correct, as ``save_marks`` was told; nothing where no file says it."""
        try:
            start = json.loads(self.items[index].hints.read_text(encoding="utf-8-sig")).get("start")
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}
        return start if isinstance(start, dict) else {}

    def command(self, index: int, marks: Marks, recipe: Recipe, references: Sequence[Path] = ()) -> list[str]:
        """The arguments of ``recolor`` that color a picture as the studio shows it.

        Raises:
            UsageError: there is nothing to color it by.
        """
        item = self.items[index]
        args = ["colorize", str(item.target.path), "-o", str(item.output)]
        painted = bool(marks.strokes)
        if painted or (marks.links and recipe.kind == "reference"):
            args += ["--hints", str(item.hints)]
        if recipe.kind == "plain":
            if not painted:
                raise UsageError("There is no color yet: paint a stroke, or choose a proposal.")
            args += ["-m", "levin"]
        elif recipe.kind == "reference":
            if not (references or marks.links):
                raise UsageError("There is neither a reference nor a link: choose a reference.")
            args += ["-m", "semi_interactive" if painted else "correspondence"]
            args += [part for path in references for part in ("-r", str(path))]
            if painted and recipe.trust != 1:
                args += ["--semi_interactive.strength", f"{0.01 * recipe.trust:.6g}"]
            if self.weights:
                args += ["--weights", self.weights]
        else:
            args += ["-m", "network"]
            for name, value in network_settings(recipe).items():
                args += [f"--network.{name}", f"{value:g}" if isinstance(value, float) else str(value)]
            if recipe.text:
                args += ["--text", recipe.text]
        if recipe.strength != 1:
            args += ["--strength", f"{recipe.strength:g}"]
        return [*args, "--max-side", str(self.side), "--overwrite"]

    def _given(self, item: Item) -> Path | None:
        if self.given is None:
            return None
        if self.given.is_file():
            return self.given
        stem = item.target.relative.with_suffix("")
        for base in (self.given / stem, self.given / stem.name):
            for suffix in (HINTS, ".json", ".png"):
                path = base.with_name(base.name + suffix)
                if path.is_file():
                    return path
        return None


def make_desk(
    names: list[str],
    output: str | None = None,
    references: Sequence[str] = (),
    galleries: Sequence[str] = (),
    hints: str | None = None,
    *,
    side: int = 1024,
    max_pixels: int = 1_000_000_000,
    weights: str | None = None,
) -> Desk:
    """The desk for what the command names.

    Raises:
        UsageError: a name stands for nothing, one hints file is for several pictures, or two results have one name.
    """
    if not names:
        raise UsageError("Name a picture or a folder: recolor studio old.jpg")
    out = as_path(output) if output else None
    first = as_path(names[0])
    beside = (first if is_folder(first) else first.parent) / FOLDER
    targets = [t for t in find_targets(names, skip=out or beside) if _within(t, names)]
    if not targets:
        raise UsageError(f"No pictures in {', '.join(names)}.")
    given = as_path(hints) if hints else None
    if given is not None and not exists(given):
        raise UsageError(f"There are no hints at {show_path(given)}.")
    one_file = given is not None and is_file(given)
    if given is not None and one_file and len(targets) > 1:
        raise UsageError(f"{show_path(given)} is one file of hints for {len(targets)} pictures: name a folder.")
    pictures, folders = [as_path(r) for r in references], [as_path(g) for g in galleries]
    for path in (*pictures, *folders):
        if not exists(path):
            raise UsageError(f"No such file or folder: {show_path(path)}.")
    single = len(targets) == 1 and out is not None and out.suffix.lower() in FORMATS and not is_folder(out)
    folder = out if out is not None else beside
    items = []
    for target in targets:
        where = out if single and out is not None else folder / _output_name(target, max_pixels)
        kept = where.with_name(where.stem + HINTS)
        if given is not None and one_file and given.name.endswith(".json"):
            kept = given
        items.append(Item(target, where, kept))
    _refuse_collisions(items)
    return Desk(items, pictures, folders, given, side, max_pixels, weights)


def shell_line(args: Sequence[str]) -> str:
    """A command for a terminal."""
    return shlex.join(["recolor", *args])


def process_line(args: Sequence[str]) -> list[str]:
    """The same command for a process of its own."""
    return [sys.executable, "-m", "recolor_torch", *args]


def _within(target: Target, names: Sequence[str]) -> bool:
    """Whether the file lies where it seems to: a link out of the folder that was named is passed over."""
    real = Path(os.path.realpath(target.path))
    for name in names:
        path = as_path(name)
        if is_folder(path) and real.is_relative_to(os.path.realpath(path)):
            return True
        if not is_folder(path) and target.relative == Path(target.path.name):
            return True
    return False


def _output_name(target: Target, max_pixels: int) -> Path:
    try:
        suffix = output_suffix(probe(target.path, max_pixels))
    except PictureError:
        return target.relative  # opening it says why
    own = target.relative.suffix
    return target.relative if FORMATS.get(own.lower()) == FORMATS[suffix] else target.relative.with_suffix(suffix)


def _refuse_collisions(items: list[Item]) -> None:
    seen: dict[str, Item] = {}
    inputs = {os.path.realpath(item.target.path) for item in items}
    for item in items:
        if os.path.realpath(item.output) in inputs:
            name = show_path(item.output)
            raise UsageError(f"{name} is an input, and inputs are never overwritten: choose another output.")
        for path in (item.output, item.hints):
            first = seen.setdefault(str(path.absolute()).casefold(), item)
            if first is not item:
                both = f"{show_path(first.target.path)} and {show_path(item.target.path)}"
                raise UsageError(f"{both} would both be written to {show_path(path)}: open them one after the other.")


def _read_marks(path: Path, item: Item, size: tuple[int, int], max_pixels: int) -> Marks:
    if path.suffix.lower() == ".json":
        try:
            return scaled(parse_file(path.read_text(encoding="utf-8-sig")), size)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise HintError(f"{show_path(path)}: cannot read these hints: {' '.join(str(error).split())}.") from error
    hints = read_hints(path, read_picture(item.target.path, max_pixels).image, max_pixels=max_pixels)
    colors = (hints.image[0].permute(1, 2, 0) * 255).round().byte().numpy()
    shapes = shapes_from_pixels(colors, hints.mask[0, 0].numpy() > 0.5)
    points = [Mark(Stroke(((p.x, p.y),), p.radius, p.color)) for p in shapes.points]
    return Marks(size, (*map(Mark, shapes.strokes), *points))

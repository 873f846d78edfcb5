"""References: those of the command, those that a gallery finds, and those that a person drops on the page."""

import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from torch import Tensor

from recolor_torch.features import find_vgg19
from recolor_torch.files import write_bytes_atomically
from recolor_torch.guide import Guide, Reference
from recolor_torch.hints.links import LinkShape, Region, resolve_names
from recolor_torch.pictures import PictureError, read_picture
from recolor_torch.pictures.formats import FORMATS
from recolor_torch.run.linked import read_links, with_targets
from recolor_torch.studio.desk import Desk
from recolor_torch.studio.painted import Marks
from recolor_torch.studio.protocol import Recipe, parse_recipe
from recolor_torch.studio.session import copy_of

# Limits on a picture that is dropped on the page, and on how many.
LARGEST_UPLOAD = 64 * 2**20
UPLOAD_PIXELS = 100_000_000
MOST_UPLOADS = 24
MATCHES = 6
# Small copies of references that are kept.
MOST_COPIES = 64


@dataclass(frozen=True)
class Entry:
    """A reference.

    Args:
        key: what the page calls it.
        path: the file.
        name: what the page shows.
        source: "command", "gallery", "dropped" or "hints".
        score: how alike the gallery finds it, or None.
        digest: of the content of a dropped one.
    """

    key: str
    path: Path
    name: str
    source: str
    score: float | None = None
    digest: str = ""

    def to_page(self) -> dict[str, Any]:
        """As the page holds it."""
        return {"key": self.key, "name": self.name, "source": self.source, "score": self.score}


@dataclass
class Library:
    """All references that the page may name; by keys, never by paths."""

    desk: Desk
    entries: dict[str, Entry] = field(default_factory=dict)
    found: dict[int, list[Entry]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    copies: dict[tuple[str, int], bytes] = field(default_factory=dict)
    # Names in links of files that stand for no reference.
    lost: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for i, path in enumerate(self.desk.references):
            self.entries[f"r{i}"] = Entry(f"r{i}", path, path.name, "command")
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._gallery: Any = None

    def of(self, index: int) -> list[Entry]:
        """The references that a picture may take colors from."""
        found = self.found.get(index, [])
        paths = {e.path for e in found}
        own = (e for e in self.entries.values() if e.source != "gallery")
        return [*(e for e in own if e.source != "hints" or e.path not in paths), *found]

    def listed(self, index: int) -> list[dict[str, Any]]:
        """The references for a picture, as the page shows them; "file" is what links call each."""
        return [e.to_page() | {"file": self.file(index, e)} for e in self.of(index)]

    def file(self, index: int, entry: Entry) -> str:
        """The name of a reference in the hints of a picture: its path from the folder of the hints."""
        item = self.desk.items[index]
        path = self._kept(entry, item.output.parent)
        try:
            return PurePath(os.path.relpath(path, item.hints.parent)).as_posix()
        except ValueError:  # another drive
            return path.absolute().as_posix()

    def linked(self, index: int, links: Sequence[LinkShape]) -> list[str]:
        """Keys of the references that links name.

        Raises:
            KeyError: one is none of the page's: a page names no file that the command did not.
        """
        keys = {self.file(index, e): e.key for e in self.of(index)}
        unknown = next((k.name for k in links if k.name not in keys and k.name not in self.lost), None)
        if unknown is not None:
            raise KeyError("A link names a reference that this page does not have.")
        return [keys[k.name] for k in links if k.name in keys]

    def adopt(self, index: int, marks: Marks) -> Marks:
        """Marks from a file, whose links' references become those of the page."""
        links = []
        for link in marks.links:
            known = self.of(index)
            try:
                folder = self.desk.items[index].hints.parent
                path = resolve_names([link.name], [e.path for e in known], folder)[0]
            except ValueError:
                self.lost.add(link.name)  # exporting says which it is
                links.append(link)
                continue
            entry = next((e for e in known if e.path == path), None)
            if entry is None:
                with self.lock:
                    key = f"h{len(self.entries)}"
                    entry = self.entries[key] = Entry(key, path, path.name, "hints")
            links.append(replace(link, name=self.file(index, entry)))
        return replace(marks, links=tuple(links))

    def start_of(self, index: int, recipe: Recipe) -> dict[str, Any]:
        """What differs from the default of a recipe, with files for keys: as a hints file keeps it."""
        files = [self.file(index, self.entries[key]) for key in recipe.references]
        own, default = asdict(recipe) | {"references": files}, asdict(Recipe()) | {"references": []}
        return {name: value for name, value in own.items() if value != default[name]}

    def recipe_of(self, index: int, start: dict[str, Any]) -> Recipe:
        """The recipe that ``start_of`` kept; the default where it cannot be read or a reference is gone."""
        box = Region("rectangle", ((0.0, 0.0), (1.0, 1.0)))
        try:
            links = tuple(LinkShape(box, box, str(name)) for name in start.get("references", []))
            marks = self.adopt(index, Marks((1, 1), links=links))
            return parse_recipe({**start, "references": self.linked(index, marks.links)})
        except (ValueError, TypeError):
            return Recipe()

    def guide(self, index: int, keys: tuple[str, ...], marks: Marks, size: tuple[int, int]) -> Guide:
        """What references and links say to a method, as the command line reads it.

        Args:
            index: of the picture.
            keys: of the references.
            marks: with links.
            size: (height, width) of the target that the method sees.

        Raises:
            PictureError: a reference cannot be read, or a link stands for nothing.
        """
        item = self.desk.items[index]
        item.hints.parent.mkdir(parents=True, exist_ok=True)  # names in links lead from there
        self.keep(self.linked(index, marks.links), item.output.parent)
        paths = self.keep(keys, item.output.parent)
        references = tuple(Reference(self.read(key)) for key in keys)
        references, found = read_links(marks.shapes, item.hints, paths, references, self.desk.max_pixels)
        return Guide(references, links=with_targets(marks.shapes, found, size))

    def add(self, data: bytes, name: str) -> Entry:
        """Take a dropped picture in.

        Raises:
            PictureError: it is no picture, or too large.
        """
        with self.lock:
            count = sum(e.source == "dropped" for e in self.entries.values())
            if count >= MOST_UPLOADS:
                raise PictureError(f"{MOST_UPLOADS} pictures were dropped already: start the studio again for more.")
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="recolor-studio-")
            suffix = Path(name).suffix.lower()
            key = f"u{count}"
            path = Path(self._folder.name) / f"{key}{suffix if suffix in FORMATS else '.img'}"
            path.write_bytes(data)
            try:
                read_picture(path, UPLOAD_PIXELS)
            except PictureError as error:
                path.unlink()
                raise PictureError(str(error).replace(str(path), "The dropped file")) from error
            shown = Path(name.replace("\\", "/")).name[:80] or "dropped picture"
            self.entries[key] = Entry(key, path, shown, "dropped", digest=hashlib.sha256(data).hexdigest())
            return self.entries[key]

    def read(self, key: str) -> Tensor:
        """The picture of a reference, sRGB (1, 3, H, W).

        Raises:
            KeyError: there is no such reference.
            PictureError: it cannot be read.
        """
        return read_picture(self.entries[key].path, self.desk.max_pixels).image

    def copy(self, key: str, side: int) -> bytes:
        """A JPEG of a reference with a longer side of at most ``side``; made once.

        Raises:
            KeyError: there is no such reference.
            PictureError: it cannot be read.
        """
        if (key, side) not in self.copies:
            self.copies[key, side] = copy_of(self.read(key), side)
            for old in list(self.copies)[:-MOST_COPIES]:
                self.copies.pop(old, None)
        return self.copies[key, side]

    def keep(self, keys: Sequence[str], folder: Path) -> list[Path]:
        """Files for the command line: dropped pictures are copied to ``folder``, where they stay."""
        paths = []
        for key in keys:
            entry = self.entries[key]
            path = self._kept(entry, folder)
            if path != entry.path and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes_atomically(path, entry.path.read_bytes())
            paths.append(path)
        return paths

    def _kept(self, entry: Entry, folder: Path) -> Path:
        """Where a reference lies for later runs; dropped ones of one content have one name."""
        if entry.source != "dropped":
            return entry.path
        stem = re.sub(r"[^\w.-]+", "_", Path(entry.name).stem) or "picture"
        return folder / "references" / f"{stem}-{entry.digest[:8]}{entry.path.suffix}"

    def search(self, index: int) -> list[Entry]:
        """What the galleries find for a picture; slow the first time.

        Raises:
            UsageError: a gallery cannot be used.
            WeightsMissing: there are no weights for its features.
        """
        if not self.desk.galleries or index in self.found:
            return self.found.get(index, [])
        if self._gallery is None:
            from recolor_torch.gallery import Gallery  # faiss is slow to import

            gallery = Gallery.open(self.desk.galleries)
            self._gallery = gallery, find_vgg19(self.desk.weights, depth=gallery.header.spec.depth)
        gallery, weights = self._gallery
        own = self.desk.items[index].target.path.resolve()
        image = read_picture(own, self.desk.max_pixels).image
        matches = gallery.query(image, MATCHES + 8, weights)[0]
        entries: list[Entry] = []
        for match in matches:
            if match.path.is_file() and match.path.resolve() != own and len(entries) < MATCHES:
                key = f"g{index}-{match.shard}-{match.id}"
                entries.append(Entry(key, match.path, match.path.name, "gallery", round(float(match.score), 3)))
        self.entries |= {e.key: e for e in entries}
        self.found[index] = entries
        return entries

    def close(self) -> None:
        """Remove what was dropped."""
        if self._folder is not None:
            self._folder.cleanup()

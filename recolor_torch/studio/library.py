"""References: those of the command, those that a gallery finds, and those that a person drops on the page."""

import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from recolor_torch.features import find_vgg19
from recolor_torch.pictures import PictureError, read_picture
from recolor_torch.pictures.formats import FORMATS
from recolor_torch.studio.desk import Desk

# Limits on a picture that is dropped on the page, and on how many.
LARGEST_UPLOAD = 64 * 2**20
UPLOAD_PIXELS = 100_000_000
MOST_UPLOADS = 24
MATCHES = 6


@dataclass(frozen=True)
class Entry:
    """A reference.

    Args:
        key: what the page calls it.
        path: the file.
        name: what the page shows.
        source: "command", "gallery" or "dropped".
        score: how alike the gallery finds it, or None.
    """

    key: str
    path: Path
    name: str
    source: str
    score: float | None = None

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

    def __post_init__(self) -> None:
        for i, path in enumerate(self.desk.references):
            self.entries[f"r{i}"] = Entry(f"r{i}", path, path.name, "command")
        self._folder: tempfile.TemporaryDirectory | None = None
        self._gallery: Any = None

    def listed(self, index: int) -> list[dict[str, Any]]:
        """The references for a picture, as the page shows them."""
        own = [e for e in self.entries.values() if e.source != "gallery"]
        return [e.to_page() for e in (*own, *self.found.get(index, []))]

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
            self.entries[key] = Entry(key, path, shown, "dropped")
            return self.entries[key]

    def read(self, key: str) -> Tensor:
        """The picture of a reference, sRGB (1, 3, H, W).

        Raises:
            KeyError: there is no such reference.
            PictureError: it cannot be read.
        """
        return read_picture(self.entries[key].path, self.desk.max_pixels).image

    def keep(self, keys: tuple[str, ...], folder: Path) -> list[Path]:
        """Files for the command line: dropped pictures are copied to ``folder``, where they stay."""
        paths = []
        for key in keys:
            entry = self.entries[key]
            path = entry.path
            if entry.source == "dropped":
                path = folder / "references" / f"{key}-{Path(entry.name).stem}{entry.path.suffix}"
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(entry.path.read_bytes())
            paths.append(path)
        return paths

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

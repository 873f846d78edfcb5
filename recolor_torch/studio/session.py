"""One open picture: what the page needs to show it, its engine, its marks, and how they are kept."""

import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recolor_torch.color import fit_gamut, rgb_to_luminance
from recolor_torch.color.ab import ab_to_chroma
from recolor_torch.color.bins import BINS, ab_bins
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.pictures import read_picture
from recolor_torch.resize import resize
from recolor_torch.studio.desk import Desk
from recolor_torch.studio.engine import PROPOSALS, Engine
from recolor_torch.studio.painted import Marks
from recolor_torch.studio.protocol import Recipe
from recolor_torch.system import file_in_memory

# Side of a tile of luminance; the graphics of many machines take textures of at most 8192 or 4096.
TILE = 4096
# Longer side of the copy of the original, and of thumbnails.
COPY, THUMB = 2048, 176
# Suggestions: so many, this far apart in ab, from shares of at least this much of the likeliest one.
SUGGESTIONS, APART, LEAST_SHARE = 6, 22.0, 0.02


@dataclass
class Session:
    """A picture on the desk that is open.

    Args:
        desk: where it belongs.
        index: its place there.
        network: the automatic method, shared by all sessions.
    """

    desk: Desk
    index: int
    network: NetworkColorization
    lock: threading.Lock = field(default_factory=threading.Lock)
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        item = self.desk.items[self.index]
        picture = read_picture(item.target.path, self.desk.max_pixels)
        image = picture.image
        self.height, self.width = image.shape[-2:]
        self.luminance = _levels(rgb_to_luminance(image)[0, 0])
        copy = resize(image, _size_within(self.height, self.width, COPY)).clamp(0, 1)
        self.original = _jpeg(copy, 92)
        self.engine = Engine(image, self.desk.side, self.network)
        self.marks = self.desk.load_marks(self.index)
        self.saved: tuple[Marks, dict[str, Any]] = self.marks, {}
        self.thumbs: dict[str, bytes] = {}

    def describe(self) -> dict[str, Any]:
        """What the page has to know at first."""
        item = self.desk.items[self.index]
        return {
            "index": self.index,
            "name": item.name,
            "width": self.width,
            "height": self.height,
            "tile": TILE,
            "side": self.engine.finest.side,
            "marks": self.marks.to_page(),
            "state": item.state(),
            "output": str(item.output),
            "recipe": asdict(self.recipe),
            "proposals": [name for name, _ in PROPOSALS],
        }

    def tile(self, column: int, row: int) -> bytes:
        """A part of the luminance as a PNG.

        Raises:
            IndexError: there is no such tile.
        """
        part = self.luminance[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
        if row < 0 or column < 0 or not part.size:
            raise IndexError("There is no such tile.")
        return _encoded(part, "PNG", compress_level=1)

    def proposal(self, sample: int) -> bytes:
        """A thumbnail of an automatic proposal, without strokes."""
        key = f"automatic:{sample}"
        if key not in self.thumbs:
            stage = self.engine.stages[0]
            with self.lock:
                estimate = self.engine.automatic()
            # At the size of a thumbnail, and without the lock: the brush does not wait for it.
            with torch.no_grad():
                chroma, _ = self.engine.method(Recipe(sample=sample)).read(estimate, stage.luminance)
            picture = fit_gamut(stage.luminance, chroma)
            self.thumbs[key] = _jpeg(_thumb(picture), 88)
        return self.thumbs[key]

    def suggest(self, x: float, y: float) -> list[dict[str, Any]]:
        """Likely colors at a place, the likeliest first: {"color", "share", "from"}.

        Args:
            x, y: in pixels of the picture.
        """
        column = min(int(x), self.width - 1)
        row = min(int(y), self.height - 1)
        luminance = torch.tensor(self.luminance[row, column] / 255.0).view(1, 1, 1, 1)
        found = []
        estimate = self.engine.estimate
        if estimate is not None and estimate.logits is not None:
            logits = _at(estimate.logits, (x / self.width, y / self.height))
            for ab, share in likely_colors(logits):
                chroma = ab_to_chroma(luminance, ab.view(1, 2, 1, 1))
                found.append({"color": _hex(fit_gamut(luminance, chroma)), "share": round(share, 3), "from": "network"})
        latest = {names: matched for (names, _), matched in list(self.engine.matched.items())}
        for names, matched in latest.items():
            where = (x / self.width, y / self.height)
            chroma = _at(matched.chroma, where).view(1, 2, 1, 1)
            sure = float(_at(matched.confidence, where))
            color = _hex(fit_gamut(luminance, chroma))
            found.append({"color": color, "share": round(sure, 3), "from": "reference", "names": list(names)})
        return found

    def save(self, marks: Marks, start: dict[str, Any]) -> None:
        """Keep the marks, and what they correct, in their file where they have changed."""
        self.marks = marks
        if (marks, start) != self.saved:
            self.desk.save_marks(self.index, marks, start)
            self.saved = marks, start


def likely_colors(logits: Tensor) -> list[tuple[Tensor, float]]:
    """The peaks of a distribution over the ab bins: ab, (2,), and the share of the bins around it.

    Args:
        logits: (313,).
    """
    bins, share = ab_bins(), torch.softmax(logits.float() / 0.6, 0)
    near = torch.exp(-torch.cdist(bins, bins).square() / (2 * 10.0**2))
    mass = near @ share
    free = torch.ones(BINS, dtype=torch.bool)
    found: list[tuple[Tensor, float]] = []
    while len(found) < SUGGESTIONS and bool(free.any()):
        best = int(torch.where(free, mass, -1).argmax())
        if found and float(mass[best]) < LEAST_SHARE * found[0][1]:
            break
        weight = near[best] * share
        found.append(((weight[:, None] * bins).sum(0) / weight.sum(), float(mass[best])))
        free &= (bins - bins[best]).norm(dim=1) > APART
    return found


def jpeg_thumbnail(path: Path, max_pixels: int) -> bytes:
    """A small JPEG of a picture file.

    Raises:
        PictureError: it cannot be read.
    """
    return _jpeg(_thumb(read_picture(path, max_pixels).image), 85)


def copy_of(image: Tensor, side: int = 1024) -> bytes:
    """A JPEG with a longer side of at most ``side``."""
    return _jpeg(resize(image, _size_within(image.shape[-2], image.shape[-1], side)).clamp(0, 1), 92)


def _thumb(image: Tensor) -> Tensor:
    return resize(image, _size_within(image.shape[-2], image.shape[-1], THUMB)).clamp(0, 1)


def _size_within(height: int, width: int, side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _levels(x: Tensor) -> np.ndarray:
    return (x * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def _jpeg(image: Tensor, quality: int) -> bytes:
    return _encoded(_levels(image[0].permute(1, 2, 0)), "JPEG", quality=quality, subsampling=0)


def _encoded(pixels: np.ndarray, format: str, **options: int) -> bytes:
    with file_in_memory() as file:
        Image.fromarray(pixels).save(file, format, **options)
        file.seek(0)
        return file.read()


def _at(x: Tensor, where: tuple[float, float]) -> Tensor:
    """The values of (1, C, h, w) at a place in shares of width and height, (C,), bilinear."""
    grid = torch.tensor([2 * where[0] - 1, 2 * where[1] - 1], dtype=x.dtype).view(1, 1, 1, 2)
    found = torch.nn.functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return found.flatten()


def _hex(image: Tensor) -> str:
    r, g, b = _levels(image.flatten())
    return f"#{r:02x}{g:02x}{b:02x}"

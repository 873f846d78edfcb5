"""Pictures whose places have names, for ``scripts.training.train_words``.

Two sets have masks by hand: Clothing Co-Parsing (``ccp_masks.tar`` beside the tar files of ``recolor fit``) and MSRC v2
with the cleaned labels of Malisiewicz and Efros (folders ``Images`` and ``newsegmentations_mats``). ``garments`` of the
training pictures are single pieces on a plain ground. For every picture there is a map of labels and, by its kind, a
table that says what a label means for each thing: there (1), not there (0), or not known (255).
"""

import csv
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from recolor_torch.color import rgb_to_lab
from recolor_torch.text_guidance.things import THINGS

NAMES = tuple(THINGS)
INDEX = {name: i for i, name in enumerate(NAMES)}
VOID, OTHER = 255, 254
# Side of the squares that are learned from.
SIDE = 256
UNKNOWN = 255

# Labels of Clothing Co-Parsing by thing.
CCP = {
    "hair": "hair", "skin": "skin", "glasses": "glasses sunglasses", "hat": "hat", "scarf": "scarf", "tie": "tie",
    "jewelry": "accessories bracelet earrings necklace ring watch", "dress": "dress romper", "coat": "coat cape",
    "jacket": "blazer jacket", "suit": "suit", "vest": "vest", "sweater": "cardigan hoodie jumper sweater sweatshirt",
    "shirt": "blouse shirt t-shirt top", "swimwear": "bodysuit bra intimate panties swimwear", "belt": "belt",
    "skirt": "skirt", "pants": "jeans leggings pants", "shorts": "shorts", "tights": "stockings tights socks",
    "boots": "boots", "shoes": "clogs flats heels loafers pumps sandals shoes sneakers wedges",
    "bag": "bag purse wallet", "gloves": "gloves",
}  # fmt: skip
# Labels of MSRC v2, from 1 on.
MSRC = (
    *("building", "grass", "tree", "cow", "horse", "sheep", "sky", "mountain", "plane", "water", "face", "car"),
    *("bicycle", "flower", "sign", "bird", "book", "chair", "road", "cat", "dog", "person", "boat"),
)
GARMENTS = {
    "dress": "dress", "hat": "hat", "shirt": "shirt", "longsleeve": "shirt", "t-shirt": "shirt", "pants": "pants",
    "shorts": "shorts", "skirt": "skirt", "shoes": "shoes", "outwear": "coat",
}  # fmt: skip

WORN = tuple(CCP)[2:]
ANIMALS = ("dog", "cat", "horse", "cow", "sheep", "bird", "elephant")
# Things that are easily called by each other's names: where one is, the other is not known.
ALIKE = (
    "coat jacket", "jacket suit", "sweater jacket", "sweater shirt", "sweater coat", "coat suit", "suit pants",
    "suit vest", "boots shoes", "dress swimwear", "shirt swimwear", "shirt vest", "pants tights", "hair hat",
    "face hair", "face skin", "face glasses", "face hat", "mountain snow", "mountain sand", "sand road", "bus car",
    "train bus", "fruit food", "book sign", "building road", "chair building", "sign building", "grass tree",
    "mountain grass", "mountain tree", "flower tree",
)  # fmt: skip


@dataclass
class Named:
    """A picture, (H, W, 3) uint8, a label for each pixel, (H, W) uint8, and the kind of its table.

    Args:
        name: of the picture.
        kind: ``people``, ``scenes`` or ``object``.
        pixels: sRGB.
        labels: numbers of ``NAMES``, OTHER for what is none of the kind's things, VOID for what nobody knows.
        thing: of an ``object``.
    """

    name: str
    kind: str
    pixels: np.ndarray
    labels: np.ndarray
    thing: str = ""

    @property
    def held_out(self) -> bool:
        """By the rule of ``TrainingDataModule``, so that the colorization network has not seen it either."""
        return zlib.crc32(self.name.encode()) % 10_000 < (1_000 if self.name.startswith("msrc") else 500)

    def truth(self) -> np.ndarray:
        """For each label (256) and each thing 1, 0 or UNKNOWN."""
        return truth_table(self.kind, self.thing)


def truth_table(kind: str, thing: str = "") -> np.ndarray:
    """What a label says of each thing, (256, things) uint8: 1, 0 or UNKNOWN.

    Args:
        kind: as of ``Named``.
        thing: that an ``object`` is.
    """
    table = np.full((256, len(NAMES)), UNKNOWN, np.uint8)
    for label in range(len(NAMES)):
        _tell(table[label], NAMES[label])
    other = table[OTHER]
    if kind == "people":
        absent = (*CCP, "clothes", "person", "face", "cow", "sheep", "elephant", "plane", "boat", "train", "horse")
        other[[INDEX[n] for n in absent]] = 0
    elif kind == "object":
        other[INDEX[thing]] = 0
        table[INDEX[thing], INDEX["person"]] = UNKNOWN  # of a garment that nobody wears
        if thing in ANIMALS:
            other[INDEX["animal"]] = 0
    return table


def _tell(row: np.ndarray, name: str) -> None:
    """Write what a place of one thing says of all."""
    row[:] = 0
    row[INDEX[name]] = 1
    for pair in ALIKE:
        if name in (two := pair.split()):
            row[INDEX[two[1 - two.index(name)]]] = UNKNOWN
    if name in WORN:
        row[INDEX["clothes"]] = UNKNOWN if name in ("jewelry", "glasses", "bag") else 1
    if name in ("hair", "skin", "face", *WORN):
        row[INDEX["person"]] = 1
    if name == "boots":
        row[INDEX["shoes"]] = 1
    if name in ANIMALS:
        row[INDEX["animal"]] = 1
    if name == "person":  # of whom nobody said what is worn where
        row[[INDEX[n] for n in ("hair", "skin", "face", "clothes", *WORN)]] = UNKNOWN
    if name == "face":
        row[INDEX["scarf"]] = UNKNOWN


def clothing(folder: Path) -> Iterator[Named]:
    """The pictures of Clothing Co-Parsing that have a mask.

    Args:
        folder: with ``index.csv``, the tar files and ``ccp_masks.tar``.
    """
    by_label = {label: INDEX[thing] for thing, listed in CCP.items() for label in listed.split()}
    with tarfile.open(folder / "ccp_masks.tar") as archive:
        files = {Path(m.name).name: archive.extractfile(m).read() for m in archive.getmembers() if m.isfile()}  # type: ignore[union-attr]
    numbers = np.full(256, OTHER, np.uint8)
    for number, label in json.loads(files["labels.json"]).items():
        numbers[int(number)] = by_label.get(label, OTHER)
    for row, pixels in training_pictures(folder, {"ccp"}):
        mask = files.get(f"{Path(row['name']).stem}.png")
        if mask is not None:
            yield Named(row["name"], "people", pixels, numbers[np.asarray(Image.open(io.BytesIO(mask)))])


def msrc(folder: Path) -> Iterator[Named]:
    """The pictures of MSRC v2."""
    from scipy.io import loadmat

    for path in sorted((folder / "newsegmentations_mats").glob("*_GT.mat")):
        stem = path.stem.removesuffix("_GT")
        found = loadmat(path)
        # Segments beyond the list of labels are void.
        labels = np.full(256, VOID, np.uint8)
        for i, label in enumerate(found["newlabels"].ravel()[:255], start=1):
            labels[i] = INDEX[MSRC[int(label) - 1]]
        pixels = np.asarray(Image.open(folder / "Images" / f"{stem}.bmp").convert("RGB"))
        yield Named(f"msrc_{stem}", "scenes", pixels, labels[found["newseg"]])


def garments(folder: Path) -> Iterator[Named]:
    """Single garments: what is unlike the border of the picture."""
    for row, pixels in training_pictures(folder, {"garments"}):
        thing = GARMENTS.get(row["label"])
        if thing is None:
            continue
        lab = lab_of(pixels)
        border = np.concatenate([edge.reshape(-1, 3) for edge in (lab[:4], lab[-4:], lab[:, :4], lab[:, -4:])])
        distance = np.linalg.norm(lab - np.median(border, 0), axis=-1)
        spread = np.percentile(np.linalg.norm(border - np.median(border, 0), axis=-1), 80)
        labels = np.full(lab.shape[:2], VOID, np.uint8)
        labels[distance > max(20, 2.5 * spread)] = INDEX[thing]
        labels[distance < max(8, spread)] = OTHER
        if 0.05 < (labels == INDEX[thing]).mean() < 0.8:
            yield Named(row["name"], "object", pixels, labels, thing)


def lab_of(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 to Lab, (H, W, 3)."""
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    return rgb_to_lab(image)[0].permute(1, 2, 0).numpy()


def training_pictures(folder: Path, subsets: set[str] | None = None) -> Iterator[tuple[dict[str, str], np.ndarray]]:
    """Rows of ``index.csv`` with their pictures, (H, W, 3) uint8.

    Args:
        folder: with ``index.csv`` and the tar files.
        subsets: those that are wanted; all where None.
    """
    rows = [r for r in csv.DictReader((folder / "index.csv").open()) if subsets is None or r["subset"] in subsets]
    rows.sort(key=lambda r: (r["shard"], int(r["offset"])))
    for row in rows:
        with (folder / row["shard"]).open("rb") as file:
            file.seek(int(row["offset"]))
            data = file.read(int(row["bytes"]))
        yield row, np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def padded(pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture of SIDE squared: its longer side scaled to it, the rest continued by reflection, without labels."""
    scale = SIDE / max(pixels.shape[:2])
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    few = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
    gaps = SIDE - size[1], SIDE - size[0]
    around = [(gap // 2, gap - gap // 2) for gap in gaps]
    return np.pad(small, (*around, (0, 0)), "symmetric"), np.pad(few, around, constant_values=VOID)


def part(pixels: np.ndarray, labels: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A square part of a picture, of SIDE squared."""
    shorter = min(pixels.shape[:2])
    side = int(shorter * draw.uniform(0.65, 1.0))
    top, left = (int(draw.integers(0, n - side + 1)) for n in pixels.shape[:2])
    box = (left, top, left + side, top + side)
    return (
        np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box)),
        np.asarray(Image.fromarray(labels).resize((SIDE, SIDE), Image.Resampling.NEAREST, box)),
    )


def aged(pixels: np.ndarray, draw: np.random.Generator) -> Tensor:
    """Luminance as an old photograph may have it, (1, 1, SIDE, SIDE): other film, tone, contrast, blur and grain."""
    if draw.random() < 0.3:
        pixels = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(draw.uniform(0.5, 1.4))))
    rgb = pixels.astype(np.float32) / 255
    film = draw.dirichlet((3, 6, 2)) if draw.random() < 0.6 else np.array((0.299, 0.587, 0.114))
    y = np.clip(rgb @ film.astype(np.float32), 0, 1) ** draw.uniform(0.65, 1.5)
    low, high = draw.uniform(0, 0.15), draw.uniform(0.8, 1)
    y = low + (high - low) * y + draw.normal(0, draw.uniform(0, 0.04), y.shape)
    return torch.from_numpy(np.clip(y, 0, 1).astype(np.float32))[None, None]

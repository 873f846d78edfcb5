"""Labels that nobody drew: what a teacher that sees colors, and a classifier of ImageNet, say of the training pictures.

The teacher is a ``WordFinder`` on the features of EfficientNet-Lite2 of the picture in color, trained on the pictures
with masks. Its word counts only where the picture's group, label or captions name the thing too; sand and snow, which
no mask has, are what is light and warm, or white, in pictures of beaches, glaciers and winter. Where a picture has a
class of ImageNet, the class activation map of that class says where it is.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.networks.efficientnet import EfficientNetLite, packaged_state
from recolor_torch.networks.finder import WordFinder
from recolor_torch.text_guidance.things import thing_of
from scripts.training.word_pictures import INDEX, NAMES, OTHER, VOID, Named, lab_of, padded, training_pictures

# ImageNet's mean and deviation, which its networks are used with.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TEACHER_STRIDES = (8, 16, 32, 8)

# Things of whole groups of ImageNet's classes, by the numbers of the first and the last.
_RANGES = {
    "bird": ((7, 24), (80, 100), (127, 146)), "dog": ((151, 268),), "cat": ((281, 287),), "horse": ((339, 340),),
    "cow": ((345, 347),), "sheep": ((348, 349),), "elephant": ((101, 101), (385, 386)),
    "fruit": ((945, 945), (948, 957)), "food": ((924, 944), (959, 965)),
    "animal": ((0, 6), (25, 79), (102, 126), (147, 150), (269, 280), (288, 338), (341, 344), (350, 384), (387, 397)),
}  # fmt: skip
_CLASSES = {
    "plane": (404, 895), "car": (407, 436, 468, 511, 555, 569, 609, 627, 656, 661, 675, 717, 734, 751, 817, 864, 867),
    "bus": (654, 779, 829, 874), "train": (466, 547, 565, 705, 820),
    "boat": (472, 484, 510, 554, 576, 625, 628, 780, 814, 871, 914),
    "bicycle": (444, 665, 670, 671), "chair": (423, 559, 703, 765, 831, 857), "sign": (919,), "book": (917, 921),
    "ball": (417, 429, 430, 522, 574, 722, 768, 805, 852, 890), "flower": (985, 986),
    "building": (425, 449, 483, 497, 538, 663, 668, 698, 832), "mountain": (970, 972, 980),
}  # fmt: skip

# What may be found where: group or label to things.
_GATES = {
    "mountain": "sky tree mountain snow water grass", "mountains": "sky tree mountain snow water grass",
    "landscape": "sky tree mountain snow water grass", "forest": "tree sky grass", "glacier": "sky snow mountain water",
    "sea_coast": "sky water sand", "beach": "sky water sand tree", "sea": "sky water sand",
    "street": "sky building tree road car", "building": "sky building tree grass road",
    "flower": "flower grass tree", "plant": "flower grass tree", "horses": "horse grass tree sky",
    "elephants": "elephant grass sky tree water", "buses": "bus road tree sky building",
}  # fmt: skip
_CAPTIONED = ("sky", "grass", "water", "sand", "snow", "tree", "road", "mountain", "building", "car", "bicycle", "dog")
# What may be mistaken for each other in a scene.
_RIVALS = (
    *(
        "sky",
        "grass",
        "tree",
        "water",
        "road",
        "building",
        "mountain",
        "flower",
        "person",
        "car",
        "dog",
        "horse",
        "bus",
    ),
)
# The teacher's odds from which its word counts, and below which another's does not hinder it.
_SURE, _RIVAL = 0.8, 0.4


class Teacher(nn.Module):
    """The things of a picture in color.

    Args:
        state: of EfficientNet-Lite2 as the package has it.
    """

    def __init__(self, state: dict[str, Tensor] | None = None) -> None:
        super().__init__()
        state = packaged_state("lite2") if state is None else state
        self.encoder = EfficientNetLite("lite2", 3)
        own = {k.removeprefix("_").replace("._", "."): v for k, v in state.items()}
        names = self.encoder.state_dict()
        self.encoder.load_state_dict({k: own[k] for k in names})
        self.head = own["conv_head.weight"]
        self.head_norm = [own[f"bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        self.classes = own["fc.weight"], own["fc.bias"]
        self.finder = WordFinder((*self.encoder.channels[2:], 3), len(NAMES), width=96, strides=TEACHER_STRIDES)
        self.encoder.eval().requires_grad_(False)

    def features(self, image: Tensor) -> list[Tensor]:
        """Of sRGB, (B, 3, H, W), sides multiples of 32."""
        x = (image - image.new_tensor(_MEAN).view(1, 3, 1, 1)) / image.new_tensor(_STD).view(1, 3, 1, 1)
        return [*self.encoder(x)[2:], F.avg_pool2d(image, 8)]

    def class_maps(self, image: Tensor) -> Tensor:
        """The share of each class of ImageNet at 1/32 of the side, (B, 1000, h, w)."""
        x = F.conv2d(self.features(image)[2], self.head)
        mean, variance, weight, bias = self.head_norm
        x = F.relu6(F.batch_norm(x, mean, variance, weight, bias, eps=1e-3))
        return F.conv2d(x, self.classes[0][..., None, None], self.classes[1]).softmax(1)


def class_groups() -> dict[str, list[int]]:
    """For each thing the numbers of its classes of ImageNet."""
    groups: dict[str, list[int]] = defaultdict(list)
    for thing, ranges in _RANGES.items():
        for first, last in ranges:
            groups[thing] += range(first, last + 1)
    for thing, numbers in _CLASSES.items():
        groups[thing] += numbers
    return groups


def taught(folder: Path, teacher: Teacher, limit: int, known: set[str]) -> Iterator[tuple[str, Named | None]]:
    """Names of training pictures, at most ``limit``, and their labels by the teacher, or None where it is not sure.

    Args:
        folder: with ``index.csv``, the tar files and ``captions.csv``.
        teacher: trained.
        limit: of pictures, evenly over the set.
        known: names that are passed over.
    """
    captions: dict[str, set[str]] = defaultdict(set)
    for row in csv.DictReader((folder / "captions.csv").open()):
        captions[row["name"]] |= {t for w in re.findall(r"[a-z]+", row["caption"].lower()) if (t := thing_of(w))}
    groups = class_groups()
    subsets = {r["subset"] for r in csv.DictReader((folder / "index.csv").open())} - {"ccp", "garments"}
    rows = [r for r in csv.DictReader((folder / "index.csv").open()) if r["subset"] in subsets]
    chosen = {r["name"] for r in rows if _task(r, captions[r["name"]], groups)}
    step = max(1.0, len(chosen) / limit)
    chosen = {name for i, name in enumerate(sorted(chosen)) if int(i / step) != int((i - 1) / step)}
    for row, pixels in training_pictures(folder, subsets):
        if row["name"] not in chosen or row["name"] in known:
            continue
        kind, things = _task(row, captions[row["name"]], groups)  # type: ignore[misc]
        square, beyond = padded(pixels, np.zeros(pixels.shape[:2], np.uint8))
        found = (
            by_class(teacher, square, things[0], groups) if kind == "object" else by_teacher(teacher, square, things)
        )
        thing = things[0] if kind == "object" else ""
        if found is not None:
            found[beyond == VOID] = VOID
        yield row["name"], None if found is None else Named(row["name"], kind, square, found, thing)


def _task(row: dict[str, str], captioned: set[str], groups: dict[str, list[int]]) -> tuple[str, tuple[str, ...]] | None:
    """How a picture is labeled: ``object`` and its thing, or ``scenes`` and what may be there."""
    if row["subset"] == "flickr8k":
        things = tuple(t for t in _CAPTIONED if t in captioned)
        return ("scenes", things) if things else None
    for key in (row["label"], row["group"]):
        if key in _GATES and row["subset"] not in ("imagenet_samples", "imagenet_det", "neurips2017", "imagenette"):
            return "scenes", tuple(_GATES[key].split())
    if row["subset"] == "flowers12":
        return "scenes", ("flower", "grass", "tree")
    if row["subset"] in ("bsds", "voc2007", "camvid"):
        return "scenes", ("sky", "grass", "tree", "water", "road", "building")
    if row["subset"] == "food":
        return "object", ("food",)
    thing = thing_of(row["label"].replace("_", " ").split()[-1].lower())
    named = next((t for t in (thing, {"cats": "cat", "dogs": "dog"}.get(row["label"])) if t in groups), None)
    return ("object", (named,)) if named else None


def by_class(teacher: Teacher, pixels: np.ndarray, thing: str, groups: dict[str, list[int]]) -> np.ndarray | None:
    """Labels of an ``object`` by class activation, (H, W) uint8; None where the classifier does not see it."""
    image = F.interpolate(_tensor(pixels), scale_factor=1.5, mode="bicubic", antialias=True).clamp(0, 1)
    share = teacher.class_maps(image)[:, groups[thing]].sum(1, keepdim=True)
    share = F.interpolate(share, size=pixels.shape[:2], mode="bilinear", align_corners=False)[0, 0].numpy()
    if share.max() < 0.6:
        return None
    labels = np.full(pixels.shape[:2], VOID, np.uint8)
    labels[share > 0.55] = INDEX[thing]
    labels[share < 0.06] = OTHER
    return labels if 0.02 < (labels == INDEX[thing]).mean() < 0.9 else None


def by_teacher(teacher: Teacher, pixels: np.ndarray, things: tuple[str, ...]) -> np.ndarray | None:
    """Labels of ``scenes``, (H, W) uint8; None where nothing is sure."""
    maps, _ = teacher.finder(teacher.features(_tensor(pixels)))
    odds = F.interpolate(maps.sigmoid(), size=pixels.shape[:2], mode="bilinear", align_corners=False)[0].numpy()
    labels = np.full(pixels.shape[:2], VOID, np.uint8)
    lab = lab_of(pixels)
    down = np.linspace(0, 1, pixels.shape[0])[:, None]
    sky = odds[INDEX["sky"]]
    if "snow" in things:
        chroma = np.hypot(lab[..., 1], lab[..., 2])
        white = (lab[..., 0] > 68) & (chroma < 14) & (sky < 0.3) & (odds[INDEX["person"]] < 0.3) & (down > 0.15)
        labels[white] = INDEX["snow"]
    if "sand" in things:
        warm = (lab[..., 2] > 7) & (lab[..., 2] < 38) & (lab[..., 1] > -4) & (lab[..., 0] > 40)
        calm = (sky < 0.3) & (odds[INDEX["water"]] < 0.5) & (odds[INDEX["tree"]] < 0.3) & (odds[INDEX["person"]] < 0.3)
        labels[warm & calm & (down > 0.35)] = INDEX["sand"]
    for thing in things:
        if thing in ("sand", "snow"):
            continue
        others = np.max([odds[INDEX[r]] for r in _RIVALS if r != thing], axis=0)
        sure = (odds[INDEX[thing]] > _SURE) & (others < _RIVAL) & (labels == VOID)
        labels[sure] = INDEX[thing]
    return labels if (labels != VOID).mean() > 0.1 else None


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255

"""Named pictures in one small file, and training on them where a GPU computes the features anew at every step.

``train_words --pack FILE`` writes the file, ``train_words --packed FILE --device cuda`` trains on it: pictures are gray
WebP, labels PNG, and each step sees other parts of them in other tones.
"""

import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from recolor_torch.networks.unet import ColorUNet
from scripts.training.word_pictures import SIDE, VOID, Named, padded, truth_table

GRID = 64
_QUALITY = 55


def write_pack(pictures: list[Named], file: Path, side: int) -> None:
    """Write gray pictures of at most ``side`` pixels with their labels."""
    facts = []
    with tarfile.open(file, "w") as archive:

        def add(name: str, data: bytes) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        for i, named in enumerate(pictures):
            gray = Image.fromarray(named.pixels).convert("L")
            gray.thumbnail((side, side), Image.Resampling.BICUBIC)
            labels = Image.fromarray(named.labels)
            labels.thumbnail((side // 2, side // 2), Image.Resampling.NEAREST)
            add(f"{i}.webp", _encoded(gray, "WEBP", quality=_QUALITY, method=4))
            add(f"{i}.png", _encoded(labels, "PNG", optimize=True))
            facts.append({"name": named.name, "kind": named.kind, "thing": named.thing})
        add("facts.json", json.dumps(facts).encode())
    print(f"{file}: {len(facts)} pictures, {file.stat().st_size / 1e6:.1f} MB", flush=True)


def _encoded(image: Image.Image, kind: str, **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


class LiveStore:
    """A pack on a device; features are computed for each batch.

    Args:
        file: of ``write_pack``.
        network: whose features are learned from.
        device: where.
    """

    def __init__(self, file: Path, network: ColorUNet, device: torch.device) -> None:
        with tarfile.open(file) as archive:
            files = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]
        facts = json.loads(files["facts.json"])
        with ThreadPoolExecutor() as pool:
            squares = list(pool.map(lambda i: _square(files[f"{i}.webp"], files[f"{i}.png"]), range(len(facts))))
        blank = np.zeros((1, 1, 3), np.uint8)
        pictures = [Named(**f, pixels=blank, labels=blank[..., 0]) for f in facts]
        self.network, self.device = network.to(device), device
        self.pixels = torch.from_numpy(np.stack([p for p, _ in squares]))[:, None].to(device)
        self.labels = torch.from_numpy(np.stack([x for _, x in squares]))[:, None].to(device)
        kinds = sorted({(p.kind, p.thing) for p in pictures})
        self.tables = torch.from_numpy(np.stack([truth_table(kind, thing) for kind, thing in kinds])).to(device)
        self.kinds = torch.tensor([kinds.index((p.kind, p.thing)) for p in pictures], device=device)
        self.training = [i for i, p in enumerate(pictures) if not p.held_out]
        self.held_out = [i for i, p in enumerate(pictures) if p.held_out]

    def batch(self, indices: list[int], draw: np.random.Generator | None) -> tuple[list[Tensor], Tensor]:
        """As of ``Examples``: a part of each picture, some mirrored, in another tone."""
        index = torch.tensor(indices, device=self.device)
        pixels, labels = self.pixels[index].float() / 255, self.labels[index].float()
        b = len(index)
        if draw is not None:
            dice = torch.Generator(self.device).manual_seed(int(draw.integers(2**62)))
            drawn = torch.rand(b, 8, generator=dice, device=self.device)
            zoom = torch.where(drawn[:, 0] < 0.35, 1.0, 0.55 + 0.5 * drawn[:, 1])
            shift = (1 - zoom)[:, None] * (2 * drawn[:, 2:4] - 1)
            mirror = torch.where(drawn[:, 4] < 0.5, -1.0, 1.0)
            turn = torch.zeros(b, 2, 3, device=self.device)
            turn[:, 0, 0], turn[:, 1, 1], turn[:, :, 2] = zoom * mirror, zoom, shift
            grid = F.affine_grid(turn, [b, 1, SIDE, SIDE], align_corners=False)
            pixels = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
            labels = F.grid_sample(labels - VOID, grid, mode="nearest", align_corners=False) + VOID  # outside: void
            pixels = _toned(pixels.clamp(0, 1), drawn, torch.randn(pixels.shape, generator=dice, device=self.device))
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")
        with torch.no_grad(), half:
            features = [x.float() for x in self.network.understanding(pixels)]
        step = SIDE // GRID
        few = labels[:, 0, step // 2 :: step, step // 2 :: step].round().long()
        known = self.tables[self.kinds[index][:, None, None], few].permute(0, 3, 1, 2)
        return features, known


def _toned(pixels: Tensor, drawn: Tensor, noise: Tensor) -> Tensor:
    """Other tone, contrast and grain."""
    power, level, grain = (drawn[:, i].view(-1, 1, 1, 1) for i in (5, 6, 7))
    low, high = 0.15 * level, 0.8 + 0.2 * grain
    return (low + (high - low) * pixels ** (0.6 + power) + 0.04 * level * noise).clamp(0, 1)


def _square(picture: bytes, labels: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Gray pixels and labels of SIDE squared."""
    gray = Image.open(io.BytesIO(picture)).convert("L")
    few = Image.open(io.BytesIO(labels)).resize(gray.size, Image.Resampling.NEAREST)
    pixels, named = padded(np.asarray(gray.convert("RGB")), np.asarray(few))
    return pixels[..., 0], named

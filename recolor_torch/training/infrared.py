"""Training of a network whose input is no luminance: near infrared, thermal or radar, with a photograph of the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.color import rgb_to_yuv
from recolor_torch.color.scaling import chroma_to_unit
from recolor_torch.errors import UsageError
from recolor_torch.hints.simulation import HintSimulation
from recolor_torch.losses.classification import chroma_loss
from recolor_torch.losses.colorfulness import colorfulness_loss
from recolor_torch.networks import Estimate, NearInfraredNet
from recolor_torch.paths import as_path, is_folder
from recolor_torch.pictures.opening import PictureError
from recolor_torch.pictures.read import read_picture
from recolor_torch.resize import resize
from recolor_torch.text import parse_json, read_text
from recolor_torch.training.colorization import ColorizationTraining
from recolor_torch.training.data import TrainingDataModule, batches_done

_INPUT_KEYS = ("input", "nir", "infrared", "thermal", "radar")
_COLOR_KEYS = ("rgb", "color", "truth")
# Weights of the parts of the loss, so that at first they are of one size.
WEIGHTS = {"tone": 6.0, "coarse": 6.0, "mean": 10.0, "vivid": 4.0, "colorfulness": 15.0}


@dataclass(frozen=True)
class Pair:
    """A picture of one channel, the photograph of the same view, and where both have content.

    Args:
        name: for messages.
        given: file of the input, one channel.
        color: file of the photograph.
        mask: file that is white where the input has content; None: everywhere.
        category: of the view; a share of each is held out.
        scene: pictures of one scene stay together.
    """

    name: str
    given: Path
    color: Path
    mask: Path | None = None
    category: str = ""
    scene: str = ""


def find_pairs(source: str | Path) -> list[Pair]:
    """The pairs of a folder with ``manifest.json``, or of a manifest.

    A manifest is JSON with a list ``pairs`` of entries with ``input`` (``nir``, ``infrared``, ``thermal``, ``radar``)
    and ``rgb`` (``color``, ``truth``), paths relative to it, and if wanted ``mask``, ``category``, ``scene`` and
    ``name``.

    Raises:
        UsageError: it cannot be read, or an entry lacks a file.
    """
    path = as_path(source)
    path = path / "manifest.json" if is_folder(path) else path
    try:
        manifest = parse_json(read_text(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as a manifest of pairs ({' '.join(str(error).split())}).") from error
    entries = manifest.get("pairs") if isinstance(manifest, dict) else manifest
    if not isinstance(entries, list) or not entries:
        raise UsageError(f'{path}: there is no list "pairs" in it.')
    return [_pair(entry, path, number) for number, entry in enumerate(entries, start=1)]


def _pair(entry: Any, manifest: Path, number: int) -> Pair:
    def first(keys: Sequence[str]) -> str:
        found = [entry[k] for k in keys if isinstance(entry, dict) and isinstance(entry.get(k), str)]
        if not found:
            raise UsageError(f"{manifest}, entry {number}: needs a path under one of {', '.join(keys)}.")
        return found[0]

    given, color = first(_INPUT_KEYS), first(_COLOR_KEYS)
    name = str(entry.get("name") or Path(given).stem)
    mask = entry.get("mask")
    return Pair(
        name,
        manifest.parent / given,
        manifest.parent / color,
        manifest.parent / mask if isinstance(mask, str) else None,
        str(entry.get("category") or ""),
        str(entry.get("scene") or name),
    )


def split_pairs(pairs: Sequence[Pair], held_out: float, gap: int = 1) -> tuple[list[Pair], list[Pair]]:
    """Those that are trained on, and the last ``held_out`` of the scenes of each category, by name.

    Neighbours in a numbered series show nearly the same view, so ``gap`` scenes between the two parts are left out.
    """
    parts: tuple[list[Pair], list[Pair]] = ([], [])
    for category in sorted({p.category for p in pairs}):
        own = sorted((p for p in pairs if p.category == category), key=lambda p: p.name)
        scenes = list(dict.fromkeys(p.scene for p in own))
        aside = round(held_out * len(scenes)) if len(scenes) > 1 else 0
        first = len(scenes) - aside
        training = set(scenes[: max(1, first - gap) if aside else first])
        parts[0].extend(p for p in own if p.scene in training)
        parts[1].extend(p for p in own if p.scene in scenes[first:])
    return parts


def read_pair(pair: Pair, side: int) -> np.ndarray:
    """R, G, B, the input and the mask (0 or 255) as (H, W, 5) uint8, the longer side reduced to ``side``.

    Raises:
        UsageError: a file is missing or broken, or the sizes differ.
    """
    try:
        color, given = read_picture(pair.color).image, read_picture(pair.given).image
        mask = torch.ones_like(given[:, :1]) if pair.mask is None else read_picture(pair.mask).image[:, :1]
    except PictureError as error:
        raise UsageError(f"Pair {pair.name}: {error}") from error
    for file, part in ((pair.given, given), (pair.mask, mask)):
        if part.shape[-2:] != color.shape[-2:]:
            sizes = [f"{p.shape[-1]} x {p.shape[-2]}" for p in (part, color)]
            raise UsageError(f"{file} has {sizes[0]} pixels and {pair.color} has {sizes[1]}: bring them to one size.")
    scale = min(1.0, side / max(color.shape[-2:]))
    size = round(scale * color.shape[-2]), round(scale * color.shape[-1])
    parts = [resize(color, size), resize(given, size).mean(1, keepdim=True), (resize(mask, size) > 0.99).to(color)]
    pixels = (255 * torch.cat(parts, 1).clamp(0, 1)).round().to(torch.uint8)
    return pixels[0].permute(1, 2, 0).contiguous().numpy()


class PairDataModule(TrainingDataModule):
    """Pairs of a picture of one channel and a photograph, decoded once and kept in memory.

    Args:
        sources: manifests, or folders with ``manifest.json`` (see ``find_pairs``).
        size: side of the crops that are trained on, in pixels, a multiple of 32.
        side: longer side at which pictures are kept in memory.
        least: a crop's side is at least this share of the picture's shorter side.
        batch_size: pairs in a batch, on each device.
        epoch: pairs in an epoch, over all devices; all of them once without it.
        held_out: share of the scenes that are never trained on and serve for validation.
        workers: processes that make the crops.
        seed: of order and crops.
    """

    def __init__(
        self,
        sources: list[str],
        size: int = 256,
        side: int = 384,
        least: float = 0.6,
        batch_size: int = 8,
        epoch: int | None = None,
        held_out: float = 0.2,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(sources, size, side, least, batch_size, epoch, held_out, workers=workers, seed=seed)

    def setup(self, stage: str | None = None) -> None:
        """Read the pairs, once."""
        if self.training:
            return
        pairs = [pair for source in self.sources for pair in find_pairs(source)]
        training, aside = split_pairs(pairs, self.held_out)
        if not training:
            raise UsageError(f"There are no pairs to train on in {', '.join(self.sources)}.")
        self.training = [read_pair(p, self.side) for p in training]
        self.validation = [read_pair(p, self.side) for p in aside]


def split_channels(batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Photograph (B, 3, H, W), input and mask (B, 1, H, W) of pairs (B, 5, H, W) in [0, 1]."""
    image, given, mask = batch.split((3, 1, 1), 1)
    return image, given, (mask > 0.99).to(batch)  # crops are interpolated; half a pixel of nothing is nothing


def infrared_losses(estimate: Estimate, given: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """The parts of the loss by name, each weighted and a scalar; only places of the mask count.

    Luminance is judged pixel by pixel and, because two cameras never see quite the same, in squares of 8 pixels too.

    Args:
        estimate: of ``NearInfraredNet``.
        given: the input, (B, 1, H, W), [0, 1].
        image: the true colors, sRGB, (B, 3, H, W).
        mask: (B, 1, H, W), 0 or 1.
    """
    assert estimate.chroma is not None
    assert estimate.vivid is not None
    luminance, truth = rgb_to_yuv(image).split((1, 2), 1)
    share = mask.mean().clamp(min=1e-3)
    off = (estimate.luminance(given) - luminance) * mask
    mean, vivid = estimate.chroma.float() * mask, estimate.vivid.float() * mask
    truth = truth * mask
    unit = chroma_to_unit(truth)
    parts = {
        "tone": off.abs().mean(),
        "coarse": F.avg_pool2d(off, 8).abs().mean(),
        "mean": chroma_loss(chroma_to_unit(mean), unit),
        "vivid": chroma_loss(chroma_to_unit(vivid), unit),
        "colorfulness": colorfulness_loss(vivid, truth),
    }
    return {name: WEIGHTS[name] * value / share for name, value in parts.items()}


class InfraredTraining(ColorizationTraining):
    """Fine-tunes a U-Net to color pictures that are no luminance; of the network only what an adapter holds learns.

    Args:
        network: a ``NearInfraredNet``.
        start: file of weights to start from: those of a U-Net, or of a network for near infrared.
        learning_rate, encoder_rate, weight_decay, warmup, cooldown, average, grain, tone, hints, seed: as of
            ``ColorizationTraining``; grain and tone are of the input.
        whole: train all of the network, not what an adapter holds alone.
    """

    def __init__(
        self,
        network: nn.Module,
        start: str | None = None,
        learning_rate: float = 3e-4,
        encoder_rate: float = 1.0,
        weight_decay: float = 0.01,
        warmup: int = 100,
        cooldown: float = 0.5,
        average: float = 0.998,
        grain: float = 0.03,
        tone: float = 0.25,
        hints: HintSimulation | None = None,
        whole: bool = False,
        seed: int = 0,
    ) -> None:
        if not isinstance(network, NearInfraredNet):
            raise UsageError(f"InfraredTraining is for NearInfraredNet, got {type(network).__name__}.")
        settings: dict[str, Any] = {"weight_decay": weight_decay, "warmup": warmup, "cooldown": cooldown}
        settings |= {"average": average, "grain": grain, "tone": tone, "hints": hints, "start": start, "seed": seed}
        super().__init__(network, learning_rate, encoder_rate, classification=0.0, **settings)
        self.whole = whole
        if not whole:
            network.freeze()

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """The loss of a batch of pairs, (B, 5, H, W), uint8."""
        number = batches_done(self.trainer)
        image, given, mask = split_channels(self.pictures(batch))
        generator = self._generator(number)
        given = varied(given, self.tone, self.grain, generator)
        chroma = rgb_to_yuv(image)[:, 1:]
        hints, known = self.hints(chroma, generator) if self.hints else (None, None)
        if known is not None:
            known = known * mask
        parts = infrared_losses(self.answer(given, hints, known), given, image, mask)
        loss = torch.stack(list(parts.values())).sum()
        self.log_dict({f"train/{name}": value for name, value in parts.items()} | {"train/loss": loss})
        return loss

    def shown(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The photographs, and the inputs; where an input has no content the photograph is black too."""
        image, given, mask = split_channels(self.pictures(batch))
        return image * mask, given * mask


def varied(given: Tensor, tone: float, grain: float, generator: torch.Generator) -> Tensor:
    """Inputs with another tone curve and with noise, as other cameras would give them, (B, 1, H, W) in [0, 1]."""
    b, device = len(given), given.device
    draw = torch.rand(2, b, 1, 1, 1, generator=generator, device=device)
    noise = torch.randn(given.shape, generator=generator, device=device)
    return (given ** ((1 + tone) ** (2 * draw[0] - 1)) + grain * draw[1].square() * noise).clamp(0, 1)

"""Training of a finder of words, whatever its examples come from; it is kept in a file and goes on from there."""

import json
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.color import rgb_to_luminance
from recolor_torch.networks.finder import WordFinder
from recolor_torch.text_guidance.things import THINGS
from scripts.training.word_pictures import INDEX, NAMES, SIDE, UNKNOWN, Named, aged, padded, part

# Side of the map of labels that is learned from.
GRID = 32
# How much less a thing that is not in a picture weighs than one that is.
ABSENT = 0.15
# Largest learning rate, and the steps in which it is reached.
RATE, WARM = 2e-3, 100


class Examples(Protocol):
    """What is learned from: numbers of pictures, and batches of them."""

    training: list[int]
    held_out: list[int]

    def batch(self, indices: list[int], draw: np.random.Generator | None) -> tuple[list[Tensor], Tensor]:
        """Features, and what is known of each thing, (B, things, h, w) uint8: 1, 0 or UNKNOWN.

        Args:
            indices: of pictures.
            draw: changes the pictures in ways that keep their things; None leaves them as they are.
        """


class Store:
    """Features of pictures, computed once and kept in files, with their labels.

    Args:
        folder: of the files.
        pictures: with labels.
        features: (1, C, SIDE, SIDE) to a list of tensors.
        colored: give ``features`` the picture in color, else its luminance.
        views: of each picture: the first is the picture whole, the others parts of it that are aged.
    """

    def __init__(
        self, folder: Path, pictures: list[Named], features: Callable[[Tensor], list[Tensor]], colored: bool, views: int
    ) -> None:
        self.pictures, self.views = pictures, views
        folder.mkdir(exist_ok=True)
        count = len(pictures) * views
        marker = folder / "done.json"
        with torch.no_grad():
            like = features(torch.zeros(1, 3 if colored else 1, SIDE, SIDE))
        known = json.loads(marker.read_text()) if marker.exists() else {"count": count, "done": 0}
        if known["count"] != count:
            known = {"count": count, "done": 0}
        mode = "r+" if known["done"] else "w+"
        self.maps = [
            np.lib.format.open_memmap(folder / f"{i}.npy", mode, np.float16, (count, *x.shape[1:]))
            for i, x in enumerate(like)
        ]
        self.labels = np.lib.format.open_memmap(folder / "labels.npy", mode, np.uint8, (count, GRID, GRID))
        for index in range(known["done"], count):
            named, view = pictures[index // views], index % views
            draw = np.random.default_rng((index, 1))
            if view == 0:
                pixels, labels = padded(named.pixels, named.labels)
                image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
                image = image if colored else rgb_to_luminance(image)
            else:
                pixels, labels = part(named.pixels, named.labels, draw)
                image = aged(pixels, draw)
            with torch.no_grad():
                for kept, x in zip(self.maps, features(image)):
                    kept[index] = x[0].half().numpy()
            offset = SIDE // GRID // 2
            self.labels[index] = labels[offset :: SIDE // GRID, offset :: SIDE // GRID]
            if index % 50 == 49 or index == count - 1:
                marker.write_text(json.dumps({"count": count, "done": index + 1}))
                print(f"{folder.name}: {index + 1} of {count}", flush=True)
        tables = [p.truth() for p in pictures]
        self.tables = np.stack(tables)
        self.training = [i for i in range(count) if not pictures[i // views].held_out]
        self.held_out = [i * views for i, p in enumerate(pictures) if p.held_out]

    def batch(self, indices: list[int], draw: np.random.Generator | None) -> tuple[list[Tensor], Tensor]:
        """As of ``Examples``: half of the batches are mirrored."""
        features = [torch.from_numpy(x[indices].astype(np.float32)) for x in self.maps]
        labels = self.labels[indices].astype(np.int64)
        truth = np.stack([self.tables[i // self.views][l] for i, l in zip(indices, labels)])
        known = torch.from_numpy(truth).permute(0, 3, 1, 2)
        turned = draw is not None and draw.random() < 0.5
        return ([x.flip(-1) for x in features], known.flip(-1)) if turned else (features, known)


class Training:
    """Training of a finder, kept in a file every 100 steps.

    The step says which pictures are seen and how, so that a run that goes on sees what it would have seen.

    Args:
        finder: what learns.
        store: its examples.
        batch: on how many at once.
        file: where it is kept.
        note: told what happens.
    """

    def __init__(self, finder: WordFinder, store: Examples, batch: int, file: Path, note: Callable[..., None]) -> None:
        self.finder, self.store, self.size, self.file, self.note = finder, store, batch, file, note
        self.averaged = torch.optim.swa_utils.AveragedModel(
            finder, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
        )
        self.optimizer = torch.optim.AdamW(finder.parameters(), RATE, weight_decay=0.03)
        self.step = 0

    def run(self, vectors: list[Path] | None, steps: int, seconds: float | None = None) -> None:
        """Learn.

        Args:
            vectors: of ``begin_from_vectors``.
            steps: as many in all, those of earlier runs included.
            seconds: so long from now on, in place of steps.
        """
        if self.file.exists():
            self.load(torch.load(self.file, weights_only=True))
        else:
            begin_from_vectors(self.finder, vectors)
            set_statistics(self.finder, self.store)
            self.averaged.module.load_state_dict(self.finder.state_dict())
        began = time.perf_counter()

        def share() -> float:
            return min(1.0, self.step / steps if seconds is None else (time.perf_counter() - began) / seconds)

        losses: list[Tensor] = []
        while share() < 1:
            losses.append(self.learn(share()))
            if self.step % 100 == 0 or share() == 1:
                if seconds is None:
                    torch.save(self.state(), self.file)
                entry = {"file": self.file.name, "step": self.step, "loss": float(torch.stack(losses).mean())}
                last = share() == 1 or (seconds is None and self.step % 500 == 0)
                self.note(event="step", **entry, **({"overlap": self.overlap()} if last else {}))
                losses = []

    def learn(self, share: float) -> Tensor:
        """One step; returns the loss.

        Args:
            share: of the training that is over.
        """
        self.finder.train()
        for norm in self.finder.norms:
            norm.eval()  # their statistics are fixed
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * min(1, (self.step + 1) / WARM) * (0.02 + 0.49 * (1 + math.cos(math.pi * share)))
        draw = np.random.default_rng((7, self.step))
        pool = self.store.training
        indices = sorted(pool[i] for i in draw.integers(0, len(pool), self.size))
        features, known = self.store.batch(indices, draw)
        loss = finder_loss(*self.finder(features), known)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.finder.parameters(), 1.0)
        self.optimizer.step()
        self.averaged.update_parameters(self.finder)
        self.step += 1
        return loss.detach()

    def state(self) -> dict[str, object]:
        """All that a later run needs to go on."""
        parts = (("finder", self.finder), ("averaged", self.averaged), ("optimizer", self.optimizer))
        return {"step": self.step, **{name: part.state_dict() for name, part in parts}}

    def load(self, state: dict[str, object]) -> None:
        """Go on from ``state``."""
        self.step = int(state["step"])  # type: ignore[call-overload]
        for name in ("finder", "averaged", "optimizer"):
            getattr(self, name).load_state_dict(state[name])

    def overlap(self) -> dict[str, float]:
        """``overlap`` of the averaged finder on held-out pictures."""
        return overlap(self.averaged.module.eval(), (self.store.batch([i], None) for i in self.store.held_out))


@torch.no_grad()
def overlap(finder: nn.Module, held_out: Iterable[tuple[list[Tensor], Tensor]]) -> dict[str, float]:
    """By thing, intersection over union of truth and finding, and the mean of all.

    Args:
        finder: of words.
        held_out: features and what is known, of one picture each, as of ``Examples``.
    """
    both, either = np.zeros(len(NAMES)), np.zeros(len(NAMES))
    for features, truth in held_out:
        maps, _ = finder(features)
        known = truth[0].cpu()
        found = F.interpolate(maps, size=known.shape[-2:], mode="bilinear", align_corners=False)[0].cpu() > 0
        there = (known == 1).flatten(1).sum(1) >= 8
        sure = known != UNKNOWN
        both += ((found & (known == 1)).flatten(1).sum(1) * there).numpy()
        either += (((found | (known == 1)) & sure).flatten(1).sum(1) * there).numpy()
    shares = {n: round(float(both[i] / either[i]), 3) for n, i in INDEX.items() if either[i] > 0}
    return {"mean": round(float(np.mean(list(shares.values()))), 3), **shares}


def finder_loss(maps: Tensor, presence: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy of places and of pictures, and one less the overlap (Dice) of things that are there.

    Args:
        maps, presence: of ``WordFinder``.
        known: (B, things, GRID, GRID), 1, 0 or UNKNOWN.
    """
    maps = F.interpolate(maps, size=known.shape[-2:], mode="bilinear", align_corners=False)
    sure, target = (known != UNKNOWN).float(), (known == 1).float()
    amount, positive = sure.sum((2, 3)), target.sum((2, 3))
    there = (positive >= 4).float()
    judged = (amount > 0.25 * known[0, 0].numel()).float()
    places = (F.binary_cross_entropy_with_logits(maps, target, reduction="none") * sure).sum((2, 3)) / amount.clamp(
        min=1
    )
    odds = maps.sigmoid() * sure
    dice = 1 - (2 * (odds * target).sum((2, 3)) + 8) / (odds.sum((2, 3)) + positive + 8)
    weight = there + ABSENT * (1 - there) * judged
    spread = (weight * places).sum() / weight.sum().clamp(min=1)
    shape = (there * dice).sum() / there.sum().clamp(min=1)
    # A thing that is partly unknown is judged as a whole where it is there, or surely not.
    absent = judged * (amount > 0.9 * known[0, 0].numel()).float() * (1 - there)
    whole = F.binary_cross_entropy_with_logits(presence, there, reduction="none")
    whole = (whole * (there + 0.3 * absent)).sum() / (there + 0.3 * absent).sum().clamp(min=1)
    return 2 * spread + shape + 0.3 * whole


def begin_from_vectors(finder: WordFinder, vectors: list[Path] | None) -> None:
    """Give each word a random projection of the mean vector of its thing's words."""
    if vectors is None:
        return
    wanted = {w: name for name, listed in THINGS.items() for w in (name, *listed.split())}
    lines = {w: i for i, w in enumerate(vectors[0].read_text(encoding="utf-8").split("\n")) if w in wanted}
    matrix = np.load(vectors[1], mmap_mode="r")
    means = np.stack([
        np.mean([matrix[lines[w]] for w in (name, *listed.split()[:4]) if w in lines], axis=0)
        for name, listed in THINGS.items()
    ])  # fmt: skip
    means = (means - means.mean(0)) / np.linalg.norm(means - means.mean(0), axis=1, keepdims=True)
    turn = torch.randn(means.shape[1], finder.words.shape[1])
    with torch.no_grad():
        finder.words.copy_(torch.from_numpy(means.astype(np.float32)) @ turn)


def set_statistics(finder: WordFinder, store: Examples) -> None:
    """Mean and variance of the features, from pictures all over the store."""
    pool = store.training[:: max(1, len(store.training) // 200)]
    features, _ = store.batch(pool, None)
    for norm, x in zip(finder.norms, features):
        norm.running_mean.copy_(x.mean((0, 2, 3)))  # type: ignore[operator, union-attr]
        norm.running_var.copy_(x.var((0, 2, 3)))  # type: ignore[operator, union-attr]

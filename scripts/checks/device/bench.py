"""What every check is given, and how checks are run: one after the other, each with an end of its own."""

import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from record import Record, Row
from torch import Tensor

from recolor_torch.color import rgb_to_luminance

T = TypeVar("T")
EXAMPLE = Path(__file__).parents[3] / "recolor_torch" / "examples" / "coffee_colour.jpg"
# Hints of a picture: patches of this side, so many a megapixel.
PATCH, PATCHES_A_MEGAPIXEL = 6, 400


def in_8_bits(image: Tensor) -> Tensor:
    """At the nearest level of 8 bits, as pictures of files are, in its own precision."""
    return (255 * image).round() / 255


class Pictures:
    """Pictures of any size: mosaics of photographs, none scaled; of the package's example where there are no others."""

    def __init__(self, folder: Path | None = None) -> None:
        known = (".png", ".jpg", ".jpeg")
        self.files = [EXAMPLE]
        if folder is not None:
            self.files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in known)[:200]
            if not self.files:
                raise SystemExit(f"No pictures in {folder}.")

    @cached_property
    def arrays(self) -> list[np.ndarray]:
        out = []
        for file in self.files:
            with Image.open(file) as picture:
                out.append(np.asarray(picture.convert("RGB"), np.float32) / 255)
        return out

    def rgb(self, height: int, width: int, seed: int = 0) -> Tensor:
        """sRGB of 8 bits, (1, 3, H, W), float32: tiles mirrored and of changed tone, so that no two are alike."""
        rng = np.random.default_rng(seed)
        out, top = np.zeros((height, width, 3), np.float32), 0
        while top < height:
            left, tall = 0, 300
            while left < width:
                tile = self.arrays[rng.integers(len(self.arrays))]
                tile = tile[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))] ** rng.uniform(0.7, 1.4)
                row, column = rng.integers(0, max(1, tile.shape[0] - 64)), rng.integers(0, max(1, tile.shape[1] - 64))
                tile = tile[row:, column:][: min(tall, height - top), : width - left]
                tall = min(tall, tile.shape[0])
                out[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
                left += tile.shape[1]
            top += tall
        return in_8_bits(torch.from_numpy(out).permute(2, 0, 1)[None].contiguous())

    def batch(self, count: int, height: int, width: int, seed: int = 0) -> Tensor:
        """So many different pictures, (B, 3, H, W)."""
        return torch.cat([self.rgb(height, width, seed + i) for i in range(count)])

    def gray(self, rgb: Tensor) -> Tensor:
        """The same without color, three equal channels of 8 bits."""
        return in_8_bits(rgb_to_luminance(rgb)).expand(-1, 3, -1, -1).contiguous()

    def hint_mask(self, height: int, width: int, seed: int = 0) -> Tensor:
        """(1, 1, H, W), 1 in patches."""
        rng, mask = np.random.default_rng(seed), torch.zeros(1, 1, height, width)
        for _ in range(max(8, round(PATCHES_A_MEGAPIXEL * height * width / 2**20))):
            y, x = rng.integers(0, height - PATCH), rng.integers(0, width - PATCH)
            mask[..., y : y + PATCH, x : x + PATCH] = 1
        return mask


@dataclass
class Bench:
    """What every check is given.

    Args:
        device: what is checked.
        tiny: whether sizes are those of a rehearsal.
        pictures: where pictures come from.
        weights: file of VGG-19 weights, or None.
        folder: for files that are not results.
        limit: seconds that a process of its own may take.
        methods: those that checks of many methods are about; all where None.
    """

    device: torch.device
    tiny: bool
    pictures: Pictures
    weights: Path | None
    folder: Path
    limit: float = 60.0
    methods: list[str] | None = None

    def pick(self, full: T, tiny: T) -> T:
        """A size."""
        return tiny if self.tiny else full

    def chosen(self, methods: Iterable[str]) -> list[str]:
        """Those of ``methods`` that are asked for."""
        return [m for m in methods if self.methods is None or m in self.methods]

    def to(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Tensors on the device."""
        return tuple(t.to(self.device) for t in tensors)

    def wait(self) -> None:
        """Until the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


Check = Callable[[Bench], Iterable[Row]]


class OutOfTime(Exception):
    """A check's time is over."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise ``OutOfTime`` in what runs longer. It cannot stop a single call into a library."""

    def stop(*_: object) -> None:
        raise OutOfTime(f"stopped after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_stage(
    stage: str,
    checks: dict[str, Check],
    bench: Bench,
    record: Record,
    end: float,
    limit: float,
    only: list[str] | None = None,
) -> None:
    """Run the checks of a stage until ``end`` (of ``time.perf_counter``), each for at most ``limit`` seconds."""
    for name, check in checks.items():
        if only is not None and not any(part in name for part in only):
            continue
        start = time.perf_counter()
        left = end - start
        if left < 1:
            record.add(stage, name, {"error": "not begun: the stage's time was over"})
            continue
        rows = 0
        try:
            with limited(min(limit, left)):
                for row in check(bench):
                    record.add(stage, name, row)
                    rows += 1
        except KeyboardInterrupt:
            record.write(record.seconds + time.perf_counter() - start)
            raise
        except BaseException as error:  # noqa: BLE001 # a library may raise or exit as it likes: the other checks go on
            where = traceback.extract_tb(error.__traceback__)[-1]
            said = str(error).strip().splitlines() or [""]
            place = f"{Path(where.filename).name}:{where.lineno}"
            record.add(stage, name, {"error": f"{type(error).__name__}: {said[0][:300]} ({place}, after {rows} rows)"})
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()
        seconds = time.perf_counter() - start
        print(f"  ({stage}/{name}: {seconds:.1f} s)", flush=True)
        record.write(record.seconds + seconds)

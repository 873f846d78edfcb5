"""What the training scripts for one GPU against the clock share."""

import argparse
import copy
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from scripts.training.train_unet import Notes

# Steps whose time is measured before the number of steps is chosen; as many before them warm up.
MEASURED = 8


def add_flags(parser: argparse.ArgumentParser, rate: float) -> None:
    """The flags that these scripts share: ``parse`` checks them, ``prepare`` obeys them."""
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, help="of training")
    parser.add_argument("--steps", type=int, help="in place of --seconds")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--scale", type=float, default=1.0, help="of the batch size")
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--seed", type=int, default=0)


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments, with one of --seconds and --steps."""
    args = parser.parse_args()
    if (args.seconds is None) == (args.steps is None):
        parser.error("give either --seconds or --steps")
    return args


def prepare(args: argparse.Namespace, log: str) -> Notes:
    """Seed, set the arithmetic, make the folder of results; returns its log."""
    torch.manual_seed(args.seed)
    torch.backends.cudnn.benchmark = False
    torch.set_float32_matmul_precision("high")
    args.output.mkdir(parents=True, exist_ok=True)
    return Notes(args.output / log)


class Fit:
    """One network with its optimizer, its schedule and its running average.

    Args:
        network: on its device.
        rate: the largest learning rate.
        steps: of the schedule: warm-up over a twentieth of them, then a cosine to 2 %.
        decay: of the running average.
    """

    def __init__(self, network: nn.Module, rate: float, steps: int, decay: float = 0.999) -> None:
        self.network, self.rate, self.steps, self.decay = network, rate, steps, decay
        self.averaged = copy.deepcopy(network).eval().requires_grad_(False)
        learning = [p for p in network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=0.01, fused=learning[0].is_cuda)
        self.done = 0

    def step(self, loss: Tensor) -> None:
        """Learn from a loss."""
        rise = (self.done + 1) / max(1.0, 0.05 * self.steps)
        fall = 0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, self.done / self.steps)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * min(rise, fall)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in self.network.parameters() if p.requires_grad], 1.0)
        self.optimizer.step()
        self.done += 1
        with torch.no_grad():
            share = 1 - min(self.decay, (1 + self.done) / (20 + self.done))
            pairs = zip(self.averaged.state_dict().values(), self.network.state_dict().values())
            floats = [(a, b) for a, b in pairs if a.is_floating_point()]
            torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], share)


def counted(steps: dict[str, Callable[[], None]], seconds: float, device: torch.device, note: Notes) -> int:
    """How many steps of all together fit the time, by that of some of each."""
    times = {}
    for name, step in steps.items():
        for number in range(2 * MEASURED):
            if number == MEASURED:
                wait(device)
                began = time.perf_counter()
            step()
        wait(device)
        times[name] = (time.perf_counter() - began) / MEASURED
    note(event="speed", **{f"{name}_ms": 1000 * value for name, value in times.items()})
    return max(1, int(seconds / sum(times.values())))


def wait(device: torch.device) -> None:
    """For what the device has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize()

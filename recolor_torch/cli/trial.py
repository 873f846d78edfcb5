"""Methods tried on one target: results, seconds and numbers for a sheet."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jsonargparse import Namespace
from rich.console import Console
from torch import Tensor

from recolor_torch.cli.given import Given
from recolor_torch.cli.progress import progress_bar
from recolor_torch.cli.terminal import clear_start
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation import score
from recolor_torch.methods import Recolorizer
from recolor_torch.pipeline import recolor
from recolor_torch.plots.sheets import message_panel


@dataclass(frozen=True)
class TrialPicture:
    """A method's result on a target, or why there is none.

    Args:
        name: what was tried.
        picture: the result, sRGB (1, 3, H, W), or a panel that says what is missing.
        seconds: of the method.
        metrics: numbers by name, as ``evaluation.score`` gives them.
        error: why there is no result.
    """

    name: str
    picture: Tensor
    seconds: float = 0.0
    metrics: Mapping[str, float] | None = None
    error: UsageError | WeightsMissing | None = None

    @property
    def label(self) -> str:
        """The name, and the seconds and numbers below."""
        if self.metrics is None:
            return f"{self.name}\n{'weights missing' if isinstance(self.error, WeightsMissing) else 'not possible'}"
        m = self.metrics
        if "ciede2000" not in m:
            return f"{self.name}\n{self.seconds:.2f} s, colorfulness {m['colorfulness']:.0f}"
        similarity = f", SSIM {m['ssim']:.3f}" if "ssim" in m else ""
        return (
            f"{self.name}\n{self.seconds:.2f} s, CIEDE2000 {m['ciede2000']:.2f}, 95 % {m['ciede2000_p95']:.1f}\n"
            f"{m['psnr']:.1f} dB, chroma {m['chroma_psnr']:.1f} dB{similarity}"
        )

    @property
    def line(self) -> str:
        """The label in one line, for the terminal."""
        if self.error is not None:
            return f"{self.name}: {self.error}"
        name, *rest = self.label.split("\n")
        return f"{name}: {', '.join(rest)}"


def run_trials(given: Given, methods: Mapping[str, Recolorizer], args: Namespace) -> list[TrialPicture]:
    """Each method on the target; what keeps one from working is said in its place.

    Args:
        given: the target and its guidance.
        methods: by the name that stands on the sheet.
        args: the flags of ``add_guidance``.
    """
    trials = []
    clear_start()
    bar = progress_bar(Console(stderr=True))
    with bar:
        task = bar.add_task("", total=len(methods))
        for name, method in methods.items():
            bar.update(task, description=name)
            method.on_progress = lambda share, name=name: bar.update(task, description=f"{name} ({share:.0%})")
            trials.append(_try(name, method, given, args))
            bar.advance(task)
    return trials


def _try(name: str, method: Recolorizer, given: Given, args: Namespace) -> TrialPicture:
    torch.manual_seed(args.seed)
    try:
        method.prepare()
        start = time.perf_counter()
        with torch.no_grad():
            result = recolor(given.target, method, given.guide, target=given.kind, max_side=args.max_side)
        seconds = time.perf_counter() - start
    except (ValueError, ArithmeticError, WeightsMissing) as error:
        said = error if isinstance(error, WeightsMissing) else UsageError(str(error))
        return TrialPicture(name, message_panel(str(error), given.target), error=said)
    return TrialPicture(name, result, seconds, score(result, given.truth, given.target))


def refuse_nothing(trials: list[TrialPicture]) -> None:
    """Raise the first error where no trial has a result."""
    if all(trial.error is not None for trial in trials):
        first = trials[0]
        assert first.error is not None
        raise first.error if isinstance(first.error, WeightsMissing) else UsageError(first.line)

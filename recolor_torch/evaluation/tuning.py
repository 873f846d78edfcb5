"""Searching for the settings of a method that score best on a set of pictures."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import torch

from recolor_torch.errors import UsageError
from recolor_torch.evaluation.metrics import METRICS, score
from recolor_torch.evaluation.protocols import Offer, Prepared, guide_for, random_numbers, to_8_bits
from recolor_torch.methods import Recolorizer, find_method
from recolor_torch.pipeline import recolor

# Settings that say where weights come from or what the pictures are, not how a method colors.
NOT_SEARCHED = ("download", "precision", "sequence", "weights", "seed")


@dataclass(frozen=True)
class Choices:
    """A setting that takes one of some values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """A number between two bounds, both included; on a logarithmic scale where ``log`` is set."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


Space = dict[str, Choices | Range]


@dataclass
class Tuned:
    """What a search found.

    Args:
        settings: the best ones, those that were searched alone; empty where the defaults were best.
        value: their mean score on the development half.
        default: that of the defaults.
        trials: settings that were tried, with their mean score; None where they do not work.
    """

    settings: dict[str, Any]
    value: float
    default: float
    trials: list[tuple[dict[str, Any], float | None]] = field(default_factory=list)


def default_space(method: str) -> Space:
    """What can be searched without being told a range: the settings whose type lists their values.

    Example:
        >>> default_space("histogram")["rank"]
        Choices(values=(False, True))
    """
    found: Space = {}
    for name, parameter in signature(find_method(method)).parameters.items():
        values = _listed(parameter)
        if values and name not in NOT_SEARCHED:
            found[name] = Choices(values)
    return found


def read_space(method: str, params: list[str], parse: Callable[[str], Any]) -> Space:
    """A search space from text: ``NAME=LOW..HIGH``, ``NAME=LOW..HIGH:log``, ``NAME=a,b,c`` or ``NAME``.

    Args:
        method: its name; types come from the signature of its class.
        params: the texts; a name alone takes the values that its type lists.
        parse: from a value's text to the value.

    Raises:
        UsageError: no such setting, a range of something that is no number, or bounds that are none.
    """
    known = signature(find_method(method)).parameters
    space: Space = {}
    for text in params:
        name, mark, values = text.partition("=")
        if name not in known:
            raise UsageError(f"{method} has no setting {name!r}. Known settings: {', '.join(known)}.")
        if not mark:
            listed = _listed(known[name])
            if not listed:
                raise UsageError(f"{name} is no choice among listed values: write {name}=LOW..HIGH or {name}=a,b,c.")
            space[name] = Choices(listed)
        elif ".." in values:
            space[name] = _range(known[name], text, values)
        else:
            parts = [part.strip() for part in values.split(";" if ";" in values else ",")]
            if not all(parts):
                raise UsageError(f"{text!r}: values are written NAME=a,b,c.")
            space[name] = Choices(tuple(parse(part) for part in parts))
    return space


def mean_score(
    method: Recolorizer, pictures: Mapping[str, Prepared], metric: str, seed: int, offer: Offer = "none"
) -> float:
    """Mean of a metric over pictures, each colored with the guidance that the method asks for.

    Raises:
        ValueError: the settings do not go together, or the metric does not exist for a picture.
    """
    values = []
    for name, prepared in pictures.items():
        guide, _ = guide_for(method, prepared, offer)
        method.reset()
        torch.manual_seed(int(random_numbers(seed, name).integers(2**31)))
        with torch.no_grad():
            result = to_8_bits(recolor(prepared.target, method, guide))
        numbers = score(result, prepared.truth, prepared.target)
        if metric not in numbers:
            raise ValueError(f"{name} has no {metric}.")
        values.append(numbers[metric])
    return math.fsum(values) / len(values)


def tune(
    build: Callable[[dict[str, Any]], Recolorizer],
    space: Space,
    pictures: Mapping[str, Prepared],
    metric: str = "ciede2000",
    trials: int = 40,
    seed: int = 0,
    offer: Offer = "none",
    progress: Callable[[dict[str, Any], float | None], None] = lambda settings, value: None,
) -> Tuned:
    """Search with Optuna: every combination where there are no more than ``trials``, else a tree-structured Parzen
    estimator (Bergstra et al. 2011). The defaults are tried first, and kept where nothing is better.

    Args:
        build: from settings to the method.
        space: what is searched.
        pictures: the development half, by name.
        metric: what is made as low, or as high, as it can be.
        trials: how many settings are tried.
        seed: of the search and of methods that draw numbers.
        offer: what a method that asks for nothing is given.
        progress: called with each trial's settings and score.

    Raises:
        UsageError: Optuna is not installed, or nothing can be searched.
    """
    try:
        import optuna
    except ImportError as error:
        raise UsageError("Searching takes Optuna: pip install 'recolor-torch[tune]'.") from error
    better = METRICS[metric].better
    if not space or not better:
        raise UsageError("There is nothing to search." if better else f"{metric} is neither better low nor high.")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    default = mean_score(build({}), pictures, metric, seed, offer)
    tuned = Tuned({}, default, default, [({}, default)])
    progress({}, default)

    def objective(trial: Any) -> float:
        settings = {name: _suggest(trial, name, what) for name, what in space.items()}
        try:
            value = mean_score(build(settings), pictures, metric, seed, offer)
        except (ValueError, ArithmeticError) as error:  # settings that do not go together
            tuned.trials.append((settings, None))
            progress(settings, None)
            raise optuna.TrialPruned from error
        tuned.trials.append((settings, value))
        progress(settings, value)
        if value < tuned.value if better == "lower" else value > tuned.value:
            tuned.settings, tuned.value = settings, value
        return value

    study = optuna.create_study(
        direction="minimize" if better == "lower" else "maximize", sampler=_sampler(optuna, space, trials, seed)
    )
    study.optimize(objective, n_trials=min(trials, combinations(space)))
    return tuned


def _sampler(optuna: Any, space: Space, trials: int, seed: int) -> Any:
    if combinations(space) <= trials:
        grid = {name: list(range(len(what.values))) for name, what in space.items() if isinstance(what, Choices)}
        return optuna.samplers.GridSampler(grid, seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def combinations(space: Space) -> int:
    """How many combinations there are; as good as infinite with a range."""
    return math.prod(len(what.values) if isinstance(what, Choices) else 10**9 for what in space.values())


def _suggest(trial: Any, name: str, what: Choices | Range) -> Any:
    if isinstance(what, Choices):
        # By index: Optuna's choices must be hashable, and settings may be lists.
        return what.values[trial.suggest_categorical(name, list(range(len(what.values))))]
    if what.whole:
        return trial.suggest_int(name, int(what.low), int(what.high), log=what.log)
    return trial.suggest_float(name, what.low, what.high, log=what.log)


def _listed(parameter: Parameter) -> tuple[Any, ...]:
    """The values that a type lists: those of a Literal, or of a bool; with None where that is allowed."""
    kinds = _kinds(parameter.annotation)
    values: list[Any] = []
    for kind in kinds:
        if get_origin(kind) is Literal:
            values += get_args(kind)
        elif kind is bool:
            values += [False, True]
        elif kind is not type(None):
            return ()
    return (*values, None) if values and type(None) in kinds else tuple(values)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _range(parameter: Parameter, text: str, values: str) -> Range:
    bounds, _, scale = values.partition(":")
    low, _, high = bounds.partition("..")
    kinds = _kinds(parameter.annotation)
    if float not in kinds and int not in kinds:
        raise UsageError(f"{text!r}: {parameter.name} is no number, so it has no range.")
    try:
        found = Range(float(low), float(high), scale == "log", float not in kinds)
    except ValueError as error:
        raise UsageError(f"{text!r}: a range is written NAME=LOW..HIGH or NAME=LOW..HIGH:log.") from error
    if scale not in ("", "log") or not -math.inf < found.low < found.high < math.inf or (found.log and found.low <= 0):
        raise UsageError(f"{text!r}: a range is written NAME=LOW..HIGH or NAME=LOW..HIGH:log, LOW below HIGH.")
    return found

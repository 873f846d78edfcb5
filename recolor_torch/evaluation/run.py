"""Running an evaluation: every method on every case, recorded line by line, so that it goes on where it was."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import recolor_torch
from recolor_torch.color import rgb_to_lab
from recolor_torch.color.difference import ciede2000
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.cases import Case
from recolor_torch.evaluation.frechet import DeepFeatures, features_of, frechet_distance
from recolor_torch.evaluation.lpips import Lpips
from recolor_torch.evaluation.metrics import METRICS, score
from recolor_torch.evaluation.protocols import Prepared, Protocol, guide_for, prepare_case, random_numbers, to_8_bits
from recolor_torch.evaluation.recognition import Classifier, class_number
from recolor_torch.files import remove_stale_parts
from recolor_torch.methods import Recolorizer, method_name
from recolor_torch.paths import exists, failure, is_file, is_folder
from recolor_torch.pictures import PictureError, read_picture, write_picture
from recolor_torch.pipeline import recolor
from recolor_torch.plots.error_map import paint_errors
from recolor_torch.plots.hint_plots import draw_hints
from recolor_torch.run import record

GRAY = "gray"
"""The baseline of every evaluation: the target itself, without color."""

PICTURES = "pictures"


@dataclass(frozen=True)
class ScoredRow:
    """A method's result on a case.

    Args:
        case: the case.
        method: the method's label; ``gray`` is the target itself.
        given: what the method was given, in words, by ``reference`` and ``hints``.
        metrics: numbers by name.
        seconds: of the method alone; None for gray.
    """

    case: Case
    method: str
    given: dict[str, str]
    metrics: dict[str, float]
    seconds: float | None

    @property
    def words(self) -> str:
        """What the method was given."""
        return ", ".join(self.given.values()) or "nothing"


@dataclass(frozen=True)
class Judges:
    """Networks that judge beside the formulas; each is left out where its weights are not given.

    Args:
        lpips: perceptual distance of each result to the truth.
        classifier: of the recognition test.
        features: of the Fréchet distance of all results of a method to all true pictures.
    """

    lpips: Lpips | None = None
    classifier: Classifier | None = None
    features: DeepFeatures | None = None

    def describe(self) -> dict[str, Any]:
        """What the numbers of a picture depend on."""
        return {
            "lpips": self.lpips and self.lpips.digest,
            "classifier": self.classifier and self.classifier.digest,
        }


NO_JUDGES = Judges()


@dataclass
class Scored:
    """All rows, sorted by case and then in the order of the methods, and what failed, a sentence each."""

    rows: list[ScoredRow] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    computed: int = 0


def evaluate(
    cases: list[Case],
    methods: Mapping[str, Recolorizer],
    out: Path,
    protocol: Protocol,
    judges: Judges = NO_JUDGES,
    device: torch.device | str = "cpu",
    progress: Callable[[str], None] = lambda name: None,
) -> Scored:
    """Color every case with every method that its guidance suffices for, measure, and write pictures and the record.

    What ``out`` has already, from the same pixels, settings and seed, is not done again: a run that was stopped at
    any moment and called again gives the rows of one that was not, but for the seconds.

    Args:
        cases: what to color.
        methods: by the label that stands in tables.
        out: the folder of the report; pictures go to ``pictures/CASE/``, the record is ``run.jsonl``.
        protocol: sizes, simulated guidance, seed.
        judges: networks that judge.
        device: where methods run.
        progress: called with the name of each case that is done.

    Raises:
        WeightsMissing: a method has no weights; nothing was done.
        UsageError: ``out`` holds something else, or cannot be written.
    """
    out = _open(out)
    settings = {label: _describe(method, protocol, judges) for label, method in methods.items()}
    for method in methods.values():
        method.to(device).prepare()
    known = record.load(out)
    photographs = tuple(case.target for case in cases if case.truth == case.target)
    outcome = Scored()
    for case in cases:
        try:
            prepared = prepare_case(case, protocol, photographs)
        except PictureError as error:
            outcome.failures.append(f"{case.name}: {error}")
            progress(case.name)
            continue
        worker = _Worker(case, prepared, out, known, judges, device, outcome)
        worker.gray(_describe(None, protocol, judges))
        for label, method in methods.items():
            worker.run(label, method, settings[label], protocol)
        progress(case.name)
    return outcome


def set_distances(outcome: Scored, out: Path, features: DeepFeatures) -> dict[str, dict[str, Any]]:
    """By method: the Fréchet distance of its results to the true pictures, and of how many. Needs two pictures.

    Pictures are read from the report, so that those of an earlier run count too.
    """
    found: dict[str, dict[str, Any]] = {}
    rows = [row for row in outcome.rows if row.case.truth is not None]
    for method in dict.fromkeys(row.method for row in rows):
        folders = [out / folder_of(row.case) for row in rows if row.method == method]
        name = "target" if method == GRAY else file_of(method)
        sets = [features_of((read_picture(f / f"{n}.png").image for f in folders), features) for n in (name, "truth")]
        if len(sets[0]) > 1:
            found[method] = {"frechet": frechet_distance(*sets), "pictures": len(sets[0])}
    return found


def recognized_in_truth(cases: list[Case], protocol: Protocol, classifier: Classifier) -> tuple[int, int]:
    """How many pictures the classifier knows in their true colors, of how many that have a class."""
    right = total = 0
    for case in cases:
        label = class_number(case.label) if case.label and case.truth is not None else None
        if label is not None:
            truth = prepare_case(case, protocol).truth
            assert truth is not None
            right, total = right + int(classifier(truth).argmax(1) == label), total + 1
    return right, total


def folder_of(case: Case) -> str:
    """Where the pictures of a case lie, below the report."""
    return f"{PICTURES}/{_safe(case.name)}"


def file_of(label: str) -> str:
    """Name of a method's pictures, without suffix."""
    return _safe(label).replace("/", "_")


def _safe(name: str) -> str:
    """The name as a path that every system and every web page takes; different names stay different."""
    parts = [re.sub(r"[^\w .,=+@()-]|^\.+$", lambda m: f"~{ord(m[0][0]):x}", part) for part in name.split("/") if part]
    return "/".join(parts)


def _open(out: Path) -> Path:
    if exists(out) and not is_folder(out):
        raise UsageError(f"{out} is a file: name a folder for the report.")
    if is_folder(out):
        remove_stale_parts(out)
    if is_folder(out) and not is_file(out / record.NAME) and {p.name for p in out.iterdir()} - {PICTURES}:
        raise UsageError(f"{out} holds other files than a report: name an empty folder.")
    try:
        (out / PICTURES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out}: cannot make this folder ({error.strerror}).") from error
    remove_stale_parts(out / PICTURES, recursive=True)
    return out


def _describe(method: Recolorizer | None, protocol: Protocol, judges: Judges) -> dict[str, Any]:
    """What the numbers depend on, beside the pixels."""
    about: dict[str, Any] = {"method": GRAY}
    if method is not None:
        about = {
            "method": method_name(method),
            "parameters": method.settings(),
            "provenance": method.provenance(),
            "seed": protocol.seed,
        }
        if not method.needs:
            about["offer"] = protocol.offer
    metrics = {name: metric.protocol for name, metric in METRICS.items()}
    return about | {"metrics": metrics} | judges.describe()


class _Worker:
    """One case: its results are computed, or found in the record."""

    def __init__(
        self,
        case: Case,
        prepared: Prepared,
        out: Path,
        known: dict[str, list[dict[str, Any]]],
        judges: Judges,
        device: torch.device | str,
        outcome: Scored,
    ) -> None:
        self.case, self.prepared, self.out, self.known = case, prepared, out, known
        self.judges, self.device, self.outcome = judges, device, outcome
        self.label = class_number(case.label) if judges.classifier and case.label else None
        self.digest = prepared.digest
        self.folder = out / folder_of(case)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_inputs()

    def gray(self, settings: dict[str, Any]) -> None:
        """The row of the baseline."""
        found = self._found(GRAY, settings, self.folder / "target.png")
        if found is None:
            metrics = self._score(self.prepared.target)
            found = self._record(GRAY, settings, self.folder / "target.png", metrics, None)
        self.outcome.rows.append(ScoredRow(self.case, GRAY, {}, found["metrics"], None))

    def run(self, label: str, method: Recolorizer, settings: dict[str, Any], protocol: Protocol) -> None:
        """The row of a method, unless its guidance is not there."""
        guide, given = guide_for(method, self.prepared, protocol.offer)
        try:
            method.require(guide)
        except ValueError:
            return
        file = self.folder / f"{file_of(label)}.png"
        found = self._found(label, settings, file)
        if found is None:
            try:
                found = self._compute(label, method, settings, protocol.seed, guide, file)
            except (WeightsMissing, KeyboardInterrupt):
                raise
            except Exception as error:  # noqa: BLE001 # a method that fails on one picture is named, and the rest goes on
                self.outcome.failures.append(f"{label} on {failure(self.case.target, error)}")
                return
        self.outcome.rows.append(ScoredRow(self.case, label, given, found["metrics"], found["seconds"]))

    def _compute(
        self, label: str, method: Recolorizer, settings: dict[str, Any], seed: int, guide: Any, file: Path
    ) -> dict[str, Any]:
        target, truth = self.prepared.target.to(self.device), self.prepared.truth
        method.reset()
        torch.manual_seed(int(random_numbers(seed, self.case.name, label).integers(2**31)))
        start = time.perf_counter()
        with torch.no_grad():
            result = recolor(target, method, guide.to(target))
        if result.is_cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        result = to_8_bits(result.cpu())
        metrics = self._score(result)
        write_picture(file, result)
        if truth is not None:
            errors = ciede2000(rgb_to_lab(result.double()), rgb_to_lab(truth.double()))
            write_picture(file.with_name(f"{file.stem}.error.png"), paint_errors(errors.float()))
        return self._record(label, settings, file, metrics, seconds)

    def _score(self, result: Tensor) -> dict[str, float]:
        prepared, judges = self.prepared, self.judges
        return score(result, prepared.truth, prepared.target, judges.lpips, judges.classifier, self.label)

    def _write_inputs(self) -> None:
        guide = self.prepared.guide
        pictures: dict[str, Tensor | None] = {"target": self.prepared.target, "truth": self.prepared.truth}
        if guide.references:
            pictures["reference"] = guide.references[0].image
        if guide.hints is not None and guide.hint_mask is not None:
            pictures["hints"] = draw_hints(self.prepared.target, guide.hints, guide.hint_mask)
        stamp = self.folder / "inputs.sha256"
        if is_file(stamp) and stamp.read_text() == self.digest:
            return
        for name, picture in pictures.items():
            if picture is not None:
                write_picture(self.folder / f"{name}.png", picture)
        stamp.write_text(self.digest)

    def _key(self, file: Path, label: str) -> str:
        return f"{file.relative_to(self.out).as_posix()}#{label}"

    def _found(self, label: str, settings: dict[str, Any], file: Path) -> dict[str, Any] | None:
        lines = self.known.get(self._key(file, label), [])
        if not lines or not is_file(file):
            return None
        same = lines[-1].get("settings_sha256") == self._hash(settings) and isinstance(lines[-1].get("metrics"), dict)
        return lines[-1] if same else None

    def _hash(self, settings: dict[str, Any]) -> str:
        return record.settings_hash({**settings, "input": self.digest})

    def _record(
        self, label: str, settings: dict[str, Any], file: Path, metrics: dict[str, float], seconds: float | None
    ) -> dict[str, Any]:
        entry = {
            "output": self._key(file, label),
            "status": "done",
            "target": str(self.case.target),
            "method": settings["method"],
            "parameters": settings.get("parameters", {}),
            "settings_sha256": self._hash(settings),
            "metrics": metrics,
            "seconds": seconds,
            "version": recolor_torch.__version__,
        }
        record.append(self.out, entry)
        self.outcome.computed += 1
        return entry

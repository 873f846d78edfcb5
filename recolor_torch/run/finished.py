"""Whether a result is there already, made as a run would make it, and what the record says of how that is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recolor_torch.files import cached_file_hash, file_hash
from recolor_torch.methods.words import region_finder
from recolor_torch.run.recipe import KeptResult, other_recipe

if TYPE_CHECKING:
    from recolor_torch.run.plan import Job


class Recipes:
    """Compares recorded recipes with those of jobs; the recipe that most jobs share is worked out once."""

    def __init__(self) -> None:
        self.planned: dict[tuple[Any, ...], dict[str, Any]] = {}

    def kept(self, lines: list[dict[str, Any]], job: "Job", facts: dict[str, Any]) -> KeptResult | None:
        """Why an output that is there is left as it is; None where it is this run's to make.

        Args:
            lines: of the record about the output.
            job: the job.
            facts: what the record says of the method; they have to outlive this object.
        """
        done = [line for line in lines if line.get("status") == "done"]
        if not _is_ours(lines, job):
            reason = "was changed after it was made" if done else "was not made by a run recorded beside it"
            return KeptResult(job.output, job.target, reason, changed=True)
        key = (id(facts), job.references, job.weights, job.reference_masks, job.found, job.hints, job.text)
        if key not in self.planned:
            # As the record gives it back.
            self.planned[key] = json.loads(json.dumps(planned_line(job, facts), default=str))
        clause = other_recipe(done[-1], self.planned[key])
        return None if clause is None else KeptResult(job.output, job.target, clause, changed=False)


def planned_line(job: "Job", facts: dict[str, Any]) -> dict[str, Any]:
    """What a line of the run record says of how a result is made."""
    return {
        **facts,
        "references": [
            {"path": r.as_posix(), "weight": w, "mask": m and m.as_posix(), "sha256": _hash_or_none(r)}
            for r, w, m in zip(job.references, job.weights, job.reference_masks)
        ],
        "found": job.found,
        "hints": job.hints and {"path": job.hints.as_posix(), "sha256": _hash_or_none(job.hints)},
        "text": None if job.text is None else text_facts(job.text),
        "target_mask": job.target_mask and job.target_mask.as_posix(),
    }


def _hash_or_none(path: Path) -> str | None:
    try:
        return cached_file_hash(path)
    except OSError:
        return None


def _is_ours(lines: list[dict[str, Any]], job: "Job") -> bool:
    """Whether the output is as some line of the record says that it was written."""
    stat = job.output.stat()
    for line in reversed(lines):
        if line.get("status") != "done" or line.get("bytes") != stat.st_size:
            continue
        # Times survive most copies; where they did not, the content decides.
        if line.get("mtime_ns") == stat.st_mtime_ns or line.get("output_sha256") == file_hash(job.output):
            return True
    return False


def is_finished(lines: list[dict[str, Any]], job: "Job") -> bool:
    """Whether the output is the one of the last line, made from this input with these settings."""
    done = [line for line in lines if line.get("status") == "done"]
    if not done or done[-1].get("settings_sha256") != job.settings or not _is_ours(done[-1:], job):
        return False
    try:
        return done[-1].get("input_sha256") == file_hash(job.target)
    except OSError:
        return False


def text_facts(text: str) -> dict[str, str]:
    """What the record says of a text: the words, and the digest of what finds their things."""
    finder = region_finder()
    finder.prepare()
    return {"words": text, "finder": finder.digest}

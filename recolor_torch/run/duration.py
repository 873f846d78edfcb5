"""How long a run will take, about: what ``--dry-run`` says."""

from statistics import median
from typing import Any

from recolor_torch.methods import Recolorizer, method_name
from recolor_torch.resize import working_size
from recolor_torch.run import record
from recolor_torch.run.plan import Job

# Processor seconds of one core for 1 megapixel, the work at a method's own largest side: medians of three (python -m
# scripts.evaluations.compare_methods DATA OUT --measure NAME --megapixels 1 --repeats 3). The first four were taken
# with two copies of the network and tables of bytes, on a busy machine, where levin took 3.73; the others on an idle
# one, before. Methods of the user's are taken to be as the slowest of those that need no minutes.
SECONDS = {
    "histogram": 0.03,
    "network": 1.5,
    "wavelet": 0.31,
    "poisson": 1.18,
    "levin": 2.39,
    "semi_interactive": 3.94,
    "correspondence": 4.38,
    "gram": 54.5,
}
OTHER = 4.4
# Reading and writing a megapixel.
FILES = 0.1
# Results of the same method from which its own seconds are taken.
ENOUGH = 3


def estimate_seconds(jobs: list[Job], method: Recolorizer, max_side: int | None) -> float:
    """Seconds for all jobs together; as in earlier results of the method in the same folder, where there are some.

    Args:
        jobs: what is to be done; one whose header could not be read takes no time.
        method: the method.
        max_side: longer side of the copy that it works on, as the user named it.
    """
    readable = [job for job in jobs if job.info is not None]
    if not readable:
        return 0.0
    name, working = method_name(method), method.working_side(max_side)
    seen = _seen(record.load(readable[0].folder), name)
    return sum(_one(job, seen if seen is not None else SECONDS.get(name, OTHER), working) for job in readable)


def _one(job: Job, rate: float, working: int | None) -> float:
    assert job.info is not None
    rows, columns = working_size(job.info.height, job.info.width, working)
    return (rate * rows * columns + FILES * job.info.height * job.info.width) / 1e6


def _seen(lines: dict[str, list[dict[str, Any]]], name: str) -> float | None:
    """Seconds for a megapixel of working size, as the record has them: the middle of its lines."""
    rates = [
        line["seconds"] / (line["working_size"][0] * line["working_size"][1] / 1e6)
        for found in lines.values()
        for line in found
        if line.get("method") == name and line.get("status") == "done" and line.get("working_size")
    ]
    return median(rates) if len(rates) >= ENOUGH else None


def in_words(seconds: float) -> str:
    """Seconds as a person says them.

    Example:
        >>> in_words(0.4), in_words(42), in_words(150), in_words(9000)
        ('a second', '42 seconds', '3 minutes', '2.5 hours')
    """
    if seconds < 1.5:
        return "a second"
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    if seconds < 5400:
        return f"{max(2, round(seconds / 60 + 0.01)):.0f} minutes"
    return f"{seconds / 3600:.1f} hours"

"""One engine for every face: batches read ahead, colored, written and recorded, on one device."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import numpy as np
import torch

from recolor_torch.methods import Recolorizer
from recolor_torch.run.batches import BatchDataset, PictureBatch, Result
from recolor_torch.run.coloring import color_batch
from recolor_torch.run.description import Run
from recolor_torch.run.large import is_large, paints
from recolor_torch.run.plan import Plan
from recolor_torch.run.planning import make_folders
from recolor_torch.run.sequences import SequenceDataset
from recolor_torch.run.writer import ResultWriter, clear_unfinished
from recolor_torch.system import start_threads, stopped_by_signals, usable_cores

Precision = Literal["32-true", "64-true", "16-mixed", "bf16-mixed"]

# Pictures that are encoded at a time.
WRITERS = 2
# Pixels of targets that are read ahead; a larger picture is read when its turn comes.
PIXELS_AHEAD = 16_000_000
# Batches from which on readers pay: fewer are read faster in between.
FEW_BATCHES = 4


def color_run(
    run: Run,
    method: Recolorizer,
    plan: Plan,
    settings: dict[str, Any],
    *,
    device: torch.device,
    precision: Precision = "32-true",
    on_entry: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, int]:
    """Do the jobs of a plan.

    Results are written while the next batch is colored; a kill repeats at most two batches.

    Args:
        run: what was asked for.
        method: the method; it is moved to ``device``.
        plan: of ``plan_run``.
        settings: of ``describe_method``.
        device: where the method computes.
        precision: arithmetic of the method, by Lightning's names.
        on_entry: called with each line of the record.

    Returns:
        How many targets are ``done`` and ``failed``.

    Raises:
        UsageError: a folder cannot be made, or the record cannot be written.
        KeyboardInterrupt: the run was interrupted; what was begun is whole or not there.
    """
    make_folders(plan)
    clear_unfinished(plan)
    double = precision == "64-true"
    place = torch.zeros((), dtype=torch.float64 if double else torch.float32, device=device)
    method = (method.double() if double else method).to(device).eval()
    method.keep_stages = run.output.save_stages
    method.reset()
    writer = ResultWriter(settings, run.output.save_stages)
    counts = {"done": 0, "failed": 0}

    def note(futures: list[Future[dict[str, Any]]]) -> None:
        for future in futures:
            entry = future.result()
            counts[entry["status"]] += 1
            if on_entry is not None:
                on_entry(entry)

    batches = batches_of(plan, run, method, device)
    stoppable, arithmetic = stopped_by_signals(), _arithmetic(precision, device)
    with (
        _threads(1 if batches.quick else None),
        stoppable,
        torch.inference_mode(),
        arithmetic,
        start_threads(WRITERS) as pool,
    ):
        writing: deque[list[Future[dict[str, Any]]]] = deque()
        try:
            for batch in read_ahead(batches, run.loading.workers):
                results = color_batch(method, batch, run.coloring, place)
                while len(writing) >= WRITERS:
                    note(writing.popleft())
                writing.append([pool.submit(writer.write, result) for result in results])
                large = batch.large is not None and is_large(batch.large.job)
                while writing and large:  # one such picture is held at a time
                    note(writing.popleft())
                del results, batch
        finally:  # what was handed over before an interruption is written too, and counts
            while writing:
                note(writing.popleft())
    return counts


def write_all(writer: ResultWriter, results: list[Result], threads: int = WRITERS) -> Iterator[dict[str, Any]]:
    """Write the results of a batch and wait for the disk; yields their lines of the record."""
    with start_threads(min(threads, max(1, len(results)))) as pool:
        yield from pool.map(writer.write, results)


def batches_of(
    plan: Plan, run: Run, method: Recolorizer | None = None, device: torch.device | None = None
) -> BatchDataset:
    """The batches of a plan, each read when it is asked for.

    Args:
        plan: of ``plan_run``.
        run: what was asked for.
        method: what colors them on ``device``: on a CPU those that take pictures one by one anyhow, or paint them by a
            table, get a batch for each, for less memory is touched.
    """
    size, in_strips = run.loading.most_pictures(gpu=device is not None and device.type != "cpu"), False
    if run.targets.sequence:
        return SequenceDataset(plan.jobs, size, run.loading.batch_megapixels, run.loading.max_pixels)
    if method is not None and device is not None and device.type == "cpu":
        size = size if method.whole_batches else 1
        in_strips = paints(run.coloring, method) and run.guidance.target_mask is None
    return BatchDataset(plan.jobs, size, run.loading.batch_megapixels, run.loading.max_pixels, in_strips)


def read_ahead(batches: BatchDataset, workers: int = -1) -> Iterator[PictureBatch]:
    """The batches in order; while one is worked on, ``workers`` threads read the next ones, as far as memory allows.

    Args:
        batches: of ``batches_of``.
        workers: threads, and batches that are held; 0 reads in between, -1 chooses.
    """
    chosen = 0 if batches.quick else default_readers(len(batches))
    count = chosen if workers < 0 else min(workers, len(batches))
    if count == 0:
        yield from (batches[i] for i in range(len(batches)))
        return
    ahead: deque[tuple[int, Future[PictureBatch]]] = deque()
    pool = start_threads(count)
    try:
        for i in range(len(batches)):
            pixels = batches.pixels(i)
            while ahead and (len(ahead) > count or pixels + sum(n for n, _ in ahead) > PIXELS_AHEAD):
                yield ahead.popleft()[1].result()
            ahead.append((pixels, pool.submit(batches.__getitem__, i)))
        while ahead:
            yield ahead.popleft()[1].result()
    finally:
        pool.shutdown(cancel_futures=True)


def default_readers(batches: int) -> int:
    """None for a few batches, which start-up would cost more than it saves; else a core is left to the method."""
    return 0 if batches < FEW_BATCHES else min(8, batches, max(1, usable_cores() - 1))


def seed_everything(seed: int) -> None:
    """Make what is random repeatable: Python's, NumPy's and torch's generators."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  libraries draw from it
    torch.manual_seed(seed)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many threads of torch's for what is computed in the block, in each thread that begins in it."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    mixed = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}.get(precision)
    default = torch.get_default_dtype()
    if precision == "64-true":
        torch.set_default_dtype(torch.float64)
    try:
        with nullcontext() if mixed is None else torch.autocast(device.type, dtype=mixed):
            yield
    finally:
        torch.set_default_dtype(default)

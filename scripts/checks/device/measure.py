"""Measuring: differences, times, waits for the device, and where the time goes."""

import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from bench import Bench
from record import Row
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

T = TypeVar("T")
ROOT = Path(__file__).parents[3]


def tensors(value: Any) -> list[Tensor]:
    """The tensors in a result: tuples, named tuples and dataclasses are walked through."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        return [t for part in value.values() for t in tensors(part)]
    if isinstance(value, (tuple, list)):
        return [t for part in value for t in tensors(part)]
    if hasattr(value, "__dataclass_fields__"):
        return [t for name in value.__dataclass_fields__ for t in tensors(getattr(value, name))]
    return []


def difference(a: Any, b: Any) -> float:
    """Largest difference of two results; infinite where one is not finite or the shapes differ."""
    worst = 0.0
    for x, y in zip(tensors(a), tensors(b), strict=True):
        if x.shape != y.shape:
            return float("inf")
        gap = (x.detach().double().cpu() - y.detach().double().cpu()).abs()
        worst = max(worst, float(gap.amax()) if gap.numel() else 0.0)
        if not bool(gap.isfinite().all()):
            return float("inf")
    return worst


def relative(a: Any, b: Any) -> float:
    """Largest difference as a share of the largest value of ``b``."""
    largest = max((float(t.detach().double().abs().amax()) for t in tensors(b) if t.numel()), default=0.0)
    return difference(a, b) / max(largest, 1e-30)


def seconds(bench: Bench, run: Callable[[], object], repeats: int = 5, warm: int = 1) -> float:
    """Median time of ``run``; by events on a GPU."""
    for _ in range(0 if bench.tiny else warm):  # a rehearsal is not timed
        run()
    times = []
    for _ in range(repeats if not bench.tiny else 1):
        bench.wait()
        if bench.device.type == "cuda":
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            run()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) / 1000)
        else:
            begin = time.perf_counter()
            run()
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def copy_bandwidth(bench: Bench) -> float:
    """Bytes a second of a large copy on the device, read and written."""
    a = torch.rand(bench.pick(2**28, 2**20), device=bench.device)
    b = torch.empty_like(a)
    return 2 * a.numel() * a.element_size() / seconds(bench, lambda: b.copy_(a), repeats=9)


def waits(bench: Bench, run: Callable[[], object]) -> tuple[int, list[Row]]:
    """How often ``run`` makes the processor wait for the device, and where in the project; 0 on a CPU."""
    if bench.device.type != "cuda":
        run()
        return 0, []
    bench.wait()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    places = [place(w.filename, w.lineno) for w in caught if "called a synchronizing" in str(w.message)]
    return len(places), [{"place": p, "times": n} for p, n in Counter(places).most_common(12)]


def place(file: str, line: int) -> str:
    """A line of code, relative to the project."""
    path = Path(file)
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}:{line}"


def profile(bench: Bench, run: Callable[[], object], count: int = 15) -> Row:
    """Busy time of the device, launches, and what takes the time, of one ``run`` after another one."""
    run()
    bench.wait()
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if bench.device.type == "cuda":
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    begin = time.perf_counter()
    run()
    bench.wait()
    wall = time.perf_counter() - begin
    with torch.profiler.profile(activities=kinds) as found:
        run()
        bench.wait()
    averages = found.key_averages()
    kernels = [e for e in averages if str(e.device_type).endswith("CUDA")]
    launches = sum(e.count for e in averages if "LaunchKernel" in e.key)
    copies = sum(e.count for e in averages if "cudaMemcpyAsync" in e.key)
    stops = sum(e.count for e in averages if "Synchronize" in e.key)
    busy = sum(e.self_device_time_total for e in kernels) / 1e6
    return {
        "wall (ms)": 1e3 * wall,
        "device busy (ms)": 1e3 * busy,
        "launches": launches,
        "copies": copies,
        "synchronizations": stops,
        "kernels": [
            {"kernel": e.key[:220], "times": e.count, "ms": e.self_device_time_total / 1e3}
            for e in sorted(kernels, key=lambda e: -e.self_device_time_total)[:count]
        ],
        "operators": [
            {"operator": e.key[:60], "times": e.count, "processor ms": e.self_cpu_time_total / 1e3}
            for e in sorted(averages, key=lambda e: -e.self_cpu_time_total)[:count]
        ],
    }


# Operations that make no kernel: views, and memory that is asked for.
NO_KERNEL = ("empty", "crow_indices", "col_indices", "values", "detach", "_sparse_compressed", "new_empty", "is_pinned")


class Launches(TorchDispatchMode):
    """Counts operations that need a kernel at least, on any device, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        views = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)  # noqa: SLF001
        name = func._schema.name.removeprefix("aten::")  # noqa: SLF001
        if not views and not name.startswith(NO_KERNEL):
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


def launches(run: Callable[[], T]) -> tuple[Counter[str], T]:
    """The operations of ``run`` that need a kernel, and what it returns."""
    with Launches() as counted:
        out = run()
    return counted.found, out


def peak_memory(bench: Bench, run: Callable[[], object]) -> float:
    """Megabytes that ``run`` adds at its peak; 0 on a CPU."""
    if bench.device.type != "cuda":
        run()
        return 0.0
    bench.wait()
    torch.cuda.reset_peak_memory_stats(bench.device)
    before = torch.cuda.memory_allocated(bench.device)
    run()
    bench.wait()
    return (torch.cuda.max_memory_allocated(bench.device) - before) / 1e6


def gradients(value: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradients of a fixed random sum of ``value``."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)
    return torch.autograd.grad((value * weight).sum(), list(inputs))

r"""A million vectors: time to build an index, time and recall of single queries, memory.

    python -m scripts.benchmarks.bench_gallery GALLERY [--vectors 1000000] [--index IVF4096,Flat ...] \
        [--threads 2] [--jitter 0.5]

GALLERY is a gallery of real pictures; its vectors are repeated with jitter (Gaussian noise of a relative norm of
``--jitter``, normalised again) until there are as many as wanted. Queries are other pictures of the same kind: jittered
vectors that are not in the index. The number of inverted lists that are searched is chosen as a gallery chooses it,
from the index's own vectors; recall is measured on the queries. Each index is written, and read memory-mapped in a
process of its own, whose memory is that of a program that asks.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np

from recolor_torch.gallery.index import (
    build_index,
    exact_neighbours,
    read_index,
    sample_rows,
    search,
    set_nprobe,
    suggest_factory,
    tune_nprobe,
    write_index,
)
from recolor_torch.gallery.raw import RawStore
from recolor_torch.gallery.store import open_state
from recolor_torch.gallery.vectors import vector_chunks

CHUNK = 50_000


def jittered(vectors: np.ndarray, count: int, jitter: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = np.empty((count, vectors.shape[1]), np.float32)
    for start in range(0, count, CHUNK):
        rows = vectors[rng.integers(0, len(vectors), min(CHUNK, count - start))]
        noise = rng.normal(size=rows.shape).astype(np.float32)
        rows = rows + jitter * noise / np.sqrt(rows.shape[1])
        out[start : start + len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return out


def ask(path: Path, queries: Path, nprobe: int | None, threads: int) -> None:
    """In a process of its own: single queries, the first once to read pages from the disk."""
    faiss.omp_set_num_threads(threads)
    index = read_index(path)
    set_nprobe(index, nprobe)
    batch = np.load(queries)
    start = time.perf_counter()
    search(index, batch[:1], 10)
    first = time.perf_counter() - start
    found, seconds = [], []
    for query in batch:
        start = time.perf_counter()
        _, labels = search(index, query[None], 10)
        seconds.append(time.perf_counter() - start)
        found.append(labels[0].tolist())
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    memory = {name: int(status[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")}
    times = {"median": float(np.median(seconds)), "p95": float(np.quantile(seconds, 0.95)), "first": first}
    print(json.dumps({"found": found, "times": times, "memory": memory}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gallery", type=Path)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--index", nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--jitter", type=float, default=0.5)
    parser.add_argument("--ask", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ask:
        ask(args.gallery, Path(args.ask[0]), int(args.ask[1]) or None, int(args.ask[2]))
        return
    faiss.omp_set_num_threads(args.threads)
    state = open_state(args.gallery)
    raw = RawStore(state.folder, state.header.raw)
    real = np.concatenate([v for v, _ in vector_chunks(list(state.table), raw, state.whitening)])
    vectors = jittered(real, args.vectors, args.jitter, 0)
    queries = jittered(real, args.queries, args.jitter, 1)
    labels = np.arange(len(vectors), dtype=np.int64)

    def chunks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for i in range(0, len(vectors), CHUNK):
            yield vectors[i : i + CHUNK], labels[i : i + CHUNK]

    true = exact_neighbours(queries, chunks())
    print(f"{len(vectors)} vectors of {real.shape[1]} from {len(real)} real ones, {args.threads} threads", flush=True)
    for factory in args.index or ["Flat", suggest_factory(len(vectors))]:
        start = time.perf_counter()
        index = build_index(chunks, len(vectors), real.shape[1], factory)
        built = time.perf_counter() - start
        sample = vectors[sample_rows(len(vectors), 256)]
        nprobe = tune_nprobe(index, sample, exact_neighbours(sample, chunks(), 11)[:, 1:]) if "IVF" in factory else None
        tuned = time.perf_counter() - start - built
        with tempfile.TemporaryDirectory() as folder:
            path, asked = Path(folder) / "index.faiss", Path(folder) / "queries.npy"
            write_index(index)(path)
            del index
            np.save(asked, queries)
            command = [sys.executable, __file__, str(path), "--ask", str(asked), str(nprobe or 0), str(args.threads)]
            result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            size = path.stat().st_size / 1e6
        recall = np.mean([len(np.intersect1d(f, t)) / 10 for f, t in zip(result["found"], true)])
        own, mapped = result["memory"]["RssAnon"], result["memory"]["RssFile"]
        times = {name: f"{1e3 * seconds:.2f}" for name, seconds in result["times"].items()}
        print(
            f"{factory:<16} build {built:.1f} s + tuning {tuned:.1f} s, nprobe {nprobe}, {size:.0f} MB on disk; "
            f"query ms {times['median']} (p95 {times['p95']}, first {times['first']}), recall@10 {recall:.4f}, "
            f"asking process {own:.0f} MiB of its own, {mapped:.0f} mapped",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""Attacks on whole runs: signals, full and broken disks, too little memory, and other company.

A command runs in a fork: undisturbed once, whose files are the right ones, then disturbed, and then once more. What a
disturbed command leaves is whole and right, it says one sentence, and the same command after it makes the same files.
"""

import atexit
import contextlib
import errno
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
from forks import HANGS, Attack, Case, die_with_parent, limit_time
from PIL import Image
from stores import make_clip

from recolor_torch.gallery.header import read_header
from recolor_torch.gallery.verify import verify
from recolor_torch.pictures.encode import write_png

PICTURES = 6
LONGEST = 40
"""Seconds of computing of a command."""
STEPS = ("fsync", "replace", "unlink", "write", "open", "mkdir")
"""Functions of ``os`` that change a disk: a step is a call of one of them."""
OUTPUTS = (".png", ".jpg", ".tif", ".mkv")
COMMANDS = {
    "histogram": ["colorize", "in", "-r", "ref.png", "-m", "histogram", "-o", "out", "--batch-size", "2"],
    "levin": ["colorize", "in", "--hints", "hints", "-m", "levin", "-o", "out", "--batch-size", "3", "--workers", "2"],
    "gallery": ["gallery", "build", "out", "in", "--device", "cpu", "--batch-size", "2", "--workers", "0"],
    "evaluate": ["evaluate", "in", "--methods", "histogram", "--side", "24", "--device", "cpu", "-o", "out"],
    "film": ["colorize", "clip.mkv", "-r", "ref.png", "-m", "histogram", "-o", "out/", "--film.side", "32"],
}
LOADED = ("cli.colorize", "cli.evaluate", "cli.films", "cli.gallery", "lit.gallery", "film.door", "run.engine")
"""Modules that forks would load again and again."""
ERRORS = {"full": errno.ENOSPC, "broken": errno.EIO, "quota": errno.EDQUOT, "no permission": errno.EACCES}


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code, minus a signal's number; and what it said on stderr."""

    code: int
    said: str

    def check(self, codes: tuple[int, ...]) -> None:
        """Whether it ended well: with one of these codes, in sentences."""
        lines = [line for line in self.said.splitlines() if line.strip()]
        last = lines[-1][:400] if lines else ""
        assert "Traceback" not in self.said, f"traceback: {last}"
        assert -self.code not in HANGS, f"a hang: {last}"
        assert self.code in codes, f"exit code {self.code}: {last}"
        assert self.code == 0 or lines, f"exit code {self.code} without a word"
        assert len(lines) <= 16, f"{len(lines)} lines: {last}"


def make_inputs(folder: Path) -> None:
    """Small pictures of several formats, hints, a reference and a clip."""
    rng = np.random.default_rng(0)
    for name in ("in", "hints"):
        (folder / name).mkdir()
    for n, suffix in enumerate((".png", ".jpg", ".tif", ".png", ".png")):
        width, height = (26, 20) if n < 3 else (24, 21)
        gray = Image.fromarray(rng.integers(0, 255, (4, 5), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        tint = np.asarray(gray)[..., None] * np.array([1.0, 0.8, 0.5])
        Image.fromarray(tint.astype(np.uint8)).save(folder / "in" / f"{n}{suffix}")
        text = f'{{"size": [{width}, {height}], "points": [{{"x": 5, "y": {4 + n}, "radius": 2, "color": "#c03020"}}]}}'
        (folder / "hints" / f"{n}.json").write_text(text)
    deep = rng.integers(0, 65536, (20, 26, 3)).astype(np.uint16)
    with (folder / "in" / "deep.png").open("wb") as file:
        write_png(file, deep)
    (folder / "hints" / "deep.json").write_text((folder / "hints" / "0.json").read_text())
    Image.new("RGB", (12, 9), (200, 60, 30)).save(folder / "ref.png")


def command_in_fork(command: list[str], folder: Path, before: Callable[[], None] = lambda: None) -> Done:
    """Run ``recolor`` in a fork that stands in ``folder``; ``before`` is called there first."""
    reader, writer = os.pipe()  # no limit of files holds for it
    child = os.fork()
    if child == 0:
        code = 70
        try:
            die_with_parent()
            limit_time(LONGEST)  # a fork has none of its parent's
            os.close(reader)
            _redirect(writer)
            os.chdir(folder)
            before()
            from recolor_torch.cli import main

            code = main(command)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001 # a crash of any kind is what is looked for
            with contextlib.suppress(BaseException):
                traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stderr.flush()
            for thread in threading.enumerate():
                if thread is not threading.main_thread() and not thread.daemon:
                    thread.join(20)
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, errors="replace") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return Done(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), text)


def _redirect(writer: int) -> None:
    os.dup2(writer, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(1, "w")),
        io.TextIOWrapper(io.FileIO(2, "w"), write_through=True),
    )


def at_step(number: int, act: Callable[[], None]) -> Callable[[], int]:
    """Call ``act`` before the step of this number, once; what is returned gives the steps so far."""
    count, lock = 0, threading.Lock()

    def wrap(function: Callable) -> Callable:
        def call(*args, **kwargs):
            nonlocal count
            with lock:
                count += 1
                due = count == number
            if due:
                act()
            return function(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(os, name, wrap(getattr(os, name)))
    return lambda: count


class Bench:
    """The inputs, and what each command makes of them when nothing disturbs it."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="attack-runs-"))
        self.right: dict[str, dict[str, bytes]] = {}
        self._steps: dict[str, int] = {}
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)
        make_inputs(self.root)
        for module in LOADED:
            import_module(f"recolor_torch.{module}")

    def steps(self, name: str) -> int:
        """How many steps a command has; it is run where it was not yet."""
        if name not in self._steps:
            with tempfile.TemporaryDirectory() as place:
                folder = self.copy(Path(place))
                done = command_in_fork(COMMANDS[name], folder, self._counting(folder / "steps"))
                done.check((0,))
                self._steps[name] = int((folder / "steps").read_text())
                self.right[name] = written(folder / "out")
        return self._steps[name]

    def copy(self, folder: Path) -> Path:
        """The inputs in an empty folder."""
        if not (self.root / "clip.mkv").exists():
            (self.root / "clip.mkv").write_bytes(make_clip("clip.mkv", "ffv1", "yuv420p", False))
        for item in self.root.iterdir():
            if item.is_dir():
                shutil.copytree(item, folder / item.name)
            else:
                shutil.copy2(item, folder / item.name)
        return folder

    @staticmethod
    def _counting(note: Path) -> Callable[[], None]:
        def before() -> None:
            count = at_step(0, lambda: None)
            leave = os._exit

            def leave_a_note(code: int) -> None:
                note.write_text(str(count()))
                leave(code)

            os._exit = leave_a_note  # type: ignore[assignment]

        return before

    def check_after(self, name: str, folder: Path, parts: bool) -> None:
        """What a disturbed command left: files under their names are right, and others are not there."""
        self._check_files(name, folder)
        if not parts:
            assert not list(folder.glob("**/.recolor-*")), "a part of a file"
        again = command_in_fork(COMMANDS[name], folder)
        if name != "gallery" or "pictures already" not in again.said:  # what was whole is not made once more
            again.check((0,))
        left = sorted(self.right[name].keys() - written(folder / "out").keys())
        assert not left, f"the same command does not make {left[:3]}"
        self._check_files(name, folder)
        assert not list(folder.glob("out/.recolor-*")), "a part of a file after the second run"

    def _check_files(self, name: str, folder: Path) -> None:
        for path, data in written(folder / "out").items():
            assert path in self.right[name], f"a file that does not belong: {path}"
            assert data == self.right[name][path], f"other bytes: {path}"
        if name == "gallery" and (folder / "out" / "gallery.json").exists():
            problems = verify(folder / "out")
            assert not problems, problems[0]
            count = read_header(folder / "out").pictures
            assert count in (0, PICTURES), f"a gallery of {count} pictures"


def written(folder: Path) -> dict[str, bytes]:
    """The results below a folder."""
    files = sorted(folder.rglob("*")) if folder.is_dir() else []
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in files
        if p.suffix in OUTPUTS and not p.name.startswith(".")
    }


@cache
def _bench() -> Bench:
    """One for all kinds."""
    return Bench()


def _kills() -> Attack:
    names = ("histogram", "levin", "gallery", "evaluate", "film")
    bench = _bench()

    def draw(rng: random.Random) -> Case:
        name = rng.choice(names)
        number = rng.choice(("KILL", "KILL", "TERM", "HUP", "INT"))
        return {"command": name, "signal": number, "step": rng.randrange(1, bench.steps(name) + 1)}

    def run(case: Case, folder: Path) -> None:
        bench.copy(folder)
        number = getattr(signal, f"SIG{case['signal']}")

        def before() -> None:
            at_step(case["step"], lambda: os.kill(os.getpid(), number))

        done = command_in_fork(COMMANDS[case["command"]], folder, before)
        if number == signal.SIGKILL:
            assert done.code in (-9, 0), f"exit code {done.code}: {done.said[-300:]}"
        else:
            done.check((130, 0))
        bench.check_after(case["command"], folder, parts=number == signal.SIGKILL)

    return Attack(draw, run, (), seconds=90)


def _disk() -> Attack:
    names = ("histogram", "levin", "gallery", "evaluate", "film")
    bench = _bench()

    def draw(rng: random.Random) -> Case:
        name = rng.choice(names)
        steps = bench.steps(name)
        if rng.random() < 0.4:
            return {"command": name, "largest": int(2 ** rng.uniform(3, 17))}
        how, lasting = rng.choice(sorted(ERRORS)), rng.randrange(2)
        return {"command": name, "how": how, "lasting": lasting, "step": rng.randrange(1, steps + 1)}

    def run(case: Case, folder: Path) -> None:
        bench.copy(folder)

        def before() -> None:
            if "largest" in case:
                resource.setrlimit(resource.RLIMIT_FSIZE, (case["largest"], resource.RLIM_INFINITY))
            else:
                _break_disk(case["step"], ERRORS[case["how"]], bool(case["lasting"]))

        done = command_in_fork(COMMANDS[case["command"]], folder, before)
        done.check((0, 2, 3, 130))
        bench.check_after(case["command"], folder, parts=False)

    return Attack(draw, run, (), seconds=90)


def _break_disk(number: int, code: int, lasting: bool) -> None:
    """From a step on, or at it alone, what writes to the disk fails."""
    count, lock = 0, threading.Lock()

    def wrap(name: str) -> Callable:
        function = getattr(os, name)

        def call(*args, **kwargs):
            nonlocal count
            if name == "write" and args[0] in (1, 2):
                return function(*args, **kwargs)
            if name == "open" and not args[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return function(*args, **kwargs)
            with lock:
                count += 1
                due = count >= number if lasting else count == number
            if due and name != "unlink":
                raise OSError(code, os.strerror(code), *(str(a) for a in args[:1] if not isinstance(a, int)))
            return function(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(os, name, wrap(name))


def _memory() -> Attack:
    names = ("histogram", "levin", "gallery", "film")
    bench = _bench()

    def draw(rng: random.Random) -> Case:
        name = rng.choice(names)
        bench.steps(name)
        # With less than 16 MB Python itself cannot start a thread, and waits for it for ever.
        return {"command": name, "more_kb": int(2 ** rng.uniform(14, 18))}

    def run(case: Case, folder: Path) -> None:
        bench.copy(folder)

        def before() -> None:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            limit = used + case["more_kb"] * 1024
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))

        done = command_in_fork(COMMANDS[case["command"]], folder, before)
        done.check((0, 2, 3))
        bench.check_after(case["command"], folder, parts=False)

    return Attack(draw, run, (), seconds=90)


METHODS = ("histogram", "wavelet", "levin", "poisson", "network", "network+hints", "correspondence", "semi_interactive")


def _batches() -> Attack:
    """The same pictures one by one and in other company."""

    def draw(rng: random.Random) -> Case:
        return {
            "method": rng.choice(METHODS),
            "width": rng.randrange(17, 70),
            "height": rng.randrange(17, 70),
            "pictures": [rng.randrange(1000) for _ in range(rng.randrange(2, 6))],
            "batch": rng.randrange(2, 7),
            "workers": rng.randrange(3),
        }

    def run(case: Case, folder: Path) -> None:
        from recolor_torch.cli import main

        width, height = case["width"], case["height"]
        for name in ("in", "hints"):
            (folder / name).mkdir()
        for i, seed in enumerate(case["pictures"]):
            rng = np.random.default_rng(seed)
            coarse = Image.fromarray(rng.integers(0, 255, (5, 5), np.uint8))
            gray = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), float)
            gray += rng.normal(0, 4, gray.shape)
            Image.fromarray(gray.clip(0, 255).astype(np.uint8)).save(folder / "in" / f"{i}.png")
            x, y = rng.uniform(2, min(width, height) - 2, 2)
            text = (
                f'{{"size": [{width}, {height}], "points": [{{"x": {x}, "y": {y}, "color": "#30a0{seed % 100:02d}"}}]}}'
            )
            (folder / "hints" / f"{i}.json").write_text(text)
        colors = np.random.default_rng(1).integers(0, 255, (5, 6, 3), np.uint8)
        Image.fromarray(colors).resize((40, 31), Image.Resampling.BICUBIC).save(folder / "ref.png")
        name, _, hinted = case["method"].partition("+")
        command = ["colorize", str(folder / "in"), "-m", name, "-q"]
        if hinted or name in ("levin", "poisson", "semi_interactive"):
            command += ["--hints", str(folder / "hints")]
        if name in ("histogram", "wavelet", "correspondence", "semi_interactive"):
            command += ["-r", str(folder / "ref.png")]
        for out, batch, workers in (("one", 1, 0), ("many", case["batch"], case["workers"])):
            more = ["-o", f"{folder / out}/", "--batch-size", str(batch), "--workers", str(workers)]
            code = main([*command, *more, "--device", "cpu"])
            assert code == 0, f"exit code {code}"
        one, many = written(folder / "one"), written(folder / "many")
        assert one.keys() == many.keys(), "other files"
        unlike = [name for name in one if one[name] != many[name]]
        assert not unlike, f"other bytes: {unlike}"

    return Attack(draw, run, (), seconds=120)


RUNS: dict[str, Callable[[], Attack]] = {"kills": _kills, "disk": _disk, "memory": _memory, "batches": _batches}

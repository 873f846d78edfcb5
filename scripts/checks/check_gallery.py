"""Kill a gallery's writer at random moments, again and again, and verify the gallery after each kill.

    python -m scripts.checks.check_gallery GALLERY PICTURES [--kills 50] [--weights vgg19.safetensors] [--seed 0]
                                    [--options "--layers conv_3 --side 64"]

PICTURES is a folder of pictures; 100 of them are moved away and brought back. In turns, with ``kill -9`` after a random
time: the gallery is built; updated with 100 pictures gone; with 100 pictures new; refitted. Then an update without a
change is timed. The gallery may exist, half built: it is gone on with. Each command is a process of its own, forked
from this one after the slow imports, so that kills meet the work and not the start.
"""

import argparse
import os
import random
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # threads do not live through a fork

import recolor_torch.lit.gallery  # noqa: E402, F401
from recolor_torch.cli import main as recolor  # noqa: E402
from recolor_torch.gallery.header import read_header  # noqa: E402
from recolor_torch.gallery.pending import FOLDER  # noqa: E402
from recolor_torch.gallery.verify import verify  # noqa: E402

Command = list[str]


class Checker:
    """Runs commands, kills some, and counts."""

    def __init__(self, gallery: Path, seed: int) -> None:
        self.gallery = gallery
        self.random = random.Random(seed)
        self.kills = 0
        self.states: dict[str, int] = {}

    def command(self, action: str, *more: str) -> Command:
        return ["gallery", action, str(self.gallery), *more, "-q"]

    def is_made(self) -> bool:
        return (self.gallery / "gallery.json").exists() and read_header(self.gallery).generation > 0

    def start(self, command: Command) -> int:
        sys.stdout.flush()
        child = os.fork()
        if child:
            return child
        os.setsid()
        code = 1
        try:
            code = recolor(command)
        finally:
            os._exit(code)

    def killed(self, command: Command, longest: float) -> bool:
        """Run a command and kill it after a random time; False where it ended before."""
        child, end = self.start(command), time.monotonic() + self.random.uniform(0, longest)
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                self.ended(command, status)
                return False
            time.sleep(0.01)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        self.kills += 1
        self.check()
        return True

    def run(self, command: Command) -> float:
        start = time.perf_counter()
        _, status = os.waitpid(self.start(command), 0)
        seconds = time.perf_counter() - start
        self.ended(command, status)
        return seconds

    def ended(self, command: Command, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        if code not in (0, 3):
            raise SystemExit(f"recolor {' '.join(command)} ended with exit code {code}.")
        self.check()

    def check(self) -> None:
        if not (self.gallery / "gallery.json").exists():
            return self.count("before the gallery")
        problems = verify(self.gallery)
        if problems:
            raise SystemExit("\n".join(["DAMAGED", *problems]))
        self.count("with checkpoints" if list((self.gallery / FOLDER).glob("*.npz")) else "without checkpoints")

    def count(self, state: str) -> None:
        self.states[state] = self.states.get(state, 0) + 1

    def phase(self, name: str, command: Command, kills: int, longest: float, repeat: bool = False) -> None:
        """Kill a command ``kills`` times, or until it has ended once, then let it end."""
        before = self.kills
        while self.kills - before < kills and (self.killed(command, longest) or repeat):
            if command[1] == "build" and self.is_made():  # killed between its commit and its end
                break
        if command[1] == "build" and self.is_made():
            command = self.command("update")
        seconds = self.run(command)
        header = read_header(self.gallery)
        print(
            f"{name}: {self.kills - before} kills, last run {seconds:.1f} s, {header.pictures} pictures, "
            f"state {header.generation}, next id {header.next_id}",
            flush=True,
        )


@contextmanager
def away(pictures: list[Path], place: Path) -> Iterator[None]:
    place.mkdir()
    for path in pictures:
        path.rename(place / path.name)
    try:
        yield
    finally:
        for path in pictures:
            (place / path.name).rename(path)
        place.rmdir()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gallery", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--options", default="", help="further options of recolor gallery build, in one string")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--longest", type=float, default=20.0, help="most seconds before a kill while building")
    parser.add_argument("--weights")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.weights:
        os.environ["RECOLOR_VGG19"] = args.weights
    checker = Checker(args.gallery, args.seed)
    files = sorted(p for p in args.pictures.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    chosen = checker.random.sample(files, min(100, len(files) // 2))
    share = args.kills // 5
    build, update = checker.command("build", str(args.pictures), *shlex.split(args.options)), checker.command("update")
    start = time.perf_counter()
    if not checker.is_made():
        checker.phase("build", build, args.kills - 3 * share, args.longest)
    print(f"{len(files)} pictures, {time.perf_counter() - start:.0f} s with all kills", flush=True)
    print(f"update without a change: {checker.run(update):.2f} s", flush=True)
    short = args.longest / 4
    with away(chosen, args.pictures.parent / f"{args.pictures.name}.away"):
        checker.phase(f"{len(chosen)} gone", update, share, short)
    checker.phase(f"{len(chosen)} new", update, share, short)
    checker.phase("refit", checker.command("update", "--refit"), args.kills - checker.kills, short, repeat=True)
    print(f"update without a change: {checker.run(update):.2f} s", flush=True)
    print(f"{checker.kills} kills, verify found nothing after each and every run; found {checker.states}")


if __name__ == "__main__":
    main()

"""Is everything right on this device, does the command work there, and how fast is it?

    python scripts/checks/device -o checked                              # the GPU, or the CPU where there is none
    python scripts/checks/device -o checked --stages fast --budget 120
    python scripts/checks/device -o rehearsed --device cpu --tiny        # all of it in a minute, figures of no worth

Stages, the most valuable checks of each first:

    right    methods, energies, losses, filters, networks in float32 on the device against float64 on the CPU;
             gradients; a batch against its pictures; repeats; mixed precision; waits for the device
    command  recolor colorize, gallery and fit as processes of their own, against the files that a CPU makes
    fast     solvers, Gram transfer, networks and the rest, with peers on the same device, and where the time goes

OUT gets device.json and device.md, rewritten after every check: what is done when time runs out is kept. A check that
fails says so in its place, and the others go on. Differences are in 8-bit levels, or shares where the row says so.
"""

import argparse
import sys
import time
from pathlib import Path

import command
import fast
import film
import folder
import right
import torch
from bench import Bench, Pictures, run_stage
from record import Record

COMMAND = {**command.CHECKS, "folder of jpegs": folder.folder, "film": film.film}
STAGES = {"right": right.CHECKS, "command": COMMAND, "fast": fast.CHECKS}
# How a budget is shared where the stages have none of their own: command waits for many processes to start.
SHARES = {"right": 0.3, "command": 0.4, "fast": 0.3}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for device.json and device.md")
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--only", nargs="+", default=None, help="only checks whose name contains one of these")
    parser.add_argument("--methods", nargs="+", default=None, help="only these, in checks of many methods")
    parser.add_argument("--budget", type=float, default=240.0, help="seconds in all; what is left over goes on")
    parser.add_argument("--check-limit", type=float, default=40.0, help="seconds that one check may take")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true", help="sizes for a rehearsal on a CPU")
    parser.add_argument("--pictures", type=Path, help="folder of photographs in place of the package's example")
    parser.add_argument("--weights", type=Path, help="VGG-19's first convolutions in place of random ones, for gram")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    start = time.perf_counter()
    torch.set_num_threads(min(torch.get_num_threads(), 8))
    record = Record(args.output, torch.device(args.device), args.tiny)
    bench = Bench(
        torch.device(args.device),
        args.tiny,
        Pictures(args.pictures),
        args.weights,
        args.output,
        args.check_limit,
        args.methods,
    )
    shares = sum(SHARES[name] for name in args.stages)
    end = start
    for name in args.stages:
        end += args.budget * SHARES[name] / shares
        run_stage(name, STAGES[name], bench, record, end, args.check_limit, args.only)
    record.write(seconds=time.perf_counter() - start)
    print(record.closing())
    return 0


if __name__ == "__main__":
    sys.exit(main())

r"""Choose the numbers by which a reference is believed beside the network and a person's points: ``Rule`` of judged.py.

    python -m scripts.training.fit_judge TRAIN --pairs PAIRS [--half tune] [--count 10] [--draws 3] [--points 1 5 20] \
        [--side 128] [--weights VGG] [--bound 0.05] [--keep FILE]

TRAIN is a folder with ``index.csv`` and tar shards of photographs, of which pairs are made as fit_correspondence.py
makes them, ``--count`` of each kind; PAIRS is a folder of pairs (see eval_correspondence.py), of which one half is used
with its own references and with those of other pairs. Points with true colors are drawn as in
eval_semi_interactive.py. For each draw both results that are mixed are solved once, and CIEDE2000 is measured at
mixtures of them, so that hundreds of rules can be compared at once; ``--keep`` writes these measurements to a file,
and reads them if it is there.

Printed are, for each kind and number of points, what both together cost over the reference alone (right references)
or over the points alone (wrong ones): of the rule as it is, and of the best rule. The best has the least mean cost with
right references among those that cost at most ``--bound`` with each kind of wrong one; where there is none, of those
that cost no more than the rule as it is.
"""

import argparse
import itertools
import os
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.evaluation import color_error
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import Correspondence, NetworkColorization
from recolor_torch.methods.judged import Evidence, Judged, Rule, color_judged, read_beside, refill, weigh
from recolor_torch.resize import resize, working_size
from scripts.common import load_pairs
from scripts.evaluations.eval_semi_interactive import draw_points
from scripts.training.fit_correspondence import PairMaker

RIGHT, WRONG = ("true", "near", "overlap", "halves"), ("shuffled", "label", "random")
MADE = ("near", "overlap", "halves", "label", "random")
# Shares of the reference at which errors are measured; between them they are interpolated.
SHARES = tuple(i / 8 for i in range(9))
RULES = [
    Rule(*numbers)
    for numbers in itertools.product(
        (3.0, 6.0, 10.0, 20.0), (0.25, 0.35, 0.45, 0.55), (0.0, 0.5, 0.8, 0.9), (1.0, 2.0, 3.0)
    )
]


@dataclass(frozen=True)
class Measured:
    """Errors of one pair with one draw of points.

    Args:
        kind: of the pair.
        points: how many were drawn.
        evidence: that the rule sees, as numbers: belief, places, ratio.
        alone: error of the reference alone.
        hinted: error of the points alone, as the network's method has it.
        mixed: error at each of ``SHARES``.
    """

    kind: str
    points: int
    evidence: tuple[float, float, float]
    alone: float
    hinted: float
    mixed: tuple[float, ...]

    def cost(self, rule: Rule) -> float:
        """Error of what a rule makes of it, over the reference alone, or with a wrong one over the points alone."""
        share = float(Evidence(*(torch.tensor(x) for x in self.evidence)).share(rule))
        place = share * (len(SHARES) - 1)
        i = min(int(place), len(SHARES) - 2)
        error = self.mixed[i] + (place - i) * (self.mixed[i + 1] - self.mixed[i])
        return error - (self.alone if self.kind in RIGHT else self.hinted)


def gather_pairs(args: argparse.Namespace) -> list[tuple[str, str, Tensor, Tensor]]:
    """Kind, name, target and reference of all pairs."""
    true = load_pairs(args.pairs, args.half, args.side, ["video", "multi_view"], False)
    pairs = [("true", entry["name"], target, reference) for entry, target, reference in true]
    for step in {len(true) // 2, len(true) // 3} - {0}:
        others = true[step:] + true[:step]
        pairs += [("shuffled", e["name"], target, other[2]) for (e, target, _), other in zip(true, others)]
    maker = PairMaker(args.train, seed=7)
    for kind in MADE:
        for i in range(args.count):
            small = [resize(x, working_size(*x.shape[-2:], args.side)).clamp(0, 1) for x in maker.make(kind)]
            pairs.append((kind, f"{kind} {i}", *small))
    return pairs


def measure(args: argparse.Namespace) -> Iterator[Measured]:
    """All pairs with all draws."""
    pairs, network, method = gather_pairs(args), NetworkColorization(), Correspondence()
    for number, (kind, name, target, reference) in enumerate(pairs, 1):
        print(f"{number} of {len(pairs)}: {name}", flush=True)
        luminance, truth = rgb_to_luminance(target), rgb_to_yuv(target)[:, 1:]
        image = torch.cat((luminance, torch.zeros_like(truth)), 1)
        found = method.transferred(image, Guide((Reference(rgb_to_yuv(reference)),)))
        bare_estimate = network.estimate(luminance)

        def error(chroma: Tensor) -> float:
            return float(color_error(fit_gamut(luminance, chroma), target))  # noqa: B023

        alone = error(found.chroma)
        for points, draw in itertools.product(args.points, range(args.draws)):
            mask = draw_points(target, points, zlib.crc32(name.encode()) % 10_000 + 1000 * draw)
            estimate = network.estimate(luminance, truth, mask)
            bare, told = (read_beside(e, luminance, mask) for e in (bare_estimate, estimate))
            judged = Judged(refill(found, bare, told), told, torch.ones_like(luminance))
            evidence = weigh(network, luminance, truth, mask, found, bare)
            both = [
                color_judged(network, luminance, truth, mask, replace(judged, share=share * judged.share))
                for share in (SHARES[0], SHARES[-1])
            ]
            hinted = network.combine(luminance, truth, mask, *network.read(estimate, luminance))
            yield Measured(
                kind,
                points,
                (float(evidence.belief), float(evidence.places), float(evidence.ratio)),
                alone,
                error(hinted),
                tuple(error(torch.lerp(*both, share)) for share in SHARES),
            )


def mean_costs(measured: list[Measured], rule: Rule) -> dict[tuple[str, int], float]:
    """For each kind of pair and number of points."""
    costs = defaultdict(list)
    for one in measured:
        costs[one.kind, one.points].append(one.cost(rule))
    return {key: sum(values) / len(values) for key, values in costs.items()}


def best_rule(measured: list[Measured], bound: float) -> Rule:
    """Of ``RULES`` and the one that is used; see the top of this file."""
    now = mean_costs(measured, Rule())

    def fits(costs: dict[tuple[str, int], float]) -> bool:
        return all(cost <= max(bound, now[key]) for key, cost in costs.items() if key[0] in WRONG)

    def cost_of_right(rule: Rule) -> float:
        costs = mean_costs(measured, rule)
        right = [cost for key, cost in costs.items() if key[0] in RIGHT]
        return sum(right) / max(len(right), 1) if fits(costs) else float("inf")

    return min([Rule(), *RULES], key=cost_of_right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--half", choices=["tune", "report", "all"], default="tune")
    parser.add_argument("--count", type=int, default=10, help="pairs of each kind that are made of photographs")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--points", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--bound", type=float, default=0.05)
    parser.add_argument("--weights", help="VGG-19 weights, else RECOLOR_VGG19 or torchvision's")
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    if args.weights:
        os.environ["RECOLOR_VGG19"] = args.weights
    if args.keep and args.keep.exists():
        measured = [Measured(**row) for row in torch.load(args.keep)]
    else:
        measured = list(measure(args))
        if args.keep:
            torch.save([asdict(one) for one in measured], args.keep)
    best = best_rule(measured, args.bound)
    print("\nCIEDE2000 over the reference alone (right) or the points alone (wrong)")
    print(f"| pairs | points | draws | as it is | {best} |")
    print("|---" * 5 + "|")
    old, new = mean_costs(measured, Rule()), mean_costs(measured, best)
    for kind, points in old:
        count = sum((one.kind, one.points) == (kind, points) for one in measured)
        print(f"| {kind} | {points} | {count} | {old[kind, points]:+.2f} | {new[kind, points]:+.2f} |")


if __name__ == "__main__":
    with torch.no_grad():
        main()

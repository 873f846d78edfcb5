"""``recolor tune``: the settings of a method that score best on a set of pictures, as a config."""

from pathlib import Path

from jsonargparse import Namespace

from recolor_torch.cli.evaluate import add_protocol, check_protocol
from recolor_torch.cli.given_flags import add_given_weights
from recolor_torch.cli.method_text import check_setting, method_parts
from recolor_torch.cli.parser import Parser
from recolor_torch.cli.terminal import say_start
from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, exists, show_path

DESCRIPTION = """Search for the settings of a method that score best on a set of pictures (with Optuna).

  recolor tune photos/ -m levin --param sigma=0.001..0.05:log --param neighbours=4,8 -o levin.yaml
  recolor tune pairs/manifest.json --groups video -m histogram --param mode --param smoothing=0..32 -o best.yaml
  recolor colorize old.jpg --hints scribbles.png -o new.jpg --config levin.yaml

DATA is as for recolor evaluate. One half of its pictures is searched on, and the other tells whether what was
found holds for pictures that were not searched on. --param NAME=LOW..HIGH is a range (:log for a logarithmic one),
NAME=a,b,c are values, NAME alone takes all that its type lists; without --param that is done for every setting
whose type lists values.
"""

TARGETS = ("ciede2000", "ciede2000_p95", "psnr", "chroma_psnr", "ssim", "colorfulness_gap")
"""Metrics that are better low or high, and that true colors alone give."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    args = _parser().parse_args(argv)
    _check(args)
    say_start(args.quiet)
    from recolor_torch.cli.tuning import tune_method

    return tune_method(args)


def _parser() -> Parser:
    parser = Parser(prog="recolor tune", description=DESCRIPTION)
    add = parser.add_argument
    add("data", metavar="DATA", help="folder of color photographs, or a manifest")
    add("-m", "--method", type=str, metavar='"METHOD [SETTING=VALUE]..."', help="the method, with what stays as it is")
    add("--param", action="append", metavar="NAME[=...]", help="a setting to search; may be repeated")
    add("-o", "--output", type=str, metavar="CONFIG", help="the YAML file to write")
    add("--overwrite", action="store_true", help="replace CONFIG where it exists")
    add("--metric", choices=TARGETS, default="ciede2000", help="what is to become better")
    add("--trials", type=int, default=40, metavar="N", help="how many settings are tried")
    add_protocol(parser)
    add_given_weights(parser)
    add("-q", "--quiet", action="store_true", help="print the outcome alone")
    return parser


def _check(args: Namespace) -> None:
    if not args.method:
        raise UsageError("Say which method: -m METHOD.")
    if not args.output or Path(args.output).suffix.lower() not in (".yaml", ".yml"):
        raise UsageError("Say where the config goes: -o CONFIG.yaml.")
    output = as_path(args.output)
    if exists(output) and not args.overwrite:
        raise UsageError(f"{show_path(output)} exists: choose another name, or replace it with --overwrite.")
    if args.trials < 1:
        raise UsageError(f"--trials must be 1 or more, got {args.trials}.")
    check_protocol(args)
    name, _ = method_parts(args.method)
    for text in args.param or []:
        check_setting(name, text.partition("=")[0])

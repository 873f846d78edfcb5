"""``recolor evaluate``: methods judged on many pictures, with a report."""

from jsonargparse import Namespace

from recolor_torch.cli.devices import check_device
from recolor_torch.cli.given_flags import add_given_weights
from recolor_torch.cli.method_text import check_method, method_parts
from recolor_torch.cli.parser import Parser
from recolor_torch.cli.signatures import read_constant
from recolor_torch.cli.terminal import say_start
from recolor_torch.errors import UsageError

DESCRIPTION = """Judge methods on many pictures whose true colors are known.

  recolor evaluate photos/ --methods histogram,levin -o report/
  recolor evaluate photos/ --count 50 --references crop --points 20 -o report/
  recolor evaluate pairs/manifest.json --groups video --try "histogram mode=rgb" --try histogram -o report/

DATA is a folder of color photographs, which are made gray and get simulated references and points, or a
manifest: JSON with a list "pictures" of entries with target, truth, reference, hints, name, group, and
"certain_color": true for things that have a certain color in life, which are reported apart. Pictures of a
manifest without hints get simulated points where their truth is known.

--lpips, --frechet and --classifier take a file, or a name (alexnet, vgg16, squeezenet1_1, inception, resnet50) of
weights in torch's cache; nothing is downloaded.

REPORT has index.html, metrics.csv, summary.json, plots/ and pictures/. The same command goes on where a run
was stopped.
"""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    args = make_parser().parse_args(argv)
    if not args.output:
        raise UsageError("Say where the report goes: -o REPORT/.")
    check_protocol(args)
    check_device(args.device)
    for name in method_names(args):
        check_method(name)
    for text in vars(args)["try"] or []:
        method_parts(text)
    say_start(args.quiet)
    from recolor_torch.cli.evaluating import run_evaluate

    return run_evaluate(args)


def method_names(args: Namespace) -> list[str]:
    """The names that ``--methods`` lists."""
    return [name.strip() for name in (args.methods or "").split(",") if name.strip()]


def make_parser() -> Parser:
    """All flags."""
    parser = Parser(prog="recolor evaluate", description=DESCRIPTION)
    add = parser.add_argument
    add("data", metavar="DATA", help="folder of color photographs, or a manifest")
    add("-o", "--output", type=str, metavar="REPORT", help="folder for the report")
    add("--methods", type=str, metavar="a,b,c", help="names of methods; all that apply without it")
    add("--try", action="append", metavar='"METHOD [SETTING=VALUE]..."', help="a method to judge; may be repeated")
    add_protocol(parser)
    add_given_weights(parser)
    add("--lpips", type=str, metavar="FILE", help="weights of AlexNet, VGG-16 or SqueezeNet 1.1: adds LPIPS")
    frechet = "weights of the Inception network of FID, AlexNet or VGG-16: adds the Fréchet distance of all results"
    add("--frechet", type=str, metavar="FILE", help=frechet)
    classifier = "weights of a classifier, or efficientnet-lite0: adds the recognition test"
    add("--classifier", type=str, metavar="FILE", help=classifier)
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("-q", "--quiet", action="store_true", help="print errors alone")
    return parser


def add_protocol(parser: Parser) -> None:
    """Flags that say which pictures are taken and how they are prepared."""
    add = parser.add_argument
    add("--groups", type=str, metavar="a,b", help="only pictures of these groups")
    add("--count", type=int, metavar="N", help="a random sample of this many pictures")
    add("--side", type=int, default=256, metavar="N", help="longer side of the comparison; 0 for full size")
    references = read_constant("recolor_torch.evaluation.protocols", "REFERENCES")
    words = "; ".join(f"{name}: {text}" for name, text in references.items())
    add("--references", choices=list(references), default="half", help=f"how they are simulated. {words}")
    add("--points", type=int, default=10, metavar="N", help="true points that are given where they are simulated")
    offers = ["none", "points", "reference", "both"]
    add("--offer", choices=offers, default="none", help="what methods that need nothing are given all the same")
    add("--seed", type=int, default=0, metavar="N", help="of everything that is random")


def check_protocol(args: Namespace) -> None:
    """Raise ``UsageError`` for a number of :func:`add_protocol` that is out of range."""
    for name, value in (("side", args.side), ("points", args.points), ("seed", args.seed)):
        if value < 0:
            raise UsageError(f"--{name} must be 0 or more, got {value}.")
    if args.count is not None and args.count < 1:
        raise UsageError(f"--count must be 1 or more, got {args.count}.")

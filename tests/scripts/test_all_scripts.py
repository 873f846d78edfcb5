"""Every script can be imported and says how it is called: what it takes from the package is there.

Nearly all are run whole on tiny input by other tests; ``TOO_LONG`` says why some are not.
"""

import importlib
import re
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
# What scripts compare with, and the project does not need.
PEERS = {"ptwt"}
# Scripts that no other test runs, and why: each takes more than a second on the smallest input that it can have.
TOO_LONG = {
    "benchmarks/bench_gallery": "an index is trained on thousands of vectors of a real gallery",
    "benchmarks/bench_gram": "hundreds of iterations beside a peer",
    "benchmarks/bench_histogram": "its memory is that of processes of its own",
    "benchmarks/bench_studio": "drives the studio's server and a browser",
    "checks/batch_independence": "runs the command a dozen times",
    "checks/check_gallery": "kills processes at random",
    "checks/poisson_lines": "its rows have the lengths at which a solve goes wrong",
    "evaluations/eval_film": "a film and its frames one by one, 7 s for six frames",
    "evaluations/eval_gram": "Gram transfer to convergence",
    "evaluations/eval_retrieval": "a gallery of hundreds of pictures from an archive",
    "evaluations/eval_sequence": "clips of 384 x 288, 10 s for two frames",
    "evaluations/eval_studio": "strokes in a browser",
    "evaluations/eval_words": "photographs with labels",
    "examples/index_gallery": "Lightning's Trainer, 3 s; its test is that of recolor gallery build",
    "examples/query_gallery": "wants a gallery of the script above",
    "figures/links_sheet": "pairs of photographs with links",
    "figures/studio_page": "a browser",
    "training/fit_correspondence": "fits to dozens of pairs from an archive",
    "training/train_words": "its steps are tested one by one, without the archive of photographs",
}
FILES = [
    file
    for file in sorted(SCRIPTS.rglob("*.py"))
    if "argparse" in file.read_text() and "def main(" in file.read_text() and file.name != "__main__.py"
]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(SCRIPTS).with_suffix("").as_posix())
def test_it_says_how_it_is_called(file, monkeypatch, capsys):
    try:
        module = importlib.import_module(".".join(("scripts", *file.relative_to(SCRIPTS).with_suffix("").parts)))
    except ModuleNotFoundError as error:
        if error.name not in PEERS:
            raise
        pytest.skip(f"no {error.name}")
    monkeypatch.setattr(sys, "argv", [file.stem, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert not ended.value.code
    assert "usage" in capsys.readouterr().out


def test_what_no_test_runs_has_a_reason():
    """Each script is named by another test or by ``TOO_LONG``, and not by both."""
    others = (f for f in Path(__file__).parents[1].rglob("*.py") if f != Path(__file__))
    words = set(re.findall(r"\w+", " ".join(f.read_text(encoding="utf-8") for f in others)))
    alone = {f.relative_to(SCRIPTS).with_suffix("").as_posix() for f in FILES if f.stem not in words}
    assert alone == set(TOO_LONG)

import subprocess
import sys
import time

import pytest

from recolor_torch import __version__
from recolor_torch.cli import LIGHTNING, VERBS, main


def test_help_answers_at_once():
    # A bare interpreter takes some of it; the bar is for the command as a person waits for it.
    times = []
    for _ in range(3):
        start = time.perf_counter()
        out = subprocess.run(
            [sys.executable, "-m", "recolor_torch", "--help"], capture_output=True, text=True, check=True
        )
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5
    assert all(verb in out.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb, capsys):
    try:
        code = main([verb, "--help"])
    except SystemExit as stop:
        code = stop.code
    assert code == 0
    text = capsys.readouterr().out
    assert f"recolor {verb}" in text
    assert "``" not in text or verb in LIGHTNING  # whose help is not ours


def test_version(capsys):
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_unknown_verb_lists_the_known(capsys):
    assert main(["colourize"]) == 2
    assert "unknown verb 'colourize'. Known verbs: colorize" in capsys.readouterr().err


def test_no_verb_shows_the_help(capsys):
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().out


def test_a_picture_that_cannot_be_written_is_one_sentence(monkeypatch, capsys):
    from recolor_torch.pictures import PictureError

    def fill(argv):
        raise PictureError("r/a.png: cannot write this file (No space left on device).") from OSError(28, "No space")

    monkeypatch.setattr("recolor_torch.cli.evaluate.main", fill)
    assert main(["evaluate", "x"]) == 2
    assert capsys.readouterr().err == "recolor evaluate: r/a.png: cannot write this file (No space left on device).\n"

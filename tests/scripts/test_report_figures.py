import importlib
import sys

import pytest
import torch

from recolor_torch.errors import WeightsMissing
from recolor_torch.pictures import write_picture


@pytest.fixture
def script():
    return importlib.import_module("scripts.figures.report_figures")


def run(script, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["report_figures.py", *map(str, arguments)])
    return script.main()


def test_figures_and_the_page_that_shows_them(script, monkeypatch, tmp_path):
    (tmp_path / "pairs" / "multi_view").mkdir(parents=True)
    for name in ("target", "ref"):
        write_picture(tmp_path / "pairs" / "multi_view" / f"hill_{name}.jpg", torch.rand(1, 3, 40, 60))
    code = run(script, monkeypatch, tmp_path / "out", "--pairs", tmp_path / "pairs", "--figures", "6-8", "10")
    page = (tmp_path / "out" / "index.html").read_text()
    for number in (6, 7, 8):
        assert (tmp_path / "out" / f"figure_{number:02d}.png").stat().st_size > 1000
        assert f'src="figure_{number:02d}.png"' in page
        assert f'id="f{number}"' in page
    assert 'href="#chapter-6"' in page
    # The pictures of figure 10 are not there: the page says so in its place.
    assert code == 3
    assert page.count("Not made: ") == 1
    assert "exemplar_05" in page


def test_every_figure_has_a_title_and_a_caption(script):
    assert {4, 5, *range(6, 25)} <= set(script.FIGURES)
    assert min(script.CHAPTERS) <= min(script.FIGURES)
    for entry in script.FIGURES.values():
        assert entry.title
        assert entry.caption.endswith(".")


def test_unknown_figures_are_named(script, monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(script, monkeypatch, tmp_path, "--pairs", tmp_path, "--figures", "99")
    assert "no figure 99; there are 4, 5, 6, 7" in capsys.readouterr().err


def test_missing_weights_are_said_in_the_place_of_the_figure(script, monkeypatch, tmp_path):
    def weightless(pictures):
        """A caption."""
        raise WeightsMissing("No VGG-19 weights were found.")

    monkeypatch.setitem(script.FIGURES, 30, script.Entry(30, "A strip", weightless))
    code = run(script, monkeypatch, tmp_path / "out", "--pairs", tmp_path, "--figures", "30")
    assert code == 4
    page = (tmp_path / "out" / "index.html").read_text()
    assert '<p class="missing">Not made: No VGG-19 weights were found.</p>' in page
    assert "Transfer by Gram matrices" in page

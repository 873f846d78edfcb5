import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from recolor_torch.output import write_picture

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location("report_figures", SCRIPTS / "report_figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in [n for n in sys.modules if n.split(".")[0] == "figures"]:
        del sys.modules[name]


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
    # The pictures of figure 10 are not there: the page says so in its place.
    assert code == 1
    assert page.count("Not made: ") == 1
    assert "exemplar_05" in page


def test_every_figure_has_a_title_and_a_caption(script):
    assert set(range(6, 18)) <= set(script.FIGURES)
    for entry in script.FIGURES.values():
        assert entry.title
        assert entry.caption.endswith(".")


def test_unknown_figures_are_named(script, monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(script, monkeypatch, tmp_path, "--pairs", tmp_path, "--figures", "99")
    assert "no figure 99; there are 6, 7" in capsys.readouterr().err

"""The page of a report: what is in it, and how a browser shows it."""

import html.parser
import re
import shutil
import subprocess

import pytest
import torch

from recolor_torch.pictures import write_picture
from recolor_torch.plots.error_map import TOP, paint_errors
from recolor_torch.plots.page import Column, Page, PageLink, Panel
from recolor_torch.plots.score_plots import plot_groups, plot_speed, plot_spread


class Reader(html.parser.HTMLParser):
    """Checks that tags close in order, and collects what the page refers to."""

    VOID = frozenset({"meta", "link", "img"})

    def __init__(self, text):
        super().__init__()
        self.open, self.references, self.ids = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.references += [values[key] for key in ("src", "href") if key in values]
        if "id" in values:
            self.ids.append(values["id"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page():
    page = Page("A <title> & more")
    page.section("Numbers", "numbers")
    columns = [Column("name"), Column("error", "lower", 2, "in <units>"), Column("quality", "higher", 1)]
    page.table(columns, [["b", 2.004, 7.0], ["a", 2.001, None], [PageLink("ä #1", "#a b"), 12.5, 8.0]])
    page.strip([Panel("pictures/a b#1.png", "x < y"), Panel(None, "no weights")], anchor="a b", fold="more")
    return page


def test_what_is_written_is_escaped_and_closed(page):
    text = page.render()
    reader = Reader(text)
    assert "A &lt;title&gt; &amp; more" in text
    assert "x &lt; y" in text
    assert "pictures/a%20b%231.png" in reader.references
    assert "#a%20b" in reader.references
    assert set(reader.ids) == {"numbers", "a b"}


def test_the_best_numbers_are_marked_as_they_are_shown(page):
    best = re.findall(r'<td class="best"[^>]*>([^<]*)</td>', page.render())
    assert best == ["2.00", "2.00", "8.0"]


def test_nothing_comes_from_elsewhere(page):
    for reference in Reader(page.render()).references:
        assert not re.match(r"(\w+:)?//", reference)
    assert "http" not in page.render()


def test_the_error_map_goes_from_dark_to_bright():
    steps = paint_errors(torch.linspace(0, TOP, 9).view(1, 1, 1, 9))
    assert (steps.sum(1).flatten().diff() > 0).all()
    assert torch.equal(paint_errors(torch.full((1, 1, 1, 1), 2 * TOP)), steps[..., -1:])


def test_plots_show_every_method():
    spread = plot_spread({"gray": [3.0, 4, 5], "levin": [1.0], "none": []}, "error")
    assert [t.get_text() for t in spread.axes[0].get_yticklabels()] == ["gray", "levin"]
    groups = plot_groups({"gray": {"a": 2.0, "b": 1.0}, "levin": {"b": 0.5}}, "error")
    assert [p.get_height() for p in groups.axes[0].patches] == [2, 1, 0.5]
    speed = plot_speed({"levin": (0.1, 2.0)}, "error")
    assert speed.axes[0].texts[0].get_text() == "levin"


BROWSER = next((b for name in ("chromium", "chromium-browser", "google-chrome") if (b := shutil.which(name))), None)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_sorts_the_table_and_loads_the_pictures(page, tmp_path):
    (tmp_path / "pictures").mkdir()
    write_picture(tmp_path / "pictures/a b#1.png", torch.zeros(1, 3, 4, 4))
    # The page is asked what it shows by a script of the test's own, and writes the answer into its title.
    probe = (
        "<script>addEventListener('load', () => { document.querySelectorAll('th button')[0].click(); "
        "document.querySelectorAll('th button')[2].click(); document.querySelector('details').open = true; "
        "document.querySelectorAll('img').forEach(i => i.loading = 'eager'); "
        "setTimeout(() => { document.title = JSON.stringify({order: [...document.querySelectorAll('tbody tr')]"
        ".map(r => r.cells[0].innerText), width: document.querySelector('img').naturalWidth, "
        "wide: document.documentElement.scrollWidth}); }, 300); });</script>"
    )
    (tmp_path / "index.html").write_text(page.render() + probe)
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1366,768", "--dump-dom"]
    limits = ["--virtual-time-budget=3000", "--host-resolver-rules=MAP * ~NOTFOUND"]
    url = (tmp_path / "index.html").as_uri()
    out = subprocess.run([*command, *limits, url], capture_output=True, text=True, timeout=60).stdout
    title = html.unescape(re.search(r"<title>(.*?)</title>", out)[1])
    assert title.startswith('{"order":["b","ä #1","a"],"width":4')  # by quality; without a number last
    assert int(re.search(r'"wide":(\d+)', title)[1]) <= 1366

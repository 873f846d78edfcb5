"""A web page that needs nothing but the pictures beside it: no network, no library."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from recolor_torch.files import write_bytes_atomically
from recolor_torch.paths import printable

Better = Literal["lower", "higher", ""]

_STYLE = """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,"DejaVu Sans",sans-serif;color:#222;background:#fff;max-width:1280px;margin:1.5em auto;
padding:0 1.2em}
h1{font-size:1.6em;margin:0 0 .3em} h2{font-size:1.25em;margin:1.8em 0 .4em;border-bottom:1px solid #ddd}
h3{font-size:1.05em;margin:1.2em 0 .3em} p{margin:.4em 0;max-width:60em} nav a{margin-right:1em}
.scroll{overflow-x:auto} table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.4em 0}
table{font-size:14px} th,td{padding:.25em .5em;text-align:right;border-bottom:1px solid #e4e4e4}
th:first-child,td:first-child{text-align:left} td.text{text-align:left;white-space:nowrap}
td.text:nth-child(2):last-child{white-space:normal}
td:first-child{white-space:nowrap}
thead th{background:#f4f4f4;vertical-align:bottom;font-weight:600}
th button{all:unset;cursor:pointer} th button:focus-visible{outline:2px solid #06c}
th[aria-sort=ascending] button::after{content:" \\25B2"} th[aria-sort=descending] button::after{content:" \\25BC"}
td.best{font-weight:700} .missing{color:#a00} .note{color:#555}
.plots{display:flex;flex-wrap:wrap;gap:16px;align-items:flex-end}
.strip{display:flex;flex-wrap:wrap;gap:8px;margin:.5em 0 1em}
figure{margin:0} figcaption{font-size:13px;line-height:1.35;color:#333;margin-top:2px;overflow-wrap:anywhere}
img{max-width:100%;display:block} .strip img{width:100%;max-height:300px;object-fit:contain;object-position:left}
details{margin:.3em 0} summary{cursor:pointer}
"""

_SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[column].dataset.value;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }));
}
"""


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, which of its numbers are better, the digits that are shown, an explanation."""

    title: str
    better: Better = ""
    digits: int = 2
    help: str = ""


@dataclass(frozen=True)
class PageLink:
    """A cell that leads somewhere."""

    text: str
    target: str


Cell = str | float | int | PageLink | None


@dataclass(frozen=True)
class Panel:
    """A picture with its caption; ``file`` is relative to the page, None where there is no picture to show."""

    file: str | None
    caption: str


@dataclass
class Page:
    """A page that is put together from top to bottom, then written.

    Args:
        title: of the page.
    """

    title: str
    _parts: list[str] = field(default_factory=list)
    _sections: list[tuple[str, str]] = field(default_factory=list)

    def section(self, title: str, anchor: str, level: int = 2) -> None:
        """A heading; those of level 2 are listed at the top."""
        self._parts.append(f'<h{level} id="{_text(anchor)}">{_text(title)}</h{level}>')
        if level == 2:
            self._sections.append((title, anchor))

    def links(self, links: Sequence[PageLink]) -> None:
        """Links in a line."""
        line = " ".join(f'<a href="{_link(link.target, "#/")}">{_text(link.text)}</a>' for link in links)
        self._parts.append(f'<nav class="note">{line}</nav>')

    def text(self, text: str, kind: Literal["", "note", "missing"] = "") -> None:
        """A paragraph."""
        self._parts.append(f'<p class="{kind}">{_text(text)}</p>' if kind else f"<p>{_text(text)}</p>")

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        """A table that a click on a head sorts; the best number of a column is bold."""
        best = [_best([row[k] for row in rows], column) for k, column in enumerate(columns)]
        head = "".join(
            f'<th scope="col" title="{_text(c.help)}"><button>{_text(c.title)}</button></th>' for c in columns
        )
        body = "\n".join(
            "<tr>" + "".join(_cell(cell, columns[k], best[k]) for k, cell in enumerate(row)) + "</tr>" for row in rows
        )
        self._parts.append(
            f'<div class="scroll"><table class="sortable"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>'
            "</table></div>"
        )

    def strip(self, panels: Sequence[Panel], width: int = 236, anchor: str = "", fold: str = "") -> None:
        """Pictures side by side, each of them a link to its file.

        Args:
            panels: the pictures.
            width: of each, in pixels of the screen.
            anchor: a name by which links reach the strip.
            fold: where it is given, the strip is folded under this line.
        """
        figures = "\n".join(_figure(panel, width) for panel in panels)
        mark = f' id="{_text(anchor)}"' if anchor else ""
        strip = f'<div class="strip"{"" if fold else mark}>{figures}</div>'
        if fold:
            strip = f"<details{mark}><summary>{_text(fold)}</summary>{strip}</details>"
        self._parts.append(strip)

    def pictures(self, panels: Sequence[Panel]) -> None:
        """Pictures at their own size, side by side where there is room."""
        figures = "".join(
            f'<figure><a href="{_link(p.file)}"><img src="{_link(p.file)}" alt="{_text(p.caption)}" loading="lazy"></a>'
            f"<figcaption>{_text(p.caption)}</figcaption></figure>"
            for p in panels
            if p.file is not None
        )
        self._parts.append(f'<div class="plots">{figures}</div>')

    def bar(self, colors: Sequence[str], low: str, high: str) -> None:
        """A scale of colors from low to high, with words at its ends."""
        gradient = ",".join(colors)
        self._parts.append(
            f'<p class="note">{_text(low)} <span style="display:inline-block;width:16em;height:.9em;vertical-align:'
            f'-.1em;background:linear-gradient(to right,{gradient})"></span> {_text(high)}</p>'
        )

    def render(self) -> str:
        """The page as HTML."""
        links = "".join(f'<a href="#{_text(anchor)}">{_text(title)}</a>' for title, anchor in self._sections)
        body = "\n".join(self._parts)
        # A link to a folded strip opens it.
        opener = (
            "const open = () => { const d = document.getElementById(decodeURIComponent(location.hash.slice(1))); "
            'if (d && d.tagName === "DETAILS") { d.open = true; d.scrollIntoView(); } };\n'
            'addEventListener("hashchange", open); open();'
        )
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
            f"<title>{_text(self.title)}</title><style>{_STYLE}</style></head>\n<body><h1>{_text(self.title)}</h1>\n"
            f"<nav>{links}</nav>\n{body}\n<script>{_SCRIPT}{opener}</script></body></html>\n"
        )

    def write(self, path: Path) -> None:
        """Write the page; it appears only when whole."""
        write_bytes_atomically(path, self.render().encode())


def _text(text: str) -> str:
    return html.escape("".join(printable(c) if "\ud800" <= c <= "\udfff" else c for c in text))


def _link(target: str, safe: str = "/") -> str:
    """A file's name as an address; bytes that are no text stay those bytes."""
    return quote(target, safe, errors="surrogateescape")


def _best(cells: Sequence[Cell], column: Column) -> float | None:
    numbers = [round(c, column.digits) for c in cells if isinstance(c, (int, float))]
    if not column.better or len(numbers) < 2:
        return None
    return min(numbers) if column.better == "lower" else max(numbers)


def _cell(cell: Cell, column: Column, best: float | None) -> str:
    if cell is None:
        return '<td data-value="">–</td>'
    if isinstance(cell, PageLink):
        target = "#" + _link(cell.target[1:]) if cell.target.startswith("#") else _link(cell.target)
        return f'<td class="text" data-value="{_text(cell.text)}"><a href="{target}">{_text(cell.text)}</a></td>'
    if isinstance(cell, str):
        return f'<td class="text" data-value="{_text(cell)}">{_text(cell)}</td>'
    shown = f"{cell:d}" if isinstance(cell, int) else f"{cell:.{column.digits}f}"
    mark = ' class="best"' if best is not None and round(cell, column.digits) == best else ""
    return f'<td{mark} data-value="{cell!r}">{shown}</td>'


def _figure(panel: Panel, width: int) -> str:
    caption = f"<figcaption>{_text(panel.caption)}</figcaption>"
    if panel.file is None:
        return f'<figure style="width:{width}px"><p class="missing">no picture</p>{caption}</figure>'
    source = _link(panel.file)
    image = f'<a href="{source}"><img src="{source}" alt="{_text(panel.caption)}" loading="lazy"></a>'
    return f'<figure style="width:{width}px">{image}{caption}</figure>'

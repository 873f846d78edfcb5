"""The studio's page as a person sees it: screens of each state at three sizes, and the picture for README.

    python -m scripts.figures.studio_page DATA OUT [--sizes 1280x720 1920x1080 820x1180] [--chromium PATH]

DATA is the folder of photographs that ``studio_strokes.json`` of the evaluations names (coffee is painted, three others
are beside it on the desk). Written are OUT/STATE_WIDTH.png for the start, painting, comparing, suggestions, a
reference, a folder, an error and the list of keys, and OUT/studio.jpg for README. What the browser's console said
comes last: there should be nothing.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from scripts.evaluations.eval_studio import FLAGS, PLACE, paint, until

STROKES = Path(__file__).parents[1] / "evaluations" / "studio_strokes.json"
PAINTED = "photos/samples/coffee.png"
OTHERS = ("photos/kodak/kodim05.png", "photos/kodak/kodim22.png", "photos/mcmaster/mcm10.png")
REFERENCE = "photos/samples/china.jpg"
READY = "!!(window.studio && studio.loaded && (document.body.dataset.answer || '').endsWith('!'))"
SETTLED = "document.body.dataset.answer === studio.link.seq + '!'"


class Screens:
    """Takes pictures of a page at several sizes."""

    def __init__(self, page: Page, out: Path, sizes: list[tuple[int, int]]) -> None:
        self.page, self.out, self.sizes = page, out, sizes

    def take(self, name: str) -> None:
        """The page as it is, at each size, the first one last."""
        for width, height in (*self.sizes[1:], self.sizes[0]):
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.evaluate("studio.view.fit()")
            time.sleep(0.5)
            self.page.screenshot(path=self.out / f"{name}_{width}.png")
        print(name, file=sys.stderr, flush=True)

    def point(self, x: float, y: float) -> None:
        """Hold the brush over a place, in shares of width and height, until its colors have come."""
        self.page.mouse.move(*self.page.evaluate(PLACE, [x, y]))
        time.sleep(1.5)


def walk(page: Page, screens: Screens, strokes: list[list]) -> None:
    """Go through the states of the page."""
    until(page, READY)
    until(page, "[...document.querySelectorAll('.card img')].every((i) => i.complete)")
    screens.take("start")
    paint(page, strokes)
    page.keyboard.press("b")
    screens.point(0.5, 0.85)
    screens.take("painting")
    page.keyboard.press("c")
    screens.take("comparing")
    page.keyboard.press("c")
    screens.point(0.85, 0.8)
    screens.take("suggestions")
    shutil.copy(screens.out / f"suggestions_{screens.sizes[0][0]}.png", screens.out / "readme.png")
    page.locator("#proposals .card", has_text="china").click()
    until(page, f"document.getElementById('busy').hidden && studio.recipe.kind === 'reference' && {SETTLED}")
    screens.take("reference")
    page.click("#source-close")
    page.keyboard.press("PageDown")
    until(page, f"studio.picture && studio.index === 1 && {READY}")
    until(page, "[...document.querySelectorAll('.card img')].every((i) => i.complete)")
    screens.take("folder")
    page.evaluate("studio.choose({kind: 'plain', references: []})")
    until(page, SETTLED)
    page.click("#export")
    until(page, "!document.getElementById('notice').hidden")
    screens.take("error")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    screens.take("keys")


def main() -> None:
    """Read the arguments, serve, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sizes", nargs="+", default=["1280x720", "1920x1080", "820x1180"], metavar="WIDTHxHEIGHT")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    sizes = [(int(w), int(h)) for w, h in (size.split("x") for size in args.sizes)]
    strokes = json.loads(STROKES.read_text())[PAINTED]
    with tempfile.TemporaryDirectory() as folder:
        scans = Path(folder, "scans")
        scans.mkdir()
        for name in (PAINTED, *OTHERS):
            Image.open(args.data / name).convert("L").save(scans / f"{Path(name).stem}.png")
        command = [sys.executable, "-m", "recolor_torch", "studio", str(scans), "-o", f"{folder}/out/", "--no-browser"]
        command += ["-r", str(args.data / REFERENCE)]
        studio = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert studio.stdout is not None
        try:
            found = re.search(r"http://\S+", studio.stdout.readline())
            if found is None:
                raise SystemExit("The studio did not start.")
            problems: list[str] = []
            with sync_playwright() as p:
                browser = p.chromium.launch(executable_path=args.chromium, args=[f"--{flag}" for flag in FLAGS])
                page = browser.new_page(viewport={"width": sizes[0][0], "height": sizes[0][1]})
                page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
                page.on("pageerror", lambda e: problems.append(str(e)))
                page.goto(found.group())
                walk(page, Screens(page, args.out, sizes), strokes)
                studio.kill()
                until(page, "!document.getElementById('gone').hidden")
                page.screenshot(path=args.out / f"gone_{sizes[0][0]}.png")
                browser.close()
        finally:
            studio.terminate()
            studio.wait()
    Image.open(args.out / "readme.png").convert("RGB").save(args.out / "studio.jpg", quality=84, optimize=True)
    print("\n".join(problems) or "The console said nothing.")


if __name__ == "__main__":
    main()

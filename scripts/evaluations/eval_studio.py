"""Pictures colored by hand through the studio's page, beside the automatic result and the truth.

    python -m scripts.evaluations.eval_studio DATA OUT [--strokes FILE] [--chromium PATH]

DATA holds the pictures that ``studio_strokes.json`` names; their color is dropped first and is the truth. A browser
paints each stroke with the mouse and presses Export. Written are the results, a sheet for each picture (gray with
strokes, automatic, by hand, truth), and a table: strokes, PSNR and mean CIEDE2000 of both, where the truth is known.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from recolor_torch.color import rgb_to_lab
from recolor_torch.color.difference import ciede2000

FLAGS = ["no-sandbox", "disable-background-networking", "use-gl=angle", "use-angle=swiftshader"]
FLAGS += ["enable-unsafe-swiftshader"]
PLACE = """(p) => { const b = document.getElementById("over").getBoundingClientRect();
  const s = studio.view.toScreen(p[0] * studio.picture.width, p[1] * studio.picture.height);
  return [s[0] + b.left, s[1] + b.top]; }"""


def until(page: Page, script: str, seconds: float = 300) -> None:
    """Wait until a script says yes."""
    end = time.monotonic() + seconds
    while not page.evaluate(script):
        if time.monotonic() > end:
            raise SystemExit(f"Waited in vain for {script}.")
        time.sleep(0.05)


def paint(page: Page, strokes: list[list[Any]]) -> None:
    """Paint with the mouse; a color of "gray" takes the neutral brush."""
    for color, *points in strokes:
        page.keyboard.press("n" if color == "gray" else "b")
        if color != "gray":
            page.evaluate("(c) => studio.takeHex(c)", color)
        page.mouse.move(*page.evaluate(PLACE, points[0]))
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*page.evaluate(PLACE, point), steps=6)
        page.mouse.up()
        until(page, "Number((document.body.dataset.answer || '').replace('!', '')) === studio.link.seq")
    until(page, "document.body.dataset.answer === studio.link.seq + '!'")


def scores(result: Image.Image, truth: Image.Image) -> tuple[float, float]:
    """PSNR of RGB and mean CIEDE2000."""
    a, b = (torch.from_numpy(np.array(x)).permute(2, 0, 1)[None].double() / 255 for x in (result, truth))
    psnr = -10 * torch.log10((a - b).square().mean())
    return float(psnr), float(ciede2000(rgb_to_lab(a), rgb_to_lab(b)).mean())


def main() -> None:
    """Read the arguments, color, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--strokes", type=Path, default=Path(__file__).with_name("studio_strokes.json"))
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    args = parser.parse_args()
    strokes = json.loads(args.strokes.read_text())
    gray, done = args.out / "gray", args.out / "by_hand"
    gray.mkdir(parents=True, exist_ok=True)
    for name in strokes:
        Image.open(args.data / name).convert("L").save(gray / f"{Path(name).stem}.png")
    names = sorted(strokes, key=lambda name: Path(name).stem)
    command = [sys.executable, "-m", "recolor_torch"]
    automatic = args.out / "automatic"
    subprocess.run([*command, "colorize", str(gray), "-o", f"{automatic}/", "-m", "network", "-q"], check=True)
    studio = subprocess.Popen(
        [*command, "studio", str(gray), "-o", str(done), "--no-browser"], stdout=subprocess.PIPE, text=True
    )
    assert studio.stdout is not None
    found = re.search(r"http://\S+", studio.stdout.readline())
    if found is None:
        raise SystemExit("The studio did not start.")
    try:
        with sync_playwright() as p:
            browser = p.chromium.launch(executable_path=args.chromium, args=[f"--{flag}" for flag in FLAGS])
            for number, name in enumerate(names, start=1):
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                page.goto(f"{found.group()}#{number}")
                until(page, "!!(window.studio && studio.loaded && (document.body.dataset.answer || '').endsWith('!'))")
                assert page.evaluate("studio.picture.name") == f"{Path(name).stem}.png"
                paint(page, strokes[name])
                page.screenshot(path=args.out / f"page_{Path(name).stem}.png")
                page.click("#export")
                until(page, "document.getElementById('notice').textContent.includes('Written')", 600)
                page.close()
                print(f"{name}: {len(strokes[name])} strokes", file=sys.stderr, flush=True)
            browser.close()
    finally:
        studio.terminate()
        studio.wait()
    print("| picture | strokes | automatic | by hand |\n| --- | --- | --- | --- |")
    for name in names:
        stem = Path(name).stem
        truth = Image.open(args.data / name).convert("RGB")
        panels = [Image.open(folder / f"{stem}.png").convert("RGB") for folder in (gray, automatic, done)]
        known = Image.open(args.data / name).mode not in ("L", "I;16") and not stem.endswith("_gray")
        row = ["-", "-"]
        if known:
            panels.append(truth)
            row = ["{:.2f} dB, {:.2f}".format(*scores(panel, truth)) for panel in panels[1:3]]
        print(f"| {stem} | {len(strokes[name])} | {row[0]} | {row[1]} |")
        width, height = truth.size
        scale = min(1.0, 480 / max(width, height))
        size = round(width * scale), round(height * scale)
        sheet = Image.new("RGB", ((size[0] + 6) * len(panels) - 6, size[1]), "white")
        for i, panel in enumerate(panels):
            sheet.paste(panel.resize(size, Image.Resampling.LANCZOS), (i * (size[0] + 6), 0))
        sheet.save(args.out / f"sheet_{stem}.png")


if __name__ == "__main__":
    main()

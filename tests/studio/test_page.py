"""The studio in a real browser: what a person does, and what the pixels say."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studios import PATIENCE, ROOT, gray_picture

LEFT, FAR_LEFT, RIGHT = (100, 60), (100, 200), (200, 40)


class Room:
    """A page, and what its picture shows."""

    def __init__(self, browser, url: str, number: int = 1, query: str = "", **context) -> None:
        # A ring that turns makes the browser draw all of the page anew, on the core that computes what is waited for.
        settings = {"viewport": {"width": 1280, "height": 720}, "reduced_motion": "reduce", **context}
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.problems.append(str(e)))
        self.page.goto(f"{url}{query}#{number}")
        self.ready()

    def ready(self) -> None:
        self.until("!!(window.studio && studio.loaded && (document.body.dataset.answer || '').endsWith('!'))")

    def until(self, script: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.page.evaluate(script):
            assert time.monotonic() < end, f"waited in vain for {script}; {self.problems}"
            time.sleep(0.05)

    def settled(self) -> None:
        """The answer to the last message has come and is drawn."""
        self.until("document.body.dataset.answer === studio.link.seq + '!'")
        self.until("document.body.dataset.drawn === document.body.dataset.frames")

    def screen(self, place) -> tuple[float, float]:
        x, y = self.page.evaluate(
            "(p) => { const b = document.getElementById('over').getBoundingClientRect();"
            " const s = studio.view.toScreen(...p); return [s[0] + b.left, s[1] + b.top]; }",
            list(place),
        )
        return x, y

    def pixel(self, place) -> np.ndarray:
        """What is shown at a place of the picture, 0 to 255."""
        script = """(p) => { const s = studio.view.toScreen(...p), r = studio.ratio;
          studio.painter.draw(studio.view, { strength: studio.recipe.strength, edge: studio.edge(), ratio: r });
          return studio.painter.read(Math.floor(s[0] * r), Math.floor(s[1] * r)); }"""
        return 255 * np.array(self.page.evaluate(script, [place[0] + 0.5, place[1] + 0.5]))

    def color(self, text: str) -> None:
        assert self.page.evaluate("(c) => studio.takeHex(c)", text)

    def stroke(self, *places) -> None:
        mouse = self.page.mouse
        mouse.move(*self.screen(places[0]))
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.screen(place), steps=4)
        mouse.up()
        self.settled()

    def turns_red(self, place, by: float) -> None:
        """Wait until a place is redder than blue by so many levels."""
        end = time.monotonic() + PATIENCE
        while (now := self.pixel(place))[0] - now[2] <= by:
            assert time.monotonic() < end, now
            time.sleep(0.1)

    def strokes(self) -> list[dict]:
        return self.page.evaluate("studio.history.now.strokes")

    def close(self) -> None:
        self.context.close()


def hue_gap(a: np.ndarray, b: np.ndarray) -> float:
    """Distance of the chroma of two colors, in levels."""
    return float(np.abs((a - a.mean()) - (b - b.mean())).max())


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("studio")
    (folder / "scans").mkdir()
    for i in range(9):
        gray_picture(seed=i).save(folder / "scans" / f"p{i + 1}.png")
    y, x = np.mgrid[:150, :200]
    colored = np.stack((40 + x, 200 - x * 0.8, 60 + y), -1).clip(0, 255).astype(np.uint8)
    Image.fromarray(colored).save(folder / "colored.png")
    return folder


@pytest.fixture(scope="module")
def studio(start, place, browser):
    return start(["scans", "-o", "out", "--max-side", "320"], place)


@pytest.fixture
def room(browser, studio, request):
    made = []

    def open_room(number: int, **settings) -> Room:
        made.append(Room(browser, studio.url, number, **settings))
        return made[-1]

    yield open_room
    for one in made:
        assert one.problems == []
        one.close()


def test_a_stroke_colors_its_region_and_not_the_next_and_undo_brings_the_pixels_back(room):
    r = room(1)
    places = (LEFT, FAR_LEFT, RIGHT)
    before = [r.pixel(p) for p in places]
    r.color("#b03020")
    r.stroke((60, 50), (120, 55))
    after = [r.pixel(p) for p in places]
    assert after[0][0] - after[0][2] > 60
    assert hue_gap(after[1], before[1]) > 30
    # The network reads strokes too, so that the rest of the picture may follow a little.
    assert hue_gap(after[2], before[2]) < 0.35 * hue_gap(after[0], before[0])
    # Luminance stays what it was.
    weights = np.array([0.299, 0.587, 0.114])
    assert all(abs(weights @ (a - b)) < 2 for a, b in zip(after, before))
    r.page.keyboard.press("z")
    r.settled()
    assert all(np.abs(r.pixel(p) - b).max() <= 1 for p, b in zip(places, before))
    r.page.keyboard.press("Shift+Z")
    r.settled()
    assert all(np.abs(r.pixel(p) - a).max() <= 2 for p, a in zip(places, after))


def test_zoom_and_pan_keep_strokes_on_their_pixels(room):
    r = room(2)
    r.color("#2050c0")
    r.stroke((60, 120), (130, 120))
    stroke, shown = r.strokes()[0], r.pixel((100, 130))
    assert abs(stroke["points"][0][0] - 60) < 1.5
    assert abs(stroke["points"][0][1] - 120) < 1.5
    r.page.mouse.move(*r.screen((100, 120)))
    anchor = r.screen((100, 120))
    for _ in range(4):
        r.page.mouse.wheel(0, -240)
    r.until("studio.view.scale > 4")
    assert np.abs(np.array(r.screen((100, 120))) - anchor).max() < 1.5  # zoom to the cursor
    r.page.keyboard.down("Space")
    r.page.mouse.down()
    r.page.mouse.move(anchor[0] + 70, anchor[1] - 40, steps=3)
    r.page.mouse.up()
    r.page.keyboard.up("Space")
    assert np.abs(np.array(r.screen((100, 120))) - (anchor[0] + 70, anchor[1] - 40)).max() < 2
    assert r.strokes() == [stroke]
    assert np.abs(r.pixel((100, 130)) - shown).max() < 12  # the same pixel, its own luminance
    over = r.page.evaluate(
        "(p) => { const r = studio.ratio, s = studio.view.toScreen(...p).map((n) => Math.round(n * r));"
        " return [...document.getElementById('over').getContext('2d').getImageData(...s, 1, 1).data]; }",
        [100, 120],
    )
    assert over[3] > 150  # the line of the stroke is drawn there
    r.stroke((105, 112), (108, 114))
    assert abs(r.strokes()[1]["points"][0][0] - 105) < 1
    r.page.keyboard.press("0")
    assert r.page.evaluate("studio.view.fitted")


def test_the_eyedropper_takes_the_color_that_is_seen(room):
    r = room(3)
    r.color("#30a040")
    r.stroke((60, 60), (120, 60))
    seen = r.pixel((90, 100))
    r.color("#808080")
    r.page.keyboard.press("i")
    r.page.mouse.click(*r.screen((90.5, 100.5)))
    taken = np.array(r.page.evaluate("studio.color"))
    y = np.array([0.299, 0.587, 0.114]) @ seen / 255
    wanted = [(seen[2] / 255 - y) / 1.772, (seen[0] / 255 - y) / 1.402]
    assert np.abs(taken - wanted).max() < 0.01
    assert r.page.evaluate("studio.tool") == "brush"


def test_a_suggestion_is_taken(room):
    r = room(4)
    r.page.mouse.move(*r.screen((240, 120)))
    r.until("document.querySelectorAll('#suggestions button').length > 1")
    press = """() => { const chip = document.querySelectorAll("#suggestions button")[1];
      chip.click(); return [chip.dataset.color, document.getElementById("hex").value]; }"""
    color, taken = r.page.evaluate(press)
    assert hue_gap(*(np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)], float) for c in (color, taken))) < 4


def test_a_dropped_reference_gives_its_colors_and_its_eyedropper(room, place):
    r = room(5)
    before = r.pixel(LEFT)
    r.page.set_input_files("#file", str(place / "colored.png"))
    r.until("studio.source.key === 'u0' && !document.getElementById('source').hidden")
    r.settled()
    r.until("document.getElementById('busy').hidden")
    assert r.page.evaluate("studio.recipe.kind") == "reference"
    assert hue_gap(r.pixel(LEFT), before) > 1
    box = r.page.locator("#source-view").bounding_box()
    r.page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.1)
    _, v = r.page.evaluate("studio.color")
    assert v > 0.1  # the right side of that picture is red
    r.stroke((60, 60), (100, 60))
    assert len(r.strokes()) == 1
    # A region of it is linked to a region of the picture, which takes its colors.
    unlinked = r.pixel((240, 200))
    r.page.keyboard.press("l")
    x, y, w, h = (box[k] for k in ("x", "y", "width", "height"))
    r.page.mouse.move(x + 0.75 * w, y + 0.05 * h)
    r.page.mouse.down()
    r.page.mouse.move(x + 0.98 * w, y + 0.6 * h, steps=3)
    r.page.mouse.up()
    r.stroke((170, 150), (310, 235))
    r.until("document.getElementById('busy').hidden")
    link = r.page.evaluate("studio.history.now.links[0]")
    assert link["name"].startswith("references/colored-")
    assert link["reference_size"] == [200, 150]
    assert np.abs(np.array(link["target"]) - (170, 150, 140, 85)).max() < 2
    r.turns_red((240, 200), 20 + unlinked[0] - unlinked[2])
    r.until("document.getElementById('state').textContent === 'Saved'")
    saved = json.loads((place / "out" / "p5.hints.json").read_text())
    assert saved["links"] == [link]
    assert (place / "out" / link["name"]).read_bytes() == (place / "colored.png").read_bytes()


def test_export_is_what_the_command_writes_byte_for_byte(room, place):
    r = room(6)
    r.color("#b03020")
    r.stroke((60, 50), (120, 55))
    r.page.click("#export")
    r.until("document.getElementById('notice').textContent.includes('Written')")
    exported = (place / "out" / "p6.png").read_bytes()
    ask = """async () => { const body = JSON.stringify({ recipe: studio.recipe });
      const answer = await fetch("api/picture/5/command", { method: "POST", body });
      return (await answer.json()).command; }"""
    command = r.page.evaluate(ask)
    args = command.split()[1:]
    args[args.index("-o") + 1] = "again/p6.png"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "recolor_torch", *args], cwd=place, env=env, check=True)
    assert (place / "again" / "p6.png").read_bytes() == exported
    # What the page showed is that file, to rounding and half a level of the solve.
    picture = np.asarray(Image.open(place / "out" / "p6.png").convert("RGB")).astype(float)
    for x, y in (LEFT, FAR_LEFT, RIGHT, (240, 120)):
        assert np.abs(r.pixel((x, y)) - picture[y, x]).max() < 6
    assert r.page.evaluate("studio.desk.pictures[5].state") == "done"


def test_reload_restores(room, place):
    r = room(7)
    r.color("#2050c0")
    r.stroke((60, 120), (130, 120))
    r.until("document.getElementById('state').textContent === 'Saved'")
    shown, strokes = r.pixel(LEFT), r.strokes()
    saved = json.loads((place / "out" / "p7.hints.json").read_text())
    assert saved["size"] == [320, 240]
    assert saved["strokes"][0]["color"] == strokes[0]["color"]
    r.page.reload()
    r.ready()
    r.settled() if r.page.evaluate("studio.link.seq") else None
    assert r.strokes() == strokes
    assert np.abs(r.pixel(LEFT) - shown).max() <= 2


def test_strength_and_proposal_are_those_of_the_picture(room):
    r = room(4)
    r.page.locator("#proposals .card", has_text="Vivid").click()
    r.settled()
    r.page.evaluate(
        "(() => { const s = document.getElementById('strength'); s.value = 40; s.oninput(); s.onchange(); })()"
    )
    r.settled()
    again = room(4)
    assert again.page.evaluate("[studio.recipe.sample, studio.recipe.strength]") == [1, 0.4]
    assert again.page.locator("#proposals [aria-checked=true]").inner_text() == "Vivid"
    assert again.page.input_value("#strength") == "40"


def test_two_pages_on_one_picture_agree_and_on_another_are_left_alone(room):
    a, b, other = room(8), room(8), room(9)
    a.color("#b03020")
    a.stroke((60, 50), (120, 55))
    b.until("studio.history.now.strokes.length === 1")
    b.until("document.body.dataset.answer.endsWith('!')")
    time.sleep(0.3)
    assert np.abs(a.pixel(LEFT) - b.pixel(LEFT)).max() <= 3
    assert other.strokes() == []


def test_the_keyboard_alone(room):
    r = room(9)
    press = r.page.keyboard.press
    r.page.evaluate("document.getElementById('over').focus()")
    r.color("#b03020")
    before = r.pixel(LEFT)
    press("ArrowLeft")
    for _ in range(8):
        press("Shift+ArrowLeft")
    press("Enter")
    for _ in range(4):
        press("ArrowUp")
    press("Enter")
    r.settled()
    assert len(r.strokes()) == 1
    assert hue_gap(r.pixel(LEFT), before) > 20
    for _ in range(60):  # every control can be reached
        press("Tab")
        if r.page.evaluate("document.activeElement.id") == "export":
            break
    assert r.page.evaluate("document.activeElement.id") == "export"
    assert r.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    unnamed = r.page.evaluate(
        "[...document.querySelectorAll('button, input:not([hidden]), [tabindex]')].filter((e) => e.offsetParent &&"
        " !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)).map((e) => e.outerHTML)"
    )
    assert unnamed == []
    assert r.page.evaluate("getComputedStyle(document.querySelector('.spin')).animationName") == "none"  # less motion
    press("?")
    assert r.page.evaluate("document.getElementById('keys').open")
    press("Escape")


def test_touch_paints_with_one_finger_and_zooms_with_two(room):
    r = room(1, has_touch=True)
    client = r.context.new_cdp_session(r.page)

    def touch(kind, *places):
        points = [dict(zip("xy", p), id=i) for i, p in enumerate(places)]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    count = len(r.strokes())
    a, b = r.screen((70, 180)), r.screen((120, 180))
    touch("touchStart", a)
    touch("touchMove", ((a[0] + b[0]) / 2, a[1]))
    touch("touchMove", b)
    touch("touchEnd")
    r.settled()
    assert len(r.strokes()) == count + 1
    scale = r.page.evaluate("studio.view.scale")
    touch("touchStart", a, b)
    for step in range(1, 5):
        touch("touchMove", (a[0] - 15 * step, a[1]), (b[0] + 15 * step, b[1]))
    touch("touchEnd")
    assert r.page.evaluate("studio.view.scale") > 1.2 * scale
    assert len(r.strokes()) == count + 1


def test_a_pen_that_is_pressed_harder_paints_wider(room):
    r = room(2)
    client = r.context.new_cdp_session(r.page)

    def pen(kind, at, force):
        place = dict(zip("xy", r.screen(at)))
        how = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen", "force": force}
        client.send("Input.dispatchMouseEvent", {"type": kind, **place, **how})

    def stroke(row, *forces):
        pen("mousePressed", (60, row), forces[0])
        for i, force in enumerate(forces):
            pen("mouseMoved", (70 + 10 * i, row), force)
        pen("mouseReleased", (60 + 10 * len(forces), row), 0)
        r.settled()
        return r.strokes()[-1]["radius"]

    radius = r.page.evaluate("studio.radius")
    # Half the pressure is the brush as it is set; a stroke is as wide as its hardest press.
    assert stroke(60, 0.1, 0.1) == pytest.approx(0.6 * radius, abs=0.1)
    assert stroke(100, 0.1, 0.5, 0.2) == pytest.approx(radius, abs=0.1)
    assert stroke(140, 1, 1) == pytest.approx(1.5 * radius, abs=0.1)
    # A mouse has no pressure.
    r.stroke((60, 180), (100, 180))
    assert r.strokes()[-1]["radius"] == pytest.approx(radius, abs=0.1)


def test_the_path_without_webgl_shows_the_same_colors(room):
    r = room(2)
    shown = [r.pixel(p) for p in ((100, 150), (200, 40))]
    plain = room(2, query="?canvas")
    assert plain.page.evaluate("studio.painter.kind") == "canvas"
    assert r.page.evaluate("studio.painter.kind") == "webgl2"
    for p, wanted in zip(((100, 150), (200, 40)), shown):
        assert np.abs(plain.pixel(p) - wanted).max() < 8


WITHIN = """() => {
  const page = document.documentElement;
  const parts = ["over", "well", "export", "strokes", "proposals"].map((id) => document.getElementById(id));
  const boxes = parts.map((part) => part.getBoundingClientRect());
  const within = (b) => b.left >= 0 && b.right <= innerWidth + 1 && b.bottom <= innerHeight + 1;
  const seen = boxes.map((b) => within(b) && b.height > 20);
  return [page.scrollWidth <= innerWidth, page.scrollHeight <= innerHeight, ...seen];
}"""


def test_nothing_scrolls_at_any_size(room):
    r = room(3)
    for width, height in ((1280, 720), (1920, 1080), (820, 1180)):
        r.page.set_viewport_size({"width": width, "height": height})
        time.sleep(0.2)
        inside = r.page.evaluate(WITHIN)
        assert all(inside), (width, height, inside)


def test_a_server_that_is_killed_in_a_stroke_loses_that_stroke_at_most(browser, start, place, tmp_path):
    first = start(["scans/p1.png", "-o", str(tmp_path / "kept.png"), "--max-side", "320"], place)
    r = Room(browser, first.url)
    r.color("#b03020")
    r.stroke((60, 50), (120, 55))
    r.page.locator("#proposals .card", has_text="Vivid").click()
    r.settled()
    r.until("document.getElementById('state').textContent === 'Saved'")
    r.page.mouse.move(*r.screen((200, 50)))
    r.page.mouse.down()
    r.page.mouse.move(*r.screen((220, 60)), steps=5)
    first.stop(signal.SIGKILL)
    r.page.mouse.up()
    r.until("!document.getElementById('gone').hidden")
    r.close()
    second = start(["scans/p1.png", "-o", str(tmp_path / "kept.png"), "--max-side", "320"], place)
    again = Room(browser, second.url)
    assert len(again.strokes()) == 1
    again.until("studio.recipe.sample === 1")
    assert hue_gap(again.pixel(LEFT), np.full(3, 100.0)) > 30
    assert again.problems == []
    again.close()


@pytest.mark.slow
def test_a_picture_of_24_megapixels(browser, start, tmp_path):
    gray_picture(6000, 4000).save(tmp_path / "large.png", compress_level=1)
    large = start(["large.png", "--max-side", "512"], tmp_path)
    r = Room(browser, large.url)
    assert r.page.evaluate("studio.painter.tiles.length") == 2
    automatic = r.pixel((1500, 3000))
    r.color("#b03020")
    r.stroke((1200, 900), (2200, 950))
    redder = r.pixel((1500, 3000)) - automatic
    assert redder[0] - redder[2] > 100  # far from the stroke, in the same flat half
    before = large.memory()
    for y in (1200, 1800, 2400):
        r.stroke((1200, y), (2200, y + 50))
    assert large.memory() - before < 150e6  # pixels of the whole picture are not held for a stroke
    r.page.mouse.move(*r.screen((4200, 800)))
    r.page.keyboard.press("1")
    assert r.problems == []
    r.close()

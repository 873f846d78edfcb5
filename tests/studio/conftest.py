"""A studio that runs, and a browser where there is one."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from studios import Running

CHROMIUM = os.environ.get("RECOLOR_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Running]]:
    """Starts studios, which end with the module."""
    running: list[Running] = []

    def begin(args: list[str], cwd: Path) -> Running:
        running.append(Running(args, cwd))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Debian's Chromium, with WebGL2 on the processor."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("There is no Chromium here: install it (apt-get install chromium), or name it in RECOLOR_CHROMIUM.")
    flags = ["no-sandbox", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update"]
    flags += ["disable-sync", "use-gl=angle", "use-angle=swiftshader", "enable-unsafe-swiftshader"]
    with sync_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=[f"--{flag}" for flag in flags])
        yield browser
        browser.close()

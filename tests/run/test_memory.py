"""What --dry-run says of memory: the whole process, and no more than its parts."""

from dataclasses import replace
from pathlib import Path

import pytest

from recolor_torch.methods import build_method
from recolor_torch.pictures.read import PictureInfo
from recolor_torch.run.memory import PAINTED, WORKING, estimate_memory
from recolor_torch.run.plan import Job


def job(megapixels, bits=8, mode="gray", suffix=".tif"):
    width = round((megapixels * 1.5e6) ** 0.5)
    info = PictureInfo(Path("in.tif"), width, round(width / 1.5), "TIFF", bits, mode, True)
    return Job(Path("in.tif"), Path(f"out{suffix}"), Path(), info)


def over(method, *args, **options):
    """Bytes beyond what the process holds."""
    base = estimate_memory(job(0.0001), build_method("histogram"), None)
    return estimate_memory(job(*args, **options), method, None) - base


@pytest.mark.parametrize(("bits", "most"), [(8, 20), (16, 30)])
@pytest.mark.parametrize("mode", ["gray", "rgb"])
@pytest.mark.parametrize("suffix", [".tif", ".jpg", ".png"])
def test_a_scan_costs_a_few_bytes_a_pixel(bits, most, mode, suffix):
    method = build_method("histogram", mode="chroma")
    at_60, at_115 = (over(method, n, bits, mode, suffix) for n in (60, 115))
    assert (at_115 - at_60) / 55e6 < most
    assert over(method, 115, bits, mode, suffix) < 4e9


def test_working_size_bounds_the_method():
    levin = build_method("levin")
    assert over(levin, 115) - over(levin, 24) < 10 * 91e6


def test_hints_and_small_pictures_count():
    method = build_method("levin")
    for hints, each in (("h.json", 0), ("h.png", PAINTED)):  # shapes are drawn strip by strip
        with_hints = replace(job(24), hints=Path(hints))
        more = estimate_memory(with_hints, method, None) - estimate_memory(job(24), method, None)
        assert abs(more - each * 24e6) < 20e6
    network = build_method("network")
    with_hints = replace(job(24), hints=Path("h.json"))
    more = estimate_memory(with_hints, network, None) - estimate_memory(job(24), network, None)
    assert 200e6 < more < 20 * 24e6  # they are propagated as by levin
    assert over(method, 1) > WORKING

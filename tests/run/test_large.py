"""Large targets go strip by strip; what is written is what the whole picture gives."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import save_picture
from PIL import Image

from recolor_torch.cli import main
from recolor_torch.pictures.encode import write_png
from recolor_torch.pictures.read import probe
from recolor_torch.run import batches, engine, large
from recolor_torch.run.plan import Job
from recolor_torch.strips import strips

W, H = 90, 60


@pytest.fixture
def folder(tmp_path, monkeypatch):
    save_picture(tmp_path / "in/gray.png", W, H, mode="L", seed=1)
    save_picture(tmp_path / "in/rgb.jpg", W, H, seed=2, quality=95)
    save_picture(tmp_path / "in/alpha.png", W, H, mode="RGBA", seed=3)
    save_picture(tmp_path / "in/rgb.webp", W, H, seed=4)
    deep = np.random.default_rng(0).integers(20000, 50000, (H, W, 1)).astype(np.uint16)
    with (tmp_path / "in/deep.png").open("wb") as file:
        write_png(file, deep)
    Image.open(tmp_path / "in/gray.png").save(tmp_path / "in/gray.tif")
    save_picture(tmp_path / "ref.png", 40, 30, seed=8)
    save_picture(tmp_path / "mask.png", W, H, mode="L", seed=5)
    save_picture(tmp_path / "mask_small.png", 45, 30, mode="L", seed=5)
    points = [{"x": 20, "y": 20, "radius": 3, "color": "#cc2020"}, {"x": 70, "y": 40, "radius": 3, "color": "#2020cc"}]
    for name in ("gray", "rgb", "alpha", "deep"):
        (tmp_path / "hints").mkdir(exist_ok=True)
        (tmp_path / f"hints/{name}.json").write_text(json.dumps({"size": [W, H], "points": points}))
    overlay = np.zeros((H, W, 4), np.uint8)
    overlay[20:24, 20:24] = (200, 30, 30, 255)
    Image.fromarray(overlay).save(tmp_path / "overlay.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(strips, "__defaults__", (W * 7,))
    return tmp_path


def values(path):
    from recolor_torch.pictures.decode import decode

    found = decode(path)
    return found.pixels.astype(int), found.alpha


@pytest.mark.parametrize(
    "options",
    [
        ["in", "-r", "ref.png", "-m", "histogram"],
        ["in", "-r", "ref.png", "-m", "histogram", "--strength", "0.5", "--target", "color", "--keep", "none"],
        ["in", "-r", "ref.png", "-m", "histogram", "--target-mask", "mask.png"],
        ["in", "-r", "ref.png", "-m", "histogram", "--target-mask", "mask_small.png", "--histogram.rank", "true"],
        ["in", "-r", "ref.png", "-m", "wavelet", "--max-side", "50"],
        ["in/gray.png", "in/deep.png", "--hints", "hints", "-m", "levin", "--max-side", "64"],
        ["in/gray.png", "--hints", "overlay.png", "-m", "levin"],
        ["in", "-r", "ref.png", "-m", "histogram", "--strength", "0"],
    ],
)
def test_strips_write_what_the_whole_picture_gives(folder, monkeypatch, options):
    with monkeypatch.context() as floats:
        floats.setattr(engine, "paints", lambda *_: False)  # with a table of bytes there is nothing whole
        assert main(["colorize", *options, "-o", "whole/", "--workers", "0"]) == 0
    for module in (large, batches):
        monkeypatch.setattr(module, "LARGE", 100)
    assert main(["colorize", *options, "-o", "strips/", "--workers", "0"]) == 0
    names = sorted(p.name for p in (folder / "whole").glob("*.*") if p.suffix != ".jsonl")
    assert names == sorted(p.name for p in (folder / "strips").glob("*.*") if p.suffix != ".jsonl")
    for name in names:
        (a, alpha), (b, other) = values(folder / "whole" / name), values(folder / "strips" / name)
        most = 1 if a.max() < 256 else 64  # a solve may end a step of the tolerance apart
        if not name.endswith((".jpg", ".webp")):
            assert np.abs(a - b).max() <= most
            assert (a != b).mean() < (0.002 if most == 1 else 1)
        assert (alpha is None and other is None) or np.array_equal(alpha, other)
    records = [
        {line["output"]: line for line in map(json.loads, (folder / out / "run.jsonl").read_text().splitlines())}
        for out in ("whole", "strips")
    ]
    for name in names:
        for key in ("notes", "working_size", "settings_sha256", "input_sha256"):
            assert records[0][name][key] == records[1][name][key], key


@pytest.mark.parametrize("pixels", [W * 7, W * H])
@pytest.mark.parametrize(
    "name", ["gray.png", "rgb.webp", "gray.tif", "rgb.jpg", "rgb.bmp", "turned.jpg", "line.jpg", "pixel.png"]
)
def test_painted_bytes_are_those_of_floats(folder, monkeypatch, name, pixels):
    monkeypatch.setattr(strips, "__defaults__", (pixels,))
    stored = Image.open("in/rgb.jpg")
    stored.save("in/rgb.bmp")
    stored.crop((0, 0, 1, 1)).save("in/pixel.png")
    turn = Image.Exif()
    turn[0x112] = 6
    stored.save("in/turned.jpg", exif=turn)
    stored.crop((0, 0, W, 1)).save("in/line.jpg", exif=turn)  # a view with a negative stride, and yet contiguous
    options = [f"in/{name}", "-r", "ref.png", "-m", "histogram", "--json"]
    assert main(["colorize", *options, "-o", f"bytes/{name}"]) == 0
    monkeypatch.setattr(engine, "paints", lambda *_: False)
    assert main(["colorize", *options, "-o", f"floats/{name}"]) == 0
    bytes_line, floats_line = (json.loads(Path(f"{out}/run.jsonl").read_text()) for out in ("bytes", "floats"))
    assert bytes_line["notes"] == floats_line["notes"]
    assert Path(f"bytes/{name}").read_bytes() == Path(f"floats/{name}").read_bytes()


def test_a_name_with_a_slash_behind_it_is_a_folder(folder):
    assert main(["colorize", "in/gray.png", "-r", "ref.png", "-m", "histogram", "-o", "of.1890/"]) == 0
    assert (folder / "of.1890/gray.png").is_file()


def test_links_of_a_large_target_are_those_of_a_small_one(folder):
    link = {"target": [10, 10, 40, 30], "reference": [0, 0, 12, 12], "name": "mask_small.png"}
    (folder / "links.json").write_text(json.dumps({"size": [W, H], "links": [link]}))
    target = Path("in/gray.png")
    job = Job(target, Path("out.png"), Path(), probe(target), (Path("ref.png"),), (1.0,), (None,))
    job = replace(job, hints=Path("links.json"), links=True)
    small, whole = batches._load(job, 10**9).guide, large.load_large(job, small_references(job), 10**9).guide((H, W))
    assert [r.weight for r in small.references] == [r.weight for r in whole.references] == [1.0, 0.0]
    (a,), (b,) = small.links, whole.links
    assert a.reference == b.reference == 1
    assert a.target[0, 0, 10:40, 10:50].all()
    assert int(a.target.sum()) == 1200
    assert torch.equal(a.target, b.target)
    assert torch.equal(a.region, b.region)
    half = large.load_large(job, small_references(job), 10**9).guide((H // 2, W // 2)).links[0]
    assert int(half.target.sum()) == 300


def small_references(job):
    return batches._references(job, 10**9)[0]


def test_a_result_without_color_says_so(folder, monkeypatch, capsys):
    for module in (large, batches):
        monkeypatch.setattr(module, "LARGE", 100)
    Image.new("RGB", (20, 20), (90, 90, 90)).save("flat.png")
    assert main(["colorize", "in/gray.png", "-r", "flat.png", "-m", "histogram", "-o", "out.png"]) == 0
    assert "hardly any color" in capsys.readouterr().err


def test_failures_are_those_of_the_whole(folder, monkeypatch, capsys):
    for module in (large, batches):
        monkeypatch.setattr(module, "LARGE", 100)
    (folder / "in/cut.png").write_bytes((folder / "in/gray.png").read_bytes()[:300])
    (folder / "hints/gray.json").write_text('{"size": [9, 90], "points": []}')
    assert main(["colorize", "in/cut.png", "in/rgb.jpg", "-r", "ref.png", "-m", "histogram", "-o", "out/"]) == 3
    assert "cut.png: the file is cut short" in capsys.readouterr().err
    assert main(["colorize", "in/gray.png", "--hints", "hints/gray.json", "-m", "levin", "-o", "new.png"]) == 3
    assert "is not that picture at another size" in capsys.readouterr().err
    assert list(folder.glob("out/*.recolor-part")) == []


def test_workers_hand_scans_over(folder, monkeypatch):
    for module in (large, batches):
        monkeypatch.setattr(module, "LARGE", 100)
    assert main(["colorize", "in", "-r", "ref.png", "-m", "histogram", "-o", "out/", "--workers", "2"]) == 0
    assert len(list((folder / "out").glob("*.*"))) == 7

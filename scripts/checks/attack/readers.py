"""Files that are damaged, what reads them, and which of its errors are sentences."""

import contextlib
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from forks import SECONDS, Attack, Case
from mutate import damage, draw
from PIL import Image, ImageCms
from safetensors.torch import save

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.features import find_vgg19
from recolor_torch.hints.read import read_hints
from recolor_torch.networks.loading import load_network
from recolor_torch.pictures.encode import write_png
from recolor_torch.pictures.encode_tiff import write_tiff
from recolor_torch.pictures.opening import PictureError
from recolor_torch.pictures.read import read_scan
from recolor_torch.pictures.write import write_rows
from recolor_torch.run import record
from recolor_torch.run.targets import read_list, read_pairs
from recolor_torch.strips import strips

MOST_PIXELS = 4_000_000
SAME = 2.6 / 255
"""How far a value may be from where it was after it was written without loss: profiles are inverted in float."""


def of_files(
    files: dict[str, bytes],
    read: Callable[[Path, Path], None],
    refusals: tuple[type[BaseException], ...],
    seconds: int = SECONDS,
) -> Attack:
    """An attack that damages whole files.

    Args:
        files: by name; a name may have folders.
        read: reads one of them in the given folder, in which the others are not.
        refusals, seconds: as ``Attack`` has them.
    """

    def draw_one(rng: random.Random) -> Case:
        name = rng.choice(sorted(files))
        return {"file": name, "operations": draw(rng, Path(name).suffix)}

    def run(case: Case, folder: Path) -> None:
        path = folder / case["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damage(files[case["file"]], case["operations"]))
        read(path, folder)

    def keep(case: Case) -> tuple[str, bytes]:
        return Path(case["file"]).name, damage(files[case["file"]], case["operations"])

    return Attack(draw_one, run, refusals, keep, seconds)


def _pictures() -> Attack:
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 256, (24, 30)).astype(np.uint8)
    color = np.dstack([gray, gray.T.copy().reshape(24, 30), 255 - gray])
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[270], exif[274], exif[282], exif[296] = "a caption", 6, 300.0, 2
    files = {}
    for name, mode in (("l", "L"), ("rgb", "RGB"), ("rgba", "RGBA"), ("p", "P"), ("1", "1"), ("cmyk", "CMYK")):
        image = Image.fromarray(color).convert(mode)
        for suffix in (".png", ".jpg", ".tif", ".webp", ".gif", ".bmp"):
            buffer = io.BytesIO()
            try:
                image.save(buffer, Image.registered_extensions()[suffix], icc_profile=icc, exif=exif)
            except (OSError, ValueError):
                continue
            files[f"{name}{suffix}"] = buffer.getvalue()
    deep = rng.integers(0, 65536, (24, 30, 3)).astype(np.uint16)
    for name, writer, more in (
        ("deep.png", write_png, {}),
        ("deep.tif", write_tiff, {}),
        ("tiles.tif", write_tiff, {"tile": (16, 16)}),
    ):
        buffer = io.BytesIO()
        writer(buffer, deep, icc=icc, **more)
        files[name] = buffer.getvalue()
    buffer = io.BytesIO()
    Image.fromarray(color).save(buffer, "TIFF", tiffinfo={278: 3})  # eight strips, not compressed
    files["strips.tif"] = buffer.getvalue()
    return of_files(files, _round_trip, (PictureError,))


def _round_trip(path: Path, folder: Path) -> None:
    """A picture that is read is written; what was written is read as the same values."""
    scan = read_scan(path, MOST_PIXELS)
    out = folder / "out.png"
    write_rows(out, (scan.rows(a, b) for a, b in strips(*scan.size)), scan.size, scan)
    again = read_scan(out, MOST_PIXELS)
    assert again.size == scan.size, "another size"
    first, second = scan.rows(0, scan.size[0]), again.rows(0, scan.size[0])
    assert bool(first.isfinite().all()), "values that are not numbers"
    off = float((first - second).abs().max())
    assert off <= SAME, f"values come back {off * 255:.1f} levels away"


def _hints() -> Attack:
    points = [{"x": 3, "y": 4, "radius": 2, "color": "#ff0000"}]
    strokes = [{"points": [[1, 1], [9, 9]], "radius": 1, "color": "#00ff00"}]
    text = json.dumps({"size": [30, 24], "points": points, "strokes": strokes}).encode()
    overlay = np.zeros((24, 30, 4), np.uint8)
    overlay[3:6, 3:6] = 255
    buffer = io.BytesIO()
    Image.fromarray(overlay).save(buffer, "PNG")

    def read(path: Path, _folder: Path) -> None:
        hints = read_hints(path, torch.rand(1, 3, 24, 30), max_pixels=MOST_PIXELS)
        assert hints.image.shape == (1, 3, 24, 30), "another size"

    return of_files({"h.json": text, "h.png": buffer.getvalue()}, read, (PictureError,))


def _pairs() -> Attack:
    line = json.dumps({"target": "t.png", "reference": ["r.png"], "hints": "h.json"})
    files = {"p.csv": b"target,reference,hints\nt.png,r.png,h.json\nt.png,r.png,\n", "p.jsonl": line.encode()}
    files["list.txt"] = b"# targets\nt.png\nr.png\n"

    def read(path: Path, folder: Path) -> None:
        for name in ("t.png", "r.png", "h.json"):
            (folder / name).touch()
        read_list(path) if path.suffix == ".txt" else read_pairs(path)

    return of_files(files, read, (UsageError,))


def _weights() -> Attack:
    g = torch.Generator().manual_seed(0)
    state = {"features.0.weight": torch.randn(64, 3, 3, 3, generator=g), "features.0.bias": torch.zeros(64)}
    files = {"v.safetensors": save(state)}
    for name, value, new in (
        ("new.pth", state, True),
        ("old.pth", state, False),
        ("wrap.ckpt", {"state_dict": state, "epoch": 3}, True),
    ):
        buffer = io.BytesIO()
        torch.save(value, buffer, _use_new_zipfile_serialization=new)
        files[name] = buffer.getvalue()

    def read(path: Path, _folder: Path) -> None:
        found = find_vgg19(path)
        assert bool(found.state["features.0.weight"].isfinite().all()), "weights that are not numbers"
        with contextlib.suppress(UsageError):  # no network has these tensors
            load_network("eccv16", path)

    return of_files(files, read, (UsageError, WeightsMissing))


def _records() -> Attack:
    lines = [
        {"output": f"{n}.png", "status": "done", "bytes": 3, "mtime_ns": n, "settings_sha256": "0"} for n in range(4)
    ]
    text = "\n".join(map(json.dumps, lines)).encode() + b"\n"

    def read(path: Path, folder: Path) -> None:
        (folder / record.NAME).write_bytes(path.read_bytes())
        record.load(folder)
        record.append(folder, {"output": "new.png"})
        assert "new.png" in record.load(folder), "a line that was written is not found"

    return of_files({"run.jsonl": text}, read, (UsageError,))


def _configs() -> Attack:
    text = (Path(__file__).parents[3] / "configs/methods/histogram.yaml").read_bytes()

    def read(path: Path, folder: Path) -> None:
        from recolor_torch.cli import main

        Image.new("L", (8, 8)).save(folder / "t.png")
        Image.new("RGB", (8, 8), (200, 30, 30)).save(folder / "r.png")
        names = [str(folder / "t.png"), "-r", str(folder / "r.png"), "-o", str(folder / "o.png")]
        code = main(["colorize", *names, "--config", str(path), "--dry-run"])
        if code in (2, 3, 4):
            raise UsageError(str(path))
        assert code == 0, f"exit code {code}"

    return of_files({"c.yaml": text}, read, (UsageError, SystemExit))  # type: ignore[arg-type]


def _shots() -> Attack:
    from recolor_torch.film.shots import read_shots

    text = b"shot,first,last,seconds,begins\n1,0,9,0.000,start\n2,10,19,0.400,cut\n"
    return of_files({"shots.csv": text}, lambda path, folder: void(read_shots(path, 20)), (UsageError,))


def _text() -> Attack:
    from recolor_torch.text_guidance.colors import chroma_in_light
    from recolor_torch.text_guidance.phrases import parse
    from recolor_torch.text_guidance.things import THINGS

    luminance = torch.linspace(0, 1, 9).view(1, 1, 1, 9)

    def read(path: Path, _folder: Path) -> None:
        said = parse(path.read_bytes().decode("utf-8", "surrogateescape"))
        for phrase in said.phrases:
            lightness, *ab = phrase.color
            assert phrase.thing in THINGS, f"an unknown thing {phrase.thing!r}"
            assert 0 <= lightness <= 100, f"no color: {phrase.color}"
            assert all(abs(x) <= 128 for x in ab), f"no color: {phrase.color}"
            assert bool(chroma_in_light(luminance, phrase.color).isfinite().all()), "chroma that is no number"
        for note in said.notes:
            assert note.isprintable(), f"a note that cannot be said: {note[:80]!r}"
            assert len(note) < 200, f"a long note: {note[:80]!r}"

    text = "red dress, dark green lawn and blond hair; the sky is pale blue. #ff8800 coat, a woman in black"
    return of_files({"a.words": text.encode(), "b.words": b"navy blue suit with a white shirt"}, read, (ValueError,))


def void(_: object) -> None:
    """Nothing."""


READERS: dict[str, Callable[[], Attack]] = {
    "pictures": _pictures,
    "hints": _hints,
    "pairs": _pairs,
    "weights": _weights,
    "records": _records,
    "configs": _configs,
    "shots": _shots,
    "text": _text,
}

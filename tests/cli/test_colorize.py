import json
import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from pictures import save_picture
from PIL import Image

from recolor_torch.color import rgb_to_yuv
from recolor_torch.pictures import read_picture

QUICK = ("-m", "histogram")
COLORIZE_MANY = [sys.executable, "-m", "recolor_torch", "colorize", "many", "-r", "ref.jpg", "-o", "out", *QUICK]


@pytest.fixture
def recolor(recolor):
    """The command with a quick method for its references; which one it chooses by itself is tested elsewhere."""
    return lambda *args: recolor(*args, *QUICK) if "-r" in args and "-m" not in args else recolor(*args)


def luminance(path):
    return read_picture(path).image.mul(torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1) * 255


def test_a_gray_picture_becomes_colored(recolor, folder, entries):
    code, out, err = recolor("colorize", "old.png", "-r", "ref.jpg", "-o", "new.png")
    assert (code, err) == (0, "")
    assert out.startswith("1 done, 0 skipped, 0 failed,")
    error = (luminance("new.png") - luminance("old.png")).abs()
    assert error.max() <= 1
    assert error.mean() < 0.3
    assert rgb_to_yuv(read_picture("new.png").image)[:, 1:].abs().mean() > 0.05
    (entry,) = entries(".")
    assert entry["method"] == "histogram"
    assert entry["parameters"]["mode"] == "auto"
    assert entry["references"][0]["path"] == "ref.jpg"
    assert len(entry["input_sha256"]) == len(entry["references"][0]["sha256"]) == 64
    assert entry["width"] == 24
    assert entry["seconds"] > 0
    assert entry["error"] is None


def test_what_was_assumed_of_a_reference_is_said_once_and_recorded_always(recolor, folder, entries):
    values = np.stack(np.meshgrid(np.linspace(0, 1.02, 20), np.linspace(1, 0, 16)), -1).mean(-1)
    Image.fromarray(values.astype(np.float32)).save("bright.tif")
    code, _, err = recolor("colorize", "in", "-r", "bright.tif", "-o", "out")
    assert code == 0
    said = [line for line in err.splitlines() if "bright.tif" in line]
    assert len(said) == 1
    assert said[0].startswith("bright.tif: Values reach 1.01; what is over 1 was read as white.")
    assert all(said[0] in entry["notes"] for entry in entries("out"))


def test_a_folder_keeps_its_tree_and_is_done_once(recolor, folder, entries):
    assert recolor("colorize", "in", "-r", "ref.jpg", "-o", "out")[0] == 0
    names = sorted(p.relative_to(folder / "out").as_posix() for p in (folder / "out").rglob("*") if p.is_file())
    assert names == ["frame_0.png", "frame_1.png", "frame_2.png", "run.jsonl", "sub/photo.jpg"]
    before = {p: p.stat().st_mtime_ns for p in (folder / "out").rglob("*.png")}
    code, out, _ = recolor("colorize", "in", "-r", "ref.jpg", "-o", "out")
    assert code == 0
    assert out.startswith("0 done, 4 skipped, 0 failed,")
    assert before == {p: p.stat().st_mtime_ns for p in (folder / "out").rglob("*.png")}
    assert len(entries("out")) == 4
    half = ("colorize", "in", "-r", "ref.jpg", "-o", "out", "--strength", "0.5")
    assert recolor(*half)[1].startswith("0 done, 0 skipped, 0 failed, 4 kept")
    assert recolor(*half, "--overwrite")[1].startswith("4 done, 0 skipped")


def test_bad_files_among_good_ones(recolor, folder, entries):
    (folder / "in/text.png").write_text("this is not a picture")
    (folder / "in/empty.jpg").write_bytes(b"")
    data = (folder / "in/sub/photo.jpg").read_bytes()
    (folder / "in/cut.jpg").write_bytes(data[: len(data) // 2])
    code, out, err = recolor("colorize", "in", "-r", "ref.jpg", "-o", "out")
    assert code == 3
    assert out.startswith("4 done, 0 skipped, 3 failed,")
    assert sorted(line.split(":")[0] for line in err.splitlines()) == ["in/cut.jpg", "in/empty.jpg", "in/text.png"]
    assert not (folder / "out/cut.jpg").exists()
    assert sum(e["status"] == "failed" for e in entries("out")) == 3
    assert recolor("colorize", "in", "-r", "ref.jpg", "-o", "out")[0] == 3  # they are tried again, the others not


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
def test_strength_0_is_the_input(recolor, folder, suffix):
    path = save_picture(folder / f"x.{suffix}", seed=5, **({"lossless": True} if suffix == "webp" else {}))
    assert recolor("colorize", path, "-r", "ref.jpg", "-o", f"same.{suffix}", "--strength", 0)[0] == 0
    assert (folder / f"same.{suffix}").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("ext", ["png", "tif"])
def test_strength_0_keeps_16_bits_in_another_format(recolor, folder, ext):
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 7, 3), dtype=np.uint16)
    other = "tif" if ext == "png" else "png"
    cv2.imwrite(str(folder / f"deep.{other}"), pixels)
    args = ("colorize", f"deep.{other}", "-r", "ref.jpg", "-o", "same/", "--ext", ext, "--strength", 0)
    assert recolor(*args)[0] == 0
    np.testing.assert_array_equal(cv2.imread(str(folder / f"same/deep.{ext}"), cv2.IMREAD_UNCHANGED), pixels)


def test_16_bits_come_back_with_luminance_to_their_rounding(recolor, folder):
    pixels = np.random.default_rng(0).integers(0, 65536, (20, 30), dtype=np.uint16)
    cv2.imwrite(str(folder / "deep.png"), pixels)
    assert recolor("colorize", "deep.png", "-r", "ref.jpg", "-o", "new.png")[0] == 0
    assert cv2.imread(str(folder / "new.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    assert (luminance("new.png") - luminance("deep.png")).abs().max() <= 1.1 / 257


def test_exif_orientation_alpha_and_dpi(recolor, folder):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a scan"
    save_picture(folder / "turned.jpg", 40, 20, exif=exif, dpi=(300, 300))
    save_picture(folder / "clear.png", mode="RGBA").with_name("clear.png")
    recolor("colorize", "turned.jpg", "clear.png", "-r", "ref.jpg", "-o", "out")
    new = Image.open(folder / "out/turned.jpg")
    assert new.size == (20, 40)
    assert new.getexif().get(0x0112, 1) == 1
    assert new.getexif()[0x010E] == "a scan"
    assert new.info["dpi"] == (300, 300)
    assert Image.open(folder / "out/clear.png").mode == "RGBA"


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA", "I;16"])
def test_every_mode_comes_out_as_rgb(recolor, folder, mode):
    suffix = "tif" if mode == "CMYK" else "png"
    if mode == "I;16":
        Image.fromarray(np.arange(16 * 24, dtype=np.uint16).reshape(16, 24) * 100).save(folder / "x.png")
    else:
        save_picture(folder / f"x.{suffix}", mode=mode)
    assert recolor("colorize", f"x.{suffix}", "-r", "ref.jpg", "-o", f"y.{suffix}")[0] == 0
    assert (luminance(f"y.{suffix}") - luminance(f"x.{suffix}")).abs().max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (5000, 1), (1, 300)])
def test_odd_sizes(recolor, folder, size):
    save_picture(folder / "odd.png", *size)
    assert recolor("colorize", "odd.png", "-r", "ref.jpg", "-o", "new.png", "--max-side", 100)[0] == 0
    assert Image.open(folder / "new.png").size == size


def test_masks(recolor, folder):
    mask = Image.new("L", (24, 16), 0)
    mask.paste(255, (0, 0, 12, 16))
    mask.save(folder / "left.png")
    recolor("colorize", "old.png", "-r", "ref.jpg", "--target-mask", "left.png", "-o", "new.png")
    new = np.asarray(Image.open(folder / "new.png")).astype(int)
    assert np.ptp(new[:, 12:], axis=-1).max() == 0
    assert np.ptp(new[:, :12], axis=-1).max() > 10


def test_reference_masks_and_weights(recolor, folder):
    for name, color in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        Image.new("RGB", (8, 8), color).save(folder / f"{name}.png")
    two = Image.new("RGB", (8, 8), (200, 30, 30))
    two.paste((30, 30, 200), (0, 0, 4, 8))
    two.save(folder / "two.png")
    half = Image.new("L", (8, 8), 0)
    half.paste(255, (4, 0, 8, 8))
    half.save(folder / "half.png")
    recolor("colorize", "old.png", "-r", "red.png", "-o", "a.png")
    recolor("colorize", "old.png", "-r", "two.png", "--reference-mask", "half.png", "-o", "b.png")
    recolor("colorize", "old.png", "-r", "red.png", "-r", "blue.png", "--reference-weights", "1,0", "-o", "c.png")
    a, b, c = ((folder / f"{n}.png").read_bytes() for n in "abc")
    assert a == b == c
    code, _, err = recolor("colorize", "old.png", "-r", "red.png", "--reference-mask", "left.png", "-o", "d.png")
    assert code == 2
    assert "left.png: no such file" in err


def test_pairs(recolor, folder, entries):
    (folder / "pairs.csv").write_text("target,reference\nin/frame_0.png,ref.jpg\nin/frame_1.png,in/frame_2.png\n")
    assert recolor("colorize", "--pairs", "pairs.csv", "-o", "out")[0] == 0
    assert {e["target"]: e["references"][0]["path"] for e in entries("out")} == {
        "in/frame_0.png": "ref.jpg",
        "in/frame_1.png": "in/frame_2.png",
    }


def test_list_and_glob(recolor, folder, entries):
    (folder / "list.txt").write_text("old.png\n")
    assert recolor("colorize", "in/frame_*.png", "--list", "list.txt", "-r", "ref.jpg", "-o", "out")[0] == 0
    assert len(entries("out")) == 4


def test_dry_run_writes_nothing(recolor, folder):
    code, out, _ = recolor("colorize", "in", "-r", "ref.jpg", "-o", "out", "--dry-run", "--max-side", 12)
    assert code == 0
    assert "in/frame_0.png -> out/frame_0.png  24x16, worked on at 12x8, about" in out
    assert "4 to do, 0 finished, by histogram; nothing was written." in out
    assert not (folder / "out").exists()


def test_json(recolor, folder):
    (folder / "in/text.png").write_text("this is not a picture")
    code, out, _ = recolor("colorize", "in", "-r", "ref.jpg", "-o", "out", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 3
    assert sorted(line["status"] for line in lines[:-1]) == ["done"] * 4 + ["failed"]
    assert lines[-1]["summary"]["failed"] == 1


def test_quiet(recolor):
    assert recolor("colorize", "old.png", "-r", "ref.jpg", "-o", "new.png", "-q") == (0, "", "")


def test_config_is_the_lightning_schema_and_flags_come_before_it(recolor, folder, entries):
    (folder / "c.yaml").write_text(
        "model:\n  class_path: recolor_torch.lit.RecolorModule\n  init_args:\n    strength: 0.5\n    method:\n"
        "      class_path: recolor_torch.methods.HistogramTransfer\n      init_args: {mode: rgb, smoothing: 3}\n"
        "data:\n  class_path: recolor_torch.lit.PictureDataModule\n  init_args: {suffix: _new, references: [ref.jpg]}\n"
        "trainer: {accelerator: cpu, callbacks: [{class_path: recolor_torch.lit.PictureWriter}]}\n"
    )
    code, _, err = recolor("colorize", "old.png", "-o", "out", "--config", "c.yaml", "--histogram.smoothing", "4")
    assert (code, err) == (0, "")
    (entry,) = entries("out")
    assert entry["parameters"]["mode"] == "rgb"
    assert entry["parameters"]["smoothing"] == 4
    assert entry["strength"] == 0.5
    assert entry["output"] == "old_new.png"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: {init_args: {strenght: 1}}", "unknown key model.init_args.strenght. Known keys: keep, max_side"),
        ("modle: {}", "unknown key modle"),
        ("[1, 2]", "is not a config"),
        (
            "model: {init_args: {method: {class_path: HistogramTransfer, init_args: {moed: rgb}}}}",
            "unknown key model.init_args.method.init_args.moed. Known keys: edge_threshold, mode",
        ),
        ("a: [", "Cannot read the config"),
        ("model: {init_args: {method: {class_path: Foo}}}", "Unknown method 'Foo'. Known methods: .*histogram"),
    ],
)
def test_bad_configs(recolor, folder, text, words):
    import re

    (folder / "c.yaml").write_text(text)
    code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "-o", "out", "--config", "c.yaml")
    assert code == 2
    assert re.search(words, err)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nope.png", "-r", "ref.jpg", "-o", "x.png"), "No such file or folder: nope.png."),
        (("old.png", "-r", "nope.jpg", "-o", "x.png"), "nope.jpg: no such file."),
        (("old.png", "-r", "in", "-o", "x.png"), "in: is a folder, not a picture."),
        (("old.png", "-r", "ref.jpg"), "Say where the result goes: -o OUT."),
        (("old.png", "-o", "-"), "Results are files and folders, no stream"),
        (("old.png", "-r", os.devnull, "-o", "x.png"), "is a pipe or a device, not a file."),
        (("-r", "ref.jpg", "-o", "out"), "No targets were given"),
        (("old.png", "-m", "histogram", "-o", "x.png"), "histogram needs a reference, got none."),
        (("old.png", "-r", "ref.jpg", "-o", "x.gif"), "cannot write pictures of the kind '.gif'"),
        (("old.png", "-r", "ref.jpg", "-o", "old.png"), "old.png is an input, and inputs are never overwritten"),
        (("in", "-r", "ref.jpg", "-o", "x.png"), "x.png is a file name, and 4 targets"),
        (
            ("old.png", "-r", "ref.jpg", "-o", "x.png", "-m", "histogarm"),
            "Unknown method 'histogarm'. Known methods:",
        ),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--strenght", "1"), "nrecognized arguments: --strenght"),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--strength", "2"), "--strength must be in [0, 1], got 2."),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--max-side", "0"), "--max-side must be 1 or more, got 0."),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--device", "gpu"), "Unknown device 'gpu'. Known devices: auto,"),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--reference-weights", "a"), "must be numbers with commas"),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--reference-weights", "1,2"), "2 reference weights were given"),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--histogram.smoothing", "-1"), "smoothing must be 0 or more"),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--histogram.mode", "no"), "histogram.mode"),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--levin.sigma", "1"), "is a setting of levin, and the method is"),
        (("in", "-r", "ref.jpg", "-o", "out", "--suffix", "a/b"), "holds no slash, got 'a/b'"),
        (
            ("in", "-r", "ref.jpg", "-o", "out", "--batch-size", "0"),
            "A batch has 1 picture or more (-1 chooses), got 0",
        ),
        (("--pairs", "pairs.csv", "-r", "ref.jpg", "-o", "out"), "The pairs name their references"),
        (("old.png", "-r", "ref.jpg", "-o", "/proc/x/y.png"), "/proc/x: cannot make this folder"),
    ],
)
def test_usage_errors_are_one_sentence_with_exit_code_2(recolor, folder, args, words):
    (folder / "pairs.csv").write_text("target;reference\nold.png;ref.jpg\n")
    before = sorted(folder.rglob("*"))
    code, out, err = recolor("colorize", *args)
    assert code == 2
    assert out == ""
    assert err.startswith("recolor colorize: ")
    assert err.count("\n") == 1
    assert words in err
    assert sorted(folder.rglob("*")) == before


def test_what_a_method_does_not_read_is_said(recolor, folder):
    (folder / "h.json").write_text(
        '{"size": [24, 16], "points": [{"x": 1.5, "y": 1.5, "radius": 1, "color": "#ff0000"}]}'
    )
    code, _, err = recolor(
        "colorize", "old.png", "-r", "ref.jpg", "--hints", "h.json", "-m", "histogram", "-o", "x.png"
    )
    assert (code, err.count("histogram does not read hints: they are left out.")) == (0, 1)
    code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "--hints", "h.json", "-m", "levin", "-o", "y.png")
    assert (code, err.count("levin does not read references: they are left out.")) == (0, 1)
    code, _, err = recolor("colorize", "old.png", "--hints", "h.json", "-m", "levin", "-o", "z.png")
    assert (code, "does not read" in err) == (0, False)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_one_target_that_fails(recolor, folder):
    os.mkfifo(folder / "pipe.png")
    code, out, err = recolor("colorize", "pipe.png", "-r", "ref.jpg", "-m", "histogram", "-o", "x.png")
    assert (code, "0 done, 0 skipped, 1 failed" in out, "pipe.png: this is not a regular file." in err) == (
        3,
        True,
        True,
    )


def test_an_unknown_flag_is_a_short_sentence(recolor):
    code, _, err = recolor("colorize", "old.png", "--foo")
    assert (code, err.count("\n"), len(err) < 120) == (2, 1, True)
    assert "recolor colorize --help lists the flags" in err


def test_a_misspelt_flag_is_guessed(recolor):
    assert "Did you mean --strength?" in recolor("colorize", "old.png", "--strenght", "0.5")[2]


def test_results_beside_their_targets_are_no_targets(recolor, folder):
    args = ("colorize", "in", "-r", "ref.jpg", "-o", "in", "--suffix", "_new")
    assert recolor(*args)[1].startswith("4 done, 0 skipped")
    assert recolor(*args)[1].startswith("0 done, 4 skipped")


def test_pages_that_are_left_out_are_said(recolor, folder, entries):
    pages = [Image.new("L", (8, 6), level) for level in (50, 100, 150)]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])
    code, _, err = recolor("colorize", "pages.tif", "-r", "ref.jpg", "-o", "out")
    assert code == 0
    assert "pages.tif: The first of 3 pages or frames was read" in err
    assert "first of 3" in entries("out")[0]["notes"][0]


def test_a_mask_that_leaves_nothing_fails(recolor, folder):
    Image.new("L", (30, 20), 0).save(folder / "black.png")
    code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "--reference-mask", "black.png", "-o", "new.png")
    assert code == 3
    assert "black.png: the mask is white nowhere" in err


def test_a_broken_reference_is_refused_before_work(recolor, folder):
    (folder / "bad.jpg").write_text("no picture")
    code, _, err = recolor("colorize", "in", "-r", "bad.jpg", "-o", "out")
    assert code == 2
    assert "bad.jpg" in err


def test_a_picture_over_the_limit(recolor, folder):
    code, _, err = recolor("colorize", "old.png", "in", "-r", "ref.jpg", "-o", "out", "--max-pixels", 520)
    assert code == 2  # the reference itself has 600
    save_picture(folder / "small.jpg", 10, 10)
    code, out, err = recolor("colorize", "in", "-r", "small.jpg", "-o", "out", "--max-pixels", 400)
    assert code == 3
    assert out.startswith("3 done, 0 skipped, 1 failed")
    assert "photo.jpg" in err


def test_save_stages(recolor, folder):
    assert recolor("colorize", "old.png", "-r", "ref.jpg", "-o", "new.png", "--save-stages")[0] == 0
    stages = sorted(p.name for p in (folder / "new.png.stages").iterdir())
    assert stages == ["chroma.png", "table.cube"]
    assert "LUT_3D_SIZE" in (folder / "new.png.stages/table.cube").read_text()


def test_stages_that_cannot_be_written_fail_their_picture_alone(recolor, folder):
    (folder / "out").mkdir()
    (folder / "out/frame_1.png.stages").write_text("a file where the folder would be")
    code, out, err = recolor("colorize", "in", "-r", "ref.jpg", "-o", "out", "--save-stages")
    assert code == 3
    assert out.startswith("3 done, 0 skipped, 1 failed")
    assert "frame_1.png: cannot write its stages (File exists)" in err


def test_a_record_that_cannot_be_written_is_one_sentence(recolor, folder):
    (folder / "out/run.jsonl").mkdir(parents=True)
    code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "-o", "out/new.png")
    assert code == 2
    assert "run.jsonl" in err
    assert err.count("\n") == 1


def test_workers_give_the_same_pictures(recolor, folder):
    recolor("colorize", "in", "-r", "ref.jpg", "-o", "a", "--workers", 0, "--batch-size", 1)
    recolor("colorize", "in", "-r", "ref.jpg", "-o", "b", "--workers", 2, "--batch-size", 2)
    for name in ("frame_0.png", "frame_2.png", "sub/photo.jpg"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(folder, recolor):
    one = save_picture(folder / "many/0.png", 400, 300)
    for n in range(1, 60):
        os.link(one, folder / f"many/{n}.png")
    command = [
        sys.executable,
        "-c",
        INTERRUPTIBLE,
        "colorize",
        "many",
        "-r",
        "ref.jpg",
        "-m",
        "histogram",
        "-o",
        "out",
        "--batch-size",
        "4",
    ]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    record = folder / "out" / "run.jsonl"
    deadline = time.time() + 120
    while time.time() < deadline and (not record.exists() or record.read_bytes().count(b"\n") < 10):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = record.read_bytes().count(b"\n")
    assert 10 <= done < 60
    names = {p.name for p in (folder / "out").glob("*.png")}
    assert len(names) <= done <= len(names) + 2  # a line may be ahead of its file, never behind it
    for name in names:
        read_picture(folder / "out" / name)
    code, out, err = recolor(*command[3:])
    assert code == 0, err
    assert out.startswith(f"{60 - len(names)} done, {len(names)} skipped, 0 failed")
    assert len(list((folder / "out").glob("*.png"))) == 60
    assert not [p for p in os.listdir(folder / "out") if p.startswith(".recolor")]


# A shell starts what runs in its background with Ctrl-C ignored, and tests pass that on.
INTERRUPTIBLE = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('recolor_torch', run_name='__main__', alter_sys=True)"
)


@pytest.mark.slow
def test_ctrl_c_is_130(folder):
    one = save_picture(folder / "many/0.png", 400, 300)
    for n in range(1, 300):
        os.link(one, folder / f"many/{n}.png")
    command = [
        sys.executable,
        "-c",
        INTERRUPTIBLE,
        "colorize",
        "many",
        "-r",
        "ref.jpg",
        "-m",
        "histogram",
        "-o",
        "out",
        "--batch-size",
        "2",
    ]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 120
    while time.time() < deadline and not (folder / "out" / "run.jsonl").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "skipped" in out
    assert "Traceback" not in err


def test_stdout_closed_early_is_no_traceback(folder):
    if shutil.which("head") is None:
        pytest.skip("needs a shell")
    command = f"{sys.executable} -m recolor_torch colorize in -r ref.jpg -o out --dry-run | head -c 1"
    out = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True)
    assert "Traceback" not in out.stderr


def test_a_result_without_color_says_so(folder, recolor, entries):
    save_picture(folder / "gray.png", mode="L", seed=5)
    code, _, err = recolor("colorize", "old.png", "-r", "gray.png", "-m", "histogram", "-o", "out")
    assert code == 0
    assert "old.png: the result has hardly any color" in err
    assert "hardly any color" in entries("out")[0]["notes"][-1]
    code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "-m", "histogram", "-o", "out2")
    assert (code, err) == (0, "")


def test_each_reference_is_a_look_of_its_own(recolor, folder, entries):
    save_picture(folder / "noon.png", 30, 20, seed=5)
    command = ("colorize", "old.png", "-r", "ref.jpg", "-r", "noon.png", "--each-reference", "-o", "looks/")
    assert recolor(*command)[0] == 0
    assert sorted(p.name for p in (folder / "looks").glob("*.png")) == ["old_noon.png", "old_ref.png"]
    recolor("colorize", "old.png", "-r", "noon.png", "-o", "alone.png")
    assert (folder / "looks/old_noon.png").read_bytes() == (folder / "alone.png").read_bytes()
    assert {e["references"][0]["path"] for e in entries("looks")} == {"ref.jpg", "noon.png"}
    assert recolor(*command)[1].startswith("0 done, 2 skipped")
    # References of one name are told apart by their number.
    save_picture(folder / "other/ref.jpg", 30, 20, seed=6)
    command = ("colorize", "old.png", "-r", "ref.jpg", "-r", "other/ref.jpg", "--each-reference", "-o", "two/")
    assert recolor(*command)[0] == 0
    assert sorted(p.name for p in (folder / "two").glob("*.png")) == ["old_1_ref.png", "old_2_ref.png"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "A look from each reference needs references"),
        (("-r", "ref.jpg", "-r", "ref.jpg", "--reference-weights", "1,2"), "give weights, or a look from each"),
    ],
)
def test_each_reference_is_refused_where_it_means_nothing(recolor, more, message):
    code, _, err = recolor("colorize", "old.png", "--each-reference", *more, "-o", "looks/", *QUICK[: 2 * bool(more)])
    assert code == 2
    assert message in err

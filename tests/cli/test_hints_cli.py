import json

import numpy as np
import pytest
import torch
from pictures import save_picture
from PIL import Image

from recolor_torch.color import rgb_to_yuv
from recolor_torch.hints.read import read_hints
from recolor_torch.pictures import read_picture

POINTS = {
    "size": [24, 16],
    "points": [
        {"x": 5, "y": 5, "radius": 2, "color": "#c08060"},
        {"x": 20, "y": 12, "radius": 1, "color": "#6080c0"},
    ],
}


@pytest.fixture
def hints(folder):
    """A file of hints for the pictures of 24 x 16, and a folder of them."""
    (folder / "hints").mkdir()
    (folder / "old.json").write_text(json.dumps(POINTS))
    for name in ("frame_0", "frame_1"):
        (folder / f"hints/{name}.json").write_text(json.dumps(POINTS))
    (folder / "hints/sub").mkdir()
    (folder / "hints/sub/photo.json").write_text(json.dumps({**POINTS, "size": [31, 17]}))
    return folder


def test_hints_alone_correct_the_automatic_result(recolor, hints, entries):
    code, _out, err = recolor("colorize", "old.png", "--hints", "old.json", "-o", "new.png")
    assert (code, err) == (0, "")
    (entry,) = entries(".")
    assert entry["method"] == "network"
    assert entry["hints"]["path"] == "old.json"
    assert len(entry["hints"]["sha256"]) == 64
    new, given = read_picture("new.png").image, read_hints("old.json")
    gap = (rgb_to_yuv(new) - rgb_to_yuv(given.image))[:, 1:] * given.mask
    # Rounding of R, G and B, and the gamut.
    assert gap.abs().max() < 2 / 255
    assert recolor("colorize", "old.png", "--hints", "old.json", "-o", "new.png")[1].startswith("0 done, 1 skipped")
    (hints / "old.json").write_text(json.dumps({**POINTS, "points": POINTS["points"][:1]}))


def test_other_methods_by_name(recolor, hints, entries):
    assert recolor("colorize", "old.png", "--hints", "old.json", "-o", "p.png", "-m", "poisson")[0] == 0
    assert entries(".")[-1]["method"] == "poisson"
    assert recolor("colorize", "old.png", "--hints", "old.json", "-r", "ref.jpg", "-o", "h.png", "-m", "levin")[0] == 0


def test_changed_hints_are_done_again(recolor, hints, monkeypatch):
    assert recolor("colorize", "old.png", "--hints", "old.json", "-o", "new.png")[0] == 0
    (hints / "old.json").write_text(json.dumps({**POINTS, "points": POINTS["points"][:1]}))
    assert recolor("colorize", "old.png", "--hints", "old.json", "-o", "new.png")[1].startswith("1 done, 0 skipped")


def test_a_folder_of_hints_goes_by_stem_and_tree(recolor, hints, entries):
    code, out, err = recolor("colorize", "in", "--hints", "hints", "-o", "out", "-m", "levin")
    assert code == 3
    assert out.startswith("3 done, 0 skipped, 1 failed")
    assert (
        err.strip()
        == "in/frame_2.png: there are no hints for it in hints, where a file named frame_2.* would hold them."
    )
    done = {e["output"]: e["hints"]["path"] for e in entries("out") if e["status"] == "done"}
    assert done["sub/photo.jpg"] == "hints/sub/photo.json"


def test_a_target_without_hints_is_colored_without(recolor, hints, entries):
    (hints / "hints/frame_0.json").rename(hints / "hints/frame_0.hints.json")  # as the studio names it
    code, out, err = recolor("colorize", "in", "--hints", "hints", "-o", "out")
    assert (code, err) == (0, "")
    assert out.startswith("4 done, 0 skipped, 0 failed")
    given = {e["output"]: e["hints"] and e["hints"]["path"] for e in entries("out")}
    assert given["frame_2.png"] is None
    assert given["frame_0.png"] == "hints/frame_0.hints.json"
    recolor("colorize", "in/frame_2.png", "-o", "alone.png")
    assert (hints / "alone.png").read_bytes() == (hints / "out/frame_2.png").read_bytes()


def test_hints_beside_the_targets(recolor, hints):
    for file in (hints / "hints").rglob("*.json"):
        file.rename(hints / "in" / file.relative_to(hints / "hints"))
    code, _out, _ = recolor("colorize", "in/frame_0.png", "in/frame_1.png", "--hints", "in", "-o", "out")
    assert code == 0


def test_a_folder_of_hints_within_the_targets_is_not_colored(recolor, hints):
    (hints / "hints").rename(hints / "in/hints")
    overlay = np.zeros((16, 24, 4), np.uint8)
    overlay[4:8, 4:8] = (200, 100, 50, 255)
    Image.fromarray(overlay).save(hints / "in/hints/frame_2.png")
    _code, out, _ = recolor("colorize", "in", "--hints", "in/hints", "-o", "out")
    assert out.startswith("4 done, 0 skipped, 0 failed")


def test_hints_and_a_reference_need_a_name(recolor, hints):
    code, _, err = recolor("colorize", "old.png", "--hints", "old.json", "-r", "ref.jpg", "-o", "new.png")
    if code != 0:
        assert code == 2
        assert "semi_interactive" in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["in", "--hints", "old.json", "-o", "out"], "is one file of hints for 4 targets"),
        (["old.png", "--hints", "no.json", "-o", "new.png"], "no.json: no such file or folder of hints"),
        (["in", "--hints", "empty", "-o", "out"], "no file in this folder has the stem of a target"),
        (["old.png", "-m", "levin", "-o", "new.png"], "levin needs hints, got none"),
    ],
)
def test_requests_that_cannot_be_met(recolor, hints, args, words):
    (hints / "empty").mkdir()
    code, _, err = recolor("colorize", *args)
    assert code == 2
    assert words in err
    assert not (hints / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"size": [24, 16]}', "there are no hints in it"),
        ('{"size": [16, 24], "points": [{"x": 1, "y": 1, "color": "#ff0000"}]}', "is not that picture"),
        ("{", "cannot read these hints"),
    ],
)
def test_bad_hints_fail_with_a_sentence(recolor, hints, text, words):
    (hints / "old.json").write_text(text)
    code, _out, err = recolor("colorize", "old.png", "--hints", "old.json", "-o", "new.png")
    assert code == 3
    assert words in err
    assert err.count("\n") == 1
    assert not (hints / "new.png").exists()


def test_pairs_may_name_hints(recolor, hints, entries):
    (hints / "pairs.csv").write_text("target,hints\nold.png,old.json\nin/frame_0.png,hints/frame_0.json\n")
    code, _out, err = recolor("colorize", "--pairs", "pairs.csv", "-o", "out")
    assert (code, err) == (0, "")
    assert {e["method"] for e in entries("out")} == {"network"}


def test_the_config_names_hints(recolor, hints, tmp_path):
    (hints / "c.yaml").write_text(
        "model: {class_path: recolor_torch.lit.RecolorModule, init_args: {method: "
        "{class_path: recolor_torch.methods.LevinColorization, init_args: {sigma: 0.05}}}}\n"
        "data: {class_path: recolor_torch.lit.datamodule.PictureDataModule, init_args: {hints: old.json}}\n"
    )
    assert recolor("colorize", "old.png", "--config", "c.yaml", "-o", "new.png")[0] == 0


# --- recolor hints ---


def test_convert_through_all_forms_gives_the_same_colors(recolor, hints):
    assert recolor("hints", "convert", "old.json", "o.png", "--target", "old.png")[0] == 0
    code, out, _ = recolor("hints", "convert", "o.png", "m.png", "--target", "old.png", "--form", "marked")
    assert (code, "written as marked" in out) == (0, True)
    assert recolor("hints", "convert", "m.png", "again.json", "--target", "old.png")[0] == 0
    results = []
    for name in ("old.json", "o.png", "m.png", "again.json"):
        assert recolor("colorize", "old.png", "--hints", name, "-o", f"from_{name}.png")[0] == 0
        results.append(read_picture(f"from_{name}.png").image)
    assert torch.equal(results[0], results[1])
    for other in results[2:]:
        assert (rgb_to_yuv(other) - rgb_to_yuv(results[0])).abs().max() < 4 / 255


def test_show_reports_the_rule(recolor, hints):
    assert recolor("hints", "convert", "old.json", "m.png", "--target", "old.png", "--form", "marked")[0] == 0
    code, out, _ = recolor("hints", "show", "m.png", "--target", "old.png")
    assert code == 0
    assert "rule difference" in out
    code, out, _ = recolor("hints", "show", "m.png", "--target", "old.png", "--json")
    entry = json.loads(out)
    assert (entry["form"], entry["rule"], entry["size"]) == ("marked", "difference", [24, 16])
    entry = json.loads(recolor("hints", "show", "old.json", "--json")[1])
    assert (entry["points"], entry["strokes"], entry["rule"]) == (2, 0, None)
    assert set(entry["colors"]) == {"#c08060", "#6080c0"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["draw"], "unknown action 'draw'. Known actions: convert, show"),
        (["convert", "old.json", "x.jpg"], "written as .json or .png"),
        (["convert", "old.json", "x.png", "--form", "json"], "the form json is written as .json"),
        (["convert", "old.json", "x.png", "--form", "marked"], "name that with --target"),
        (["convert", "old.json", "old.png"], "old.png exists"),
        (["show", "old.png"], "takes the target"),
        (["show", "no.json"], "no.json"),
        (["convert", "old.json", "no/x.png"], "cannot write this file"),
    ],
)
def test_mistakes_are_one_sentence(recolor, hints, args, words):
    code, _, err = recolor("hints", *args)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


def test_help_has_examples(recolor):
    assert "recolor hints convert" in recolor("hints", "--help")[1]


# --- clips ---


def test_a_sequence_colors_frames_without_hints(recolor, hints, entries):
    (hints / "hints/frame_1.json").unlink()
    (hints / "in/sub/photo.jpg").unlink()
    code, out, err = recolor("colorize", "in", "--hints", "hints", "--sequence", "-o", "out")
    assert (code, err) == (0, "")
    assert out.startswith("3 done")
    lines = entries("out")
    hints = [e["hints"] and e["hints"]["path"] for e in sorted(lines, key=lambda e: e["output"])]
    assert hints == ["hints/frame_0.json", None, None]
    assert all(e["method"] == "film" for e in lines)
    assert recolor("colorize", "in", "--hints", "hints", "--sequence", "-o", "out")[1].startswith("0 done, 3 skipped")


def test_a_clip_is_done_as_a_whole(recolor, hints):
    (hints / "in/sub/photo.jpg").unlink()
    assert recolor("colorize", "in", "--hints", "hints", "--sequence", "-o", "out")[0] == 0
    (hints / "out/frame_1.png").unlink()
    assert recolor("colorize", "in", "--hints", "hints", "--sequence", "-o", "out")[1].startswith("3 done, 0 skipped")


def test_a_damaged_frame_fails_alone(recolor, hints):
    (hints / "in/sub/photo.jpg").unlink()
    (hints / "in/frame_1.png").write_text("no picture")
    code, out, err = recolor("colorize", "in", "--hints", "hints", "--sequence", "-o", "out")
    assert code == 3
    assert out.startswith("2 done, 0 skipped, 1 failed")
    assert "in/frame_1.png" in err


def test_a_clip_of_20_frames_is_colored_to_its_end(recolor, hints, entries):
    """Color is carried past the sixteenth frame, whatever the batch."""
    for i in range(20):
        save_picture(hints / f"clip/f{i + 1:02}.png", mode="L", seed=1)
    (hints / "strokes").mkdir()
    points = [{"x": 5, "y": 5, "radius": 2, "color": "#cc2200"}]
    (hints / "strokes/f01.json").write_text(json.dumps({"size": [24, 16], "points": points}))
    for out in ("a", "b"):
        extra = ("--batch-size", 1) if out == "b" else ()
        args = ("clip", "--hints", "strokes", "-m", "levin", "--sequence", "-o", out, *extra)
        code, said, err = recolor("colorize", *args)
        assert (code, err) == (0, "")
        assert said.startswith("20 done, 0 skipped, 0 failed")
    red = [np.asarray(Image.open(hints / f"a/f{i:02}.png").convert("RGB")).astype(int)[5, 5] for i in (1, 16, 20)]
    assert all(r[0] - r[2] > 40 for r in red)
    assert (hints / "a/f20.png").read_bytes() == (hints / "b/f20.png").read_bytes()


def test_a_reference_with_a_frames_number_is_exact_there(recolor, hints):
    for i in range(6):
        save_picture(hints / f"clip/f{i + 1:02}.png", mode="L", seed=1)
    gray = np.asarray(Image.open(hints / "clip/f03.png").convert("RGB")).astype(int)
    colored = (gray + np.array([20, 0, -20])).clip(0, 255).astype(np.uint8)
    Image.fromarray(colored).save(hints / "ref_0003.png")
    assert recolor("colorize", "clip", "-r", "ref_0003.png", "--sequence", "-o", "out")[0] == 0
    out = np.asarray(Image.open(hints / "out/f03.png")).astype(int)
    luma = colored.astype(int) @ [299, 587, 114] // 1000
    inner = (luma > 40) & (luma < 215)
    assert np.abs((out[..., 0] - out[..., 2]) - 40)[inner].mean() < 6


def test_clips_that_cannot_be(recolor, hints):
    code, _, err = recolor("colorize", "in", "--hints", "hints", "--sequence", "-o", "out")
    assert (code, "frames of a clip must have one size" in err) == (2, True)
    code, _, err = recolor("colorize", "in", "-m", "levin", "--sequence", "-o", "out")
    assert (code, "needs hints" in err) == (2, True)


def test_large_pictures_are_solved_at_a_working_size(recolor, hints, entries, monkeypatch):
    """With a bound of the side, what is solved stays small whatever is scanned; the estimate says so."""
    from recolor_torch.methods import NetworkColorization

    monkeypatch.setattr(NetworkColorization, "largest_side", 12)
    code, out, _ = recolor("colorize", "old.png", "--hints", "old.json", "-o", "new.png", "--dry-run")
    assert code == 0
    assert "worked on at 12x8" in out
    assert recolor("colorize", "old.png", "--hints", "old.json", "-o", "new.png")[0] == 0
    (entry,) = entries(".")
    assert (entry["width"], entry["working_size"], entry["max_side"]) == (24, [8, 12], 12)
    assert read_picture("new.png").image.shape[-2:] == (16, 24)
    assert recolor("colorize", "old.png", "--hints", "old.json", "-o", "full.png", "--max-side", "24")[0] == 0
    assert entries(".")[-1]["working_size"] == [16, 24]


def test_the_estimate_for_a_hundred_megapixels(recolor, hints):
    Image.new("L", (12_000, 8_000), 128).save(hints / "huge.png")
    code, out, _ = recolor("colorize", "huge.png", "--hints", "old.json", "-o", "new.png", "--dry-run", "--json")
    assert code == 0
    entry = json.loads(out.splitlines()[0])
    assert entry["working_size"] == [939, 1408]
    assert entry["memory_mb"] < 20_000
    code, _, err = recolor("colorize", "huge.png", "--hints", "old.json", "-o", "n.png", "--max-pixels", "50000000")
    assert code == 3
    assert "huge.png" in err

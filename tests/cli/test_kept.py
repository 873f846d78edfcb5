"""Results that a run leaves as they are: of another recipe, changed by hand, or of no run."""

import json

import pytest

HINTS = '{"size": [24, 16], "points": [{"x": 5, "y": 5, "radius": 2, "color": "#c03020"}]}'
NAMES = ("frame_0.png", "frame_1.png", "frame_2.png", "sub/photo.jpg")


@pytest.fixture
def corrections(folder):
    (folder / "corr").mkdir()
    (folder / "corr/frame_1.json").write_text(HINTS)
    return folder


def contents(folder, out="out"):
    return [(folder / out / name).read_bytes() for name in NAMES]


def test_all_automatic_and_one_corrected(recolor, corrections, entries):
    assert recolor("colorize", "in", "-o", "out")[1].startswith("4 done, 0 skipped, 0 failed")
    automatic = contents(corrections)
    code, out, err = recolor("colorize", "in", "--hints", "corr", "-o", "out")
    assert (code, err, out[:29]) == (0, "", "1 done, 3 skipped, 0 failed, ")
    corrected = contents(corrections)
    assert [a == b for a, b in zip(automatic, corrected)] == [True, False, True, True]
    code, out, err = recolor("colorize", "in", "-o", "out")
    assert (code, out[:36]) == (0, "0 done, 3 skipped, 0 failed, 1 kept,")
    assert err == "out/frame_1.png was made with hints: it is kept; --overwrite replaces it.\n"
    assert contents(corrections) == corrected
    (corrections / "corr/frame_1.json").write_text(HINTS.replace("#c03020", "#2030c0"))
    assert recolor("colorize", "in", "--hints", "corr", "-o", "out")[1].startswith("1 done, 3 skipped")
    assert recolor("colorize", "in", "-o", "out", "--overwrite")[1].startswith("4 done, 0 skipped")
    assert contents(corrections) == automatic


def test_a_result_of_another_recipe_is_kept(recolor, folder):
    reference = ("-r", "ref.jpg", "-m")
    recolor("colorize", "in", *reference, "histogram", "-o", "out")
    before = contents(folder)
    code, out, err = recolor("colorize", "in", *reference, "wavelet", "-o", "out")
    assert (code, out[:36]) == (0, "0 done, 0 skipped, 0 failed, 4 kept,")
    assert err.startswith("out/frame_0.png was made by histogram: it and 3 more, made by another recipe, are kept;")
    assert err.count("\n") == 1
    assert contents(folder) == before
    for flags in (("--histogram.mode", "rgb"), ("--strength", "0.5"), ("-r", "in/frame_0.png")):
        assert " 4 kept," in recolor("colorize", "in", *reference, "histogram", *flags, "-o", "out")[1]
    assert recolor("colorize", "in", *reference, "wavelet", "-o", "out", "--overwrite")[1].startswith("4 done")
    assert contents(folder) != before


def test_what_was_changed_by_hand_and_what_no_run_made_is_kept_and_the_rest_goes_on(recolor, folder):
    (folder / "out").mkdir()
    (folder / "out/frame_2.png").write_bytes((folder / "old.png").read_bytes())
    command = ("colorize", "in", "-r", "ref.jpg", "-m", "histogram", "-o", "out")
    code, out, err = recolor(*command)
    assert (code, out[:36]) == (0, "3 done, 0 skipped, 0 failed, 1 kept,")
    assert err == ("out/frame_2.png was not made by a run recorded beside it: it is kept; --overwrite replaces it.\n")
    (folder / "out/frame_0.png").write_bytes((folder / "old.png").read_bytes())
    code, out, err = recolor(*command, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["output"] for line in lines if line.get("status") == "kept"] == ["out/frame_0.png", "out/frame_2.png"]
    assert lines[-1]["summary"]["skipped"] == 2
    assert "out/frame_0.png was changed after it was made: it and 1 more" in err
    assert (folder / "out/frame_0.png").read_bytes() == (folder / "old.png").read_bytes()
    assert recolor(*command, "-q")[2] == ""


def test_the_only_result_is_not_put_over_a_file_of_no_run(recolor, folder):
    (folder / "new.png").write_bytes(b"mine")
    code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "-m", "histogram", "-o", "new.png")
    assert code == 2
    assert err.startswith("recolor colorize: new.png exists and was not made by a run recorded beside it")
    assert (folder / "new.png").read_bytes() == b"mine"


def test_with_a_reference_too_targets_without_hints_are_colored_without(recolor, corrections, entries):
    quick = ("-r", "ref.jpg", "-o", "out")
    assert recolor("colorize", "in", *quick)[1].startswith("4 done")
    before = contents(corrections)
    code, out, _ = recolor("colorize", "in", *quick, "--hints", "corr")
    assert (code, out[:29]) == (0, "1 done, 3 skipped, 0 failed, ")
    assert [a == b for a, b in zip(before, contents(corrections))] == [True, False, True, True]
    assert entries("out")[-1]["method"] == "semi_interactive"
    assert recolor("colorize", "in", "-r", "ref.jpg", "--hints", "corr", "-o", "anew")[1].startswith("4 done")
    assert contents(corrections, "anew") == contents(corrections)
    assert [line["method"] for line in entries("anew")].count("correspondence") == 3


def test_frames_of_a_clip_that_were_changed_by_hand_are_kept(recolor, corrections):
    (corrections / "in/sub/photo.jpg").unlink()
    (corrections / "in/sub").rmdir()
    command = ("colorize", "in", "--hints", "corr", "--sequence", "-o", "out", "--film.side", "32")
    assert recolor(*command)[1].startswith("3 done")
    (corrections / "out/frame_0.png").write_bytes((corrections / "old.png").read_bytes())
    (corrections / "corr/frame_1.json").write_text(HINTS.replace("#c03020", "#2030c0"))
    code, out, err = recolor(*command)
    assert (code, out[:6]) == (0, "2 done")
    assert "out/frame_0.png was changed after it was made: it is kept" in err
    assert (corrections / "out/frame_0.png").read_bytes() == (corrections / "old.png").read_bytes()

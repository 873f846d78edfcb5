"""Films that are colored by words, from the command line."""

import json

import numpy as np
import pytest
import torch

pytest.importorskip("av")
from film.clips import make_clip
from skimage import data

from recolor_torch.film import probe_film, read_frames
from recolor_torch.film.planes import planes_to_chroma
from recolor_torch.resize import resize

FRAMES, SIZE = 4, (96, 96)
COMMAND = ("colorize", "in.mkv", "--film.codec", "ffv1", "--film.side", 48, "--network.copies", 1)
FACE = (slice(None), slice(12, 24), slice(40, 50))


@pytest.fixture(autouse=True)
def network(network_path, monkeypatch):
    monkeypatch.setenv("RECOLOR_NETWORK", str(network_path))


@pytest.fixture
def film(folder):
    """A shot of a woman in a suit and one of a gray wall, 4 frames each."""
    woman = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None] / 255
    views = resize(woman, (110, 110)).mean(1)[0].clamp(0, 1), torch.linspace(0.9, 0.3, 110).expand(110, 110)

    def texture(index, width, height, depth):
        shot, t = divmod(index, FRAMES)
        return (16 + 219 * views[shot][t : t + height, t : t + width]).round().numpy().astype(np.uint8)

    make_clip(folder / "in.mkv", 2 * FRAMES, SIZE, pix_fmt="yuv444p", space=6, texture=texture)
    (folder / "shots.csv").write_text(f"first\n0\n{FRAMES}\n")
    return folder


def chroma_of(path):
    info = probe_film(path)
    return torch.cat([planes_to_chroma(f.planes, info, SIZE) for f in read_frames(info)])


def test_a_thing_of_a_film_is_colored_and_what_is_not_found_is_said(recolor, film, entries):
    words = ("--text", "blue face, green elephant, qwerty", "--shots", "shots.csv")
    code, out, err = recolor(*COMMAND, *words, "-o", "out.mkv")
    assert (code, out[:6]) == (0, "1 done")
    found = chroma_of(film / "out.mkv")
    assert all(float(found[t][FACE][0].mean()) > 0.04 for t in range(FRAMES))  # blue on every frame
    said = [
        "text: the word 'qwerty' is not known.",
        "text: 'green elephant' was not used: no elephant was found.",
        "text: 'blue face' was not used: no face was found (shot 1).",
    ]
    (entry,) = entries(".")
    assert set(said) <= set(entry["notes"])
    assert all(err.count(f"in.mkv: {note}\n") == 1 for note in said)
    assert (entry["text"]["words"], len(entry["text"]["finder"])) == ("blue face, green elephant, qwerty", 64)
    assert [(part["looks"], said[1] in part["missing"]) for part in entry["parts"]] == [(2, True), (2, True)]
    assert "1 skipped" in recolor(*COMMAND, *words, "-o", "out.mkv")[1]
    assert "was made otherwise and is kept" in recolor(*COMMAND, "--text", "red face", "-o", "out.mkv")[2]


@pytest.mark.slow
def test_two_processes_color_what_one_does(recolor, film):
    for count in (1, 2):
        args = ("--text", "blue face", "--shots", "shots.csv", "--film.processes", count, "-o", f"{count}.mkv")
        assert recolor(*COMMAND, *args)[0] == 0
    assert (film / "1.mkv").read_bytes() == (film / "2.mkv").read_bytes()


def test_parts_of_another_text_are_not_taken_up(recolor, film, monkeypatch):
    from recolor_torch.cli.films import _Screen

    work, step, begun = film / ".out.mkv.recolor-work", _Screen.step, []

    def look(self, job, progress):
        begun.append((work / "part-00000.packets").exists())
        if begun[-1] and not begun[0]:
            raise KeyboardInterrupt
        step(self, job, progress)

    def run(text, output):
        return recolor(*COMMAND, "--text", text, "--shots", "shots.csv", "-o", output)[0]

    assert run("red face", "red.mkv") == 0
    with monkeypatch.context() as patch:
        patch.setattr(_Screen, "step", look)
        assert run("blue face", "out.mkv") == 130
    assert (work / "part-00000.packets").exists()
    assert run("red face", "out.mkv") == 0
    assert (film / "out.mkv").read_bytes() == (film / "red.mkv").read_bytes()


def test_the_frames_of_a_clip_take_words_too(recolor, folder, entries):
    words = ("--text", "green elephant, qwerty")
    args = ("colorize", "in/frame_0.png", "in/frame_1.png", "in/frame_2.png", "--sequence", "-o", "out")
    code, out, _ = recolor(*args, *words, "--dry-run")
    assert (code, "text  'green elephant' colors what is found as elephant" in out) == (0, True)
    code, _, err = recolor(*args, *words)
    said = ["text: the word 'qwerty' is not known.", "text: 'green elephant' was not used: no elephant was found."]
    assert (code, [err.count(note) for note in said]) == (0, [1, 1])
    lines = entries("out")
    assert [(e["notes"][-2:], e["text"]["words"]) for e in lines] == [(said, words[1])] * 3
    assert recolor(*args, *words)[1].startswith("0 done, 3 skipped")
    (folder / "pairs.csv").write_text("target,reference,text\n" + "".join(f"{a},,red hat\n" for a in args[1:4]))
    code, _, err = recolor("colorize", "--pairs", "pairs.csv", "--sequence", "-o", "again")
    assert (code, "A clip has one text" in err) == (2, True)
    assert not (folder / "again").exists()


def test_a_dry_run_says_what_is_understood(recolor, film):
    code, out, _ = recolor(*COMMAND, "--text", "blue gown", "-o", "out.mkv", "--dry-run")
    assert (code, "text  'blue gown' colors what is found as dress" in out, "8 frames in" in out) == (0, True, True)


@pytest.mark.parametrize("args", [("--text", "qwerty"), ("--text", "red face", "-m", "levin", "--hints", "old.png")])
def test_a_text_that_cannot_be_used_is_refused(recolor, film, args):
    code, _, err = recolor(*COMMAND[:-2], *args, "-o", "out.mkv")
    assert (code, "names no color" in err or "does not read a text" in err) == (2, True)


def test_strokes_come_before_words(recolor, film):
    point = {"x": 45, "y": 14, "radius": 2, "color": "#dd2211"}
    (film / "strokes.json").write_text(json.dumps({"size": [96, 96], "points": [point]}))
    args = ("--text", "blue face", "--shots", "shots.csv", "--hints", "strokes.json")
    assert recolor(*COMMAND, *args, "-o", "out.mkv")[0] == 0
    found = chroma_of(film / "out.mkv")[0]
    assert float(found[1, 14, 45]) > 0.1
    assert float(found[0, 28, 44]) > 0.04  # the other end of the face

"""Colors by words, from the command line."""

import json

import pytest

from recolor_torch.text_guidance import regions


@pytest.fixture(autouse=True)
def network(network_path, monkeypatch):
    monkeypatch.setenv("RECOLOR_NETWORK", str(network_path))


def test_a_text_is_in_the_record_and_its_notes_are_said(recolor, folder, entries):
    args = ("colorize", "old.png", "--text", "green elephant, qwerty", "-o", "new.png", "--save-stages")
    code, _, err = recolor(*args)
    assert code == 0
    (entry,) = entries(".")
    assert entry["text"]["words"] == "green elephant, qwerty"
    assert len(entry["text"]["finder"]) == 64
    assert "text: the word 'qwerty' is not known." in entry["notes"]
    assert err.count("text: the word 'qwerty' is not known.") == 1
    assert (folder / "new.png.stages" / "text_1_elephant.png").is_file()
    assert "1 skipped" in recolor(*args)[1]
    other = ("colorize", "old.png", "--text", "red elephant", "-o", "new.png")
    assert "was made with another text" in recolor(*other)[2]
    assert "1 done" in recolor(*other, "--overwrite")[1]
    assert "was made with a text" in recolor("colorize", "old.png", "-o", "new.png")[2]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--text", "qwerty"), "names no color for a thing"),
        (("--text", ""), "names no color for a thing"),
        (("--text", "red dress", "-m", "histogram", "-r", "ref.jpg"), "does not read a text"),
        (("--text", "red dress, " * 900), "at most are read"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_before_any_work(recolor, folder, args, words):
    code, _, err = recolor("colorize", "old.png", *args, "-o", "new.png")
    assert (code, err.count("\n")) == (2, 1)
    assert words in err
    assert not (folder / "run.jsonl").exists()


def test_a_dry_run_and_a_folder(recolor, folder, entries):
    code, out, _ = recolor("colorize", "in", "--text", "red dress", "-o", "out", "--dry-run")
    assert (code, "by network; nothing" in out) == (0, True)
    assert "text  'red dress' colors what is found as dress" in out
    assert recolor("colorize", "in", "--text", "red dress", "-o", "out", "-q")[0] == 0
    assert [e["text"]["words"] for e in entries("out")] == ["red dress"] * 4
    _, _, err = recolor("colorize", "in", "--text", "red dress, qwerty", "-o", "again")
    assert err.count("'qwerty' is not known") == 1  # for all pictures


def test_each_target_of_a_list_has_its_own_text(recolor, folder, entries):
    (folder / "pairs.csv").write_text("target,reference,text\nold.png,,red dress\nin/frame_0.png,,blue sky\n")
    assert recolor("colorize", "--pairs", "pairs.csv", "-o", "out")[0] == 0
    assert {e["target"]: e["text"]["words"] for e in entries("out")} == {
        "old.png": "red dress",
        "in/frame_0.png": "blue sky",
    }
    (folder / "pairs.csv").write_text("target,reference,text\nold.png,,zither\n")
    code, _, err = recolor("colorize", "--pairs", "pairs.csv", "-o", "out")
    assert (code, "pairs.csv, line 2: The text names no color" in err) == (2, True)


def test_a_config_has_it_too(recolor, folder, entries):
    config = {"data": {"init_args": {"targets": ["old.png"], "output": "new.png", "text": "red dress"}}}
    (folder / "c.yaml").write_text(json.dumps(config))
    assert recolor("colorize", "--config", "c.yaml", "old.png", "-o", "new.png")[0] == 0
    assert entries(".")[0]["text"]["words"] == "red dress"


def test_a_copy_without_the_finder_says_so(recolor, folder, monkeypatch):
    from recolor_torch.methods.words import region_finder

    region_finder.cache_clear()
    monkeypatch.setattr(regions, "WORDS", folder / "none.safetensors")
    code, _, err = recolor("colorize", "old.png", "--text", "red dress", "-o", "new.png")
    region_finder.cache_clear()
    assert (code, err.count("\n")) == (4, 1)
    assert "without its finder" in err

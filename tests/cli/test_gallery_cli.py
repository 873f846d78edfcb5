import json
import subprocess
import sys

import pytest
from pictures import save_picture

from recolor_torch.cli import main


@pytest.fixture
def run(folder, capsys, monkeypatch, vgg19_path):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RECOLOR_VGG19", str(vgg19_path))

    def call(*args):
        code = main(["gallery", *[str(a) for a in args]])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def built(run):
    assert run("build", "g", "in", "--side", 48, "--workers", 0)[0] == 0
    return "g"


def test_build_update_query(folder, run):
    (folder / "in/broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    code, out, err = run("build", "g", "in", "--side", 48, "--workers", 0)
    assert code == 3
    assert out.startswith("4 added, 0 changed, 0 gone, 1 unreadable; 4 pictures in g, ")
    assert err.startswith(f"{folder}/in/broken.jpg: ")
    code, out, _ = run("update", "g", "--weights", "nowhere.safetensors")  # nothing to compute, nothing is loaded
    assert (code, out[:27]) == (0, "0 added, 0 changed, 0 gone,")
    code, out, _ = run("query", "g", "in/frame_1.png", "in/sub", "-k", 2)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "in/frame_1.png"
    assert lines[1] == f"    1.000  {folder}/in/frame_1.png"
    assert lines[3].startswith("in/sub/photo.jpg")
    assert len(lines) == 6
    code, out, _ = run("info", "g", "--skipped")
    assert "pictures     4" in out
    assert "1 unreadable, 0 removed" in out
    assert "none: it needs 256 pictures or more" in out
    assert "broken.jpg: " in out
    code, out, _ = run("info", "g", "--json")
    assert json.loads(out)["pictures"] == 4
    assert run("verify", "g")[:2] == (0, "g is whole: 4 pictures, 8 vectors.\n")


def test_json_sheet_and_exact_distance(folder, run, built):
    code, out, err = run("query", built, "in", "-k", 3, "--json", "-o", "sheet.png")
    assert code == 0
    entries = [json.loads(line) for line in out.splitlines()]
    assert [e["query"] for e in entries] == ["in/frame_0.png", "in/frame_1.png", "in/frame_2.png", "in/sub/photo.jpg"]
    for entry in entries:
        assert len(entry["matches"]) == 3
        assert entry["matches"][0]["path"] == str(folder / entry["query"])
    assert (folder / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert err == "4 targets, in sheet.png\n"
    code, out, _ = run("query", built, "in/frame_2.png", "-k", 2, "--rerank", 4, "--rerank-layer", "conv_2")
    assert out.splitlines()[1].startswith("  distance 0.000  ")
    assert len(out.splitlines()) == 3


def test_remove_merge_and_several(folder, run, built):
    save_picture(folder / "more/x.png", seed=11)
    assert run("build", "h", "more", "--side", 48, "--workers", 0)[0] == 0
    out = run("query", "g", "more/x.png", "--also", "h", "-k", 9)[1]
    assert len(out.splitlines()) == 6
    assert out.splitlines()[1].endswith("more/x.png")
    assert run("remove", "g", "in/frame_1.png")[1] == "1 removed, 3 pictures are left in g\n"
    assert run("merge", "m", "g", "h")[:2] == (0, "4 pictures in m\n")
    assert run("verify", "m")[0] == 0


def test_damage_is_named(folder, run, built):
    path = next((folder / "g").glob("index-*.faiss"))
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    code, _, err = run("verify", "g")
    assert code == 3
    assert err.splitlines()[0] == f"g/{path.name} has other bytes than were written."


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("query", "nothing", "old.png"), 2, "nothing: there is no such folder; make one with recolor gallery build"),
        (("query", "g", "missing.png"), 2, "No such file or folder: missing.png"),
        (("query", "g", "old.png", "-k", 0), 2, "-k is 1 or more"),
        (("query", "g", "old.png", "-o", "x.jpg"), 2, "a sheet is written as .png or .svg"),
        (("query", "g", "old.png", "-o", "old.png"), 2, "old.png is an input"),
        (("query", "g", "old.png", "--rerank", 3, "--rerank-layer", "conv_77"), 2, "Unknown layer 'conv_77'"),
        (("query", "g", "old.png", "--rerank", 3, "--rerank-layer", "conv_9"), 4, "has only conv_1 to conv_5"),
        (("build", "g", "in"), 2, "is a gallery of 4 pictures already"),
        (("build", "h", "in", "--layers", "conv_9"), 4, "has only conv_1 to conv_5"),
        (("build", "h", "in", "--layers", "conv_x"), 2, "Unknown layer 'conv_x'"),
        (("build", "h", "nowhere"), 2, "No such file or folder"),
        (("build", "in", "in"), 2, "is not empty and holds no gallery"),
        (("build", "h", "in", "--index", "IVF1024,Flat", "--workers", 0), 2, "needs 1024 vectors or more"),
        (("build", "h", "in", "--index", "Nonsense"), 2, "faiss makes no index 'Nonsense'"),
        (("update", "h"), 2, "there is no such folder"),
        (("rebuild", "g"), 2, "unknown action 'rebuild'. Known actions: build, update"),
        (("query", "g", "old.png", "--sheet", "x"), 2, "unrecognized arguments"),
    ],
)
def test_mistakes_are_one_sentence(run, built, args, code, message):
    got, out, err = run(*args)
    assert (got, out) == (code, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_unreadable_target_does_not_stop_the_others(folder, run, built):
    (folder / "bad.png").write_bytes(b"\x89PNG no")
    code, out, err = run("query", "g", "bad.png", "old.png")
    assert code == 3
    assert "bad.png" in err
    assert out.startswith("old.png\n")


def test_help_of_every_action_has_an_example(run, capsys):
    for action in ("build", "update", "query", "info", "verify", "remove", "merge"):
        with pytest.raises(SystemExit) as stop:
            main(["gallery", action, "--help"])
        assert stop.value.code == 0
        assert f"  recolor gallery {action} " in capsys.readouterr().out


@pytest.mark.slow
def test_two_processes_share_a_build(folder, vgg19_path):
    command = [sys.executable, "-m", "recolor_torch", "gallery", "build", "g", "in", "--side", "48", "--workers", "0"]
    command += ["--device", "cpu", "--devices", "2", "--weights", str(vgg19_path)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.startswith("4 added")
    assert main(["gallery", "verify", str(folder / "g")]) == 0


def test_a_full_disk_is_one_sentence(monkeypatch, capsys):
    def fill(argv):
        raise OSError(28, "No space left on device", "pending/x")

    monkeypatch.setattr("recolor_torch.cli.gallery.run_build", fill)
    assert main(["gallery", "build", "g", "pictures"]) == 2
    assert "cannot write the gallery (No space left on device)" in capsys.readouterr().err

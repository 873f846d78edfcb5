"""Every verb over names that are legal and unexpected: the file is used, or one sentence; never a traceback."""

import io
import json
import os
import sys

import pytest
from pictures import save_picture

from recolor_torch.cli import main

BYTES = os.fsdecode(b"caf\xe9.png")
NAMES = [
    BYTES,
    "~old.png",
    "new\nline.png",
    "red\x1b[31m.png",
    "a$b$_^{.png",
    "Łódź 1931 フィルム.png",
    "%s {0}.png",
    "[a]*.png",
    "quo'te\".png",
    " space .png",
    "a" * 240 + ".png",
]


def possible(folder, name):
    try:
        (folder / name).touch()
    except OSError:
        return False
    return (folder / name).is_file()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a plain picture, a reference and hints, where the command runs."""
    monkeypatch.chdir(tmp_path)
    save_picture(tmp_path / "old.png", mode="L", seed=1)
    save_picture(tmp_path / "ref.png", 30, 20, seed=2)
    (tmp_path / "h.json").write_text(
        '{"size": [24, 16], "points": [{"x": 5, "y": 5, "radius": 2, "color": "#ff0000"}]}'
    )
    return tmp_path


@pytest.fixture
def recolor(capsys):
    """Run the command; the code, and what was said, which has to be printable letters a console can show."""

    def run(*args):
        code = main([str(a) for a in args])
        said = capsys.readouterr()
        for line in (said.out + said.err).splitlines():
            assert line.isprintable() or line.startswith("{") or "━" in line, line
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return run


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_colorize_with_the_name_in_every_role(name, place, recolor):
    if not possible(place, name):
        pytest.skip("this disk has no such names")
    save_picture(place / "in.png", seed=3).replace(place / name)
    (place / "h.json").rename(place / f"{name[:200]}.json")
    quick = ("-m", "histogram")
    assert recolor("colorize", name, "-r", "ref.png", *quick, "-o", "out/")[0] == 0
    assert (place / "out" / name).is_file()
    assert recolor("colorize", name, "-r", "ref.png", *quick, "-o", "out/")[1].startswith("0 done, 1 skipped")
    code, out, _ = recolor("colorize", name, "-r", "ref.png", *quick, "-o", "out/", "--json")
    assert (code, json.loads(out.splitlines()[0])["target"]) == (0, name)
    assert recolor("colorize", name, "-r", "ref.png", *quick, "-o", "dry/", "--dry-run")[0] == 0
    assert recolor("colorize", "old.png", "-r", name, *quick, "--target-mask", name, "-o", "b/")[0] == 0
    assert recolor("colorize", "old.png", "--hints", f"{name[:200]}.json", "-m", "levin", "-o", "c/")[0] == 0
    assert recolor("colorize", "old.png", "-r", "ref.png", *quick, "-o", f"d{name}")[0] == 0
    (place / "list.txt").write_text(name, "utf-8", "surrogateescape")
    listed = recolor("colorize", "--list", "list.txt", "-r", "ref.png", *quick, "-o", "e/")[0]
    assert listed == (2 if name == BYTES or name.strip() != name or "\n" in name else 0)


def test_a_folder_of_all_names(place, recolor):
    names = [name for name in NAMES if possible(place, name)]
    for k, name in enumerate(names):
        save_picture(place / "in.png", seed=k)
        (place / "in.png").rename(place / "scans.png")
        (place / "scans").mkdir(exist_ok=True)
        (place / "scans.png").rename(place / "scans" / name)
        (place / name).unlink(missing_ok=True)
    (place / "scans" / "cut.png").write_bytes((place / "old.png").read_bytes()[:90])
    code, out, err = recolor("colorize", "scans", "-r", "ref.png", "-m", "histogram", "-o", "out/", "--json")
    assert code == 3
    entries = [json.loads(line) for line in out.splitlines()]
    assert {e["target"] for e in entries if e.get("status") == "done"} == {f"scans/{name}" for name in names}
    assert "scans/cut.png: the file is cut short." in err
    assert recolor("evaluate", "scans", "--methods", "histogram", "--side", 16, "-o", "report")[0] == 3
    (place / "scans" / "cut.png").unlink()
    assert recolor("evaluate", "scans", "--methods", "histogram", "--side", 16, "-o", "report")[0] == 0
    assert (place / "report" / "index.html").read_bytes()


@pytest.mark.parametrize("name", [BYTES, "~old.png", "a$b$_^{.png", "red\x1b[31m.png"], ids=ascii)
def test_the_verbs_that_draw(name, place, recolor):
    if not possible(place, name):
        pytest.skip("this disk has no such names")
    save_picture(place / "in.png", seed=3).replace(place / name)
    given = ("-r", name)
    assert recolor("compare", name, *given, "--try", "histogram", "-o", f"c{name}")[0] == 0
    sweep = ("-m", "histogram", "--param", "smoothing=0,8")
    assert recolor("sweep", name, *given, *sweep, "-o", f"s{name}")[0] == 0
    assert recolor("plot", "histogram", name, *given, "-o", f"p{name}")[0] == 0
    assert recolor("hints", "show", "h.json", "--target", name)[0] == 0
    assert recolor("hints", "convert", "h.json", f"h{name}", "--target", name)[0] == 0
    assert recolor("hints", "show", f"h{name}")[0] == 0


@pytest.mark.parametrize("folder", [os.fsdecode(b"f\xe9"), "~f", "a$b$"], ids=ascii)
def test_galleries_in_such_folders(folder, place, recolor, vgg19_path):
    try:
        (place / folder).mkdir()
    except OSError:
        pytest.skip("this disk has no such names")
    for k, name in enumerate([BYTES, "a$b$_^{.png", "plain.png"]):
        if possible(place, name):
            save_picture(place / "in.png", seed=k).replace(place / folder / name)
    weights = ("--weights", vgg19_path)
    gallery = f"{folder}/g"
    assert recolor("gallery", "build", gallery, folder, *weights)[0] == 0
    assert recolor("gallery", "query", gallery, folder, *weights, "-o", f"{folder}/sheet.png")[0] == 0
    code, out, _ = recolor("gallery", "query", gallery, "old.png", *weights, "--json")
    assert (code, len(json.loads(out)["matches"])) == (0, 3)
    assert recolor("gallery", "info", gallery, "--skipped")[0] == 0
    assert recolor("gallery", "info", gallery, "--json")[0] == 0
    assert recolor("gallery", "verify", gallery)[0] == 0
    save_picture(place / folder / "more.png", seed=9)
    assert recolor("gallery", "update", gallery, *weights)[0] == 0
    out = recolor("colorize", "old.png", "--gallery", gallery, "-m", "histogram", *weights, "-o", "out/")
    assert out[0] == 0
    assert recolor("gallery", "remove", gallery, f"{folder}/plain.png")[0] == 0


@pytest.mark.parametrize("args", [("colorize", "", "-r", "ref.png"), ("evaluate", ""), ("gallery", "build", "g", "")])
def test_an_empty_name_is_not_the_current_folder(args, place, recolor):
    code, _, err = recolor(*args, *(("-o", "out/") if args[0] != "gallery" else ()))
    assert (code, "empty" in err) == (2, True)


LONG = "n" * 300 + ".png"
MISSING = [LONG, "~nobody/x.png", "no\0body.png", "old.png/x.png", "ha\udcfflf.png"]


@pytest.mark.parametrize("name", MISSING, ids=[ascii(n[:9]) for n in MISSING])
@pytest.mark.parametrize(
    "command",
    [
        "colorize NAME -r ref.png -m histogram -o out/",
        "colorize old.png -r NAME -m histogram -o out/",
        "colorize old.png -r ref.png --reference-mask NAME -m histogram -o out/",
        "colorize old.png -r ref.png --target-mask NAME -m histogram -o out/",
        "colorize old.png --hints NAME -m levin -o out/",
        "colorize --list NAME -r ref.png -m histogram -o out/",
        "colorize --pairs NAME -m histogram -o out/",
        "colorize old.png -r ref.png -m histogram --config NAME -o out/",
        "colorize old.png --gallery NAME -m histogram -o out/",
        "colorize old.png -m network --weights NAME -o out/",
        "compare NAME -r ref.png -o sheet.png",
        "compare old.png -r NAME -o sheet.png",
        "compare old.png -r ref.png --hints NAME -o sheet.png",
        "compare old.png -r ref.png --truth NAME -o sheet.png",
        "sweep NAME -r ref.png -m histogram --param smoothing=0 -o sheet.png",
        "tune NAME -m histogram -o best.yaml",
        "evaluate NAME --methods histogram -o report",
        "plot histogram NAME -r ref.png -o p.png",
        "hints show NAME",
        "hints convert NAME out.json",
        "gallery build g NAME",
        "gallery info NAME",
        "gallery verify NAME",
        "gallery update NAME",
        "gallery merge m NAME",
    ],
)
def test_what_is_not_there_is_one_sentence(command, name, place, recolor):
    args = [name if word == "NAME" else word for word in command.split()]
    code, _, err = recolor(*args)
    assert code in (2, 4), err
    assert len(err.splitlines()) == 1, err
    assert not (place / "out").exists() or not list((place / "out").iterdir())


@pytest.mark.parametrize("name", [LONG, "no\0body.png"], ids=["long", "zero"])
@pytest.mark.parametrize(
    "command",
    [
        "colorize old.png -r ref.png -m histogram -o NAME",
        "colorize old.png -r ref.png -m histogram -o NAME/",
        "compare old.png -r ref.png --try histogram -o NAME",
        "sweep old.png -r ref.png -m histogram --param smoothing=0 -o NAME",
        "plot histogram old.png -r ref.png -o NAME",
        "hints convert h.json NAME",
        "evaluate . --methods histogram --side 16 -o NAME",
        "gallery build NAME .",
    ],
)
def test_outputs_that_cannot_be_are_one_sentence(command, name, place, recolor):
    args = [word.replace("NAME", name) for word in command.split()]
    code, _, err = recolor(*args)
    assert code == 2, err
    assert len(err.splitlines()) == 1, err


def test_a_result_whose_name_is_too_long_fails_alone_every_time(place, recolor):
    save_picture(place / "scans" / f"{'a' * 245}.png")
    save_picture(place / "scans" / "b.png")
    for done in ("1 done, 0 skipped, 1 failed", "0 done, 1 skipped, 1 failed"):
        args = ("colorize", "scans", "-r", "ref.png", "-m", "histogram", "-o", "out/", "--suffix", "_colored")
        code, out, err = recolor(*args)
        assert (code, out.startswith(done)) == (3, True), out
        assert "the name is too long" in err or "File name too long" in err


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "shift_jis"])
def test_consoles_of_any_encoding(encoding, place, monkeypatch):
    names = ["Łódź.png", "フィルム.png"] + ([BYTES] if possible(place, BYTES) else [])
    for name in names:
        save_picture(place / "scan.png").replace(place / name)

    def run(*args):
        streams = {n: io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for n in ("stdout", "stderr")}
        with monkeypatch.context() as patch:
            for stream, wrapper in streams.items():
                patch.setattr(sys, stream, wrapper)
            code = main([str(a) for a in args])
        for wrapper in streams.values():
            wrapper.flush()
        return code, *(w.buffer.getvalue().decode(encoding) for w in streams.values())

    base = ("colorize", *names, "-r", "ref.png", "-m", "histogram")
    assert run(*base, "-o", "out/", "--dry-run")[0] == 0
    code, out, _ = run(*base, "-o", "out/", "--json")
    assert code == 0
    assert {json.loads(line).get("target") for line in out.splitlines()} == {*names, None}
    assert run(*base, "-o", "Łódź/")[0] == 0
    assert run("colorize", "フィルム2.png", "-r", "ref.png", "-m", "histogram", "-o", "x/")[0] == 2


@pytest.mark.parametrize("seed", ["-1", "4294967296", "99999999999999999999"])
@pytest.mark.parametrize("verb", ["colorize", "compare", "evaluate"])
def test_seeds_out_of_range(verb, seed, place, recolor):
    args = {
        "colorize": ("old.png", "-r", "ref.png", "-m", "histogram", "-o", "out/"),
        "compare": ("old.png", "-r", "ref.png", "--try", "histogram", "-o", "s.png"),
        "evaluate": (".", "--methods", "histogram", "-o", "report"),
    }[verb]
    code, _, err = recolor(verb, *args, "--seed", seed)
    assert (code, "--seed must be" in err) == (2, True)


def test_a_target_that_stands_apart_and_a_flag_that_does_not_exist(place, recolor):
    code, _, err = recolor("colorize", "old.png", "-r", "ref.png", "ref.png", "-m", "histogram", "-o", "out/")
    assert (code, len(err) < 200, "stands apart" in err) == (2, True, True)
    code, _, err = recolor("colorize", "old.png", "--overwite")
    assert (code, len(err) < 200, "Did you mean --overwrite?" in err) == (2, True, True)

"""Flags, their help and mistakes in them: what is read from the source is what an import would say."""

import inspect
import json
import re
from typing import get_type_hints

import pytest
from test_startup import run

from recolor_torch.cli import LIGHTNING, VERBS, main
from recolor_torch.cli import colorize as colorize_module
from recolor_torch.cli import lightning as lightning_module
from recolor_torch.cli.help import short_help
from recolor_torch.cli.parser import guess
from recolor_torch.cli.signatures import known_methods, outline, read_constant
from recolor_torch.cli.tune import TARGETS
from recolor_torch.errors import UsageError
from recolor_torch.evaluation.metrics import METRICS
from recolor_torch.evaluation.protocols import REFERENCES
from recolor_torch.film.settings import FilmSettings
from recolor_torch.lit import PictureDataModule
from recolor_torch.methods import METHODS


def same_signature(known, real):
    found, wanted = inspect.signature(known).parameters, inspect.signature(real).parameters
    hints = get_type_hints(real.__init__)
    assert list(found) == list(wanted)
    for name, parameter in found.items():
        assert parameter.default == wanted[name].default
        assert parameter.annotation == hints[name]
    assert inspect.getdoc(known) == inspect.getdoc(real)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_in_source_is_the_method_as_imported(name):
    same_signature(known_methods()[name], METHODS[name])


def test_methods_and_other_classes_are_found_in_source():
    assert list(known_methods()) == list(METHODS)
    same_signature(outline("recolor_torch.film.settings", "FilmSettings"), FilmSettings)
    same_signature(outline("recolor_torch.lit", "PictureDataModule"), PictureDataModule)
    assert read_constant("recolor_torch.evaluation.protocols", "REFERENCES") == REFERENCES
    judged = {"lpips", "same_class"}  # by weights that a user may not have
    assert list(TARGETS) == [n for n, m in METRICS.items() if m.better and m.needs_truth and n not in judged]
    with pytest.raises(LookupError, match="has no Nothing"):
        outline("recolor_torch.methods", "Nothing")


MISTAKES = [
    ("colorize a.png -o x --metod levin", "Did you mean --method?"),
    ("colorize a.png -o x --levin.sgma 1", "Did you mean --levin.sigma?"),
    ("colorize a.png -o x --sigma 1", "Did you mean --levin.sigma?"),
    ("colorize a.png -o x -m levn", "Did you mean levin?"),
    ("colorize a.png -o x --levin.sigma abc", "--levin.sigma must be a number, got abc."),
    ("colorize a.png -o x --histogram.mode rbg", "got rbg. Did you mean rgb?"),
    ("colorize a.png -o x --strength 2", "--strength must be in [0, 1], got 2."),
    ("colorize a.png -o x --workers -3", "Workers are 0 or more (-1 chooses), got -3."),
    ("colorize a.png -o x -m levin --wavelet.tiles 2", "the method is levin: choose with -m wavelet."),
    ("colorize a.png -o x --device gpu", "Unknown device 'gpu'."),
    ("colorize a.png -o x --config methods/histgram", "Did you mean methods/histogram?"),
    ("colorize a.png -o x --colour-by b.jpg", "recolor colorize --help lists the flags."),
    ("compare a.png -o s.png --try histgram", "Did you mean histogram?"),
    ('compare a.png -o s.png --try "histogram mod=rgb"', "Did you mean mode?"),
    ("sweep a.png -m levin --param sgma=1,2 -o s.png", "Did you mean sigma?"),
    ("tune photos -m levin --param sgma=1,2 -o s.yaml", "Did you mean sigma?"),
    ("evaluate photos --methods levin,histgram -o report", "Did you mean histogram?"),
    ("evaluate photos --count 0 -o report", "--count must be 1 or more, got 0."),
    ("gallery bild g p", "Did you mean build?"),
    ("gallery build g p --pooling men", "invalid choice: 'men'"),
    ("gallery query g a.png -k 0", "-k is 1 or more"),
    ("hints convert a.json b.png --form jsn", "invalid choice: 'jsn'"),
    ("plot histgram a.png", "Did you mean histogram?"),
    ("studio --prt 80", "Did you mean --port?"),
    ("colour a.png", "Did you mean colorize?"),
    ("fit --config train/unt", "Did you mean train/unet?"),
    ("fit --config train/unet --data.source [a]", "Did you mean --data.sources?"),
    ("fit --config train/unet --trainer.max_step 3", "Did you mean --trainer.max_steps?"),
    ("predict --config methods/levin --data.target [a]", "Did you mean --data.targets?"),
    ("predict --data.targets [a]", "Say what to run: --config methods/histogram,"),
    ("fit", "Say what to run: --config train/unet,"),
    ("predict --confg methods/levin", "Did you mean --config?"),
    ("validate --config train/unet --ckpt last.ckpt", "Did you mean --ckpt_path?"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_a_mistake_in_a_flag_is_one_sentence(words, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(split(words)) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert sentence in err
    assert "<class" not in err


def test_neither_mistakes_nor_help_import_torch(tmp_path):
    asked = [[verb, "--help"] for verb in VERBS] + [["colorize", "--help", "gram"], ["fit", "--help", "trainer"]]
    steps = [*asked, *(split(words) for words, _ in MISTAKES)]
    found = run(tmp_path, *steps)
    assert [code for code, _ in found] == [0] * len(asked) + [2] * len(MISTAKES)
    assert set(found[-1][1]) <= {"jsonargparse"}


def split(words):
    return [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', words)]


@pytest.mark.parametrize("verb", [v for v in VERBS if v not in ("gallery", "hints", "plot")])
@pytest.mark.parametrize("columns", [80, 120])
def test_the_help_of_a_verb_fits_on_a_screen(verb, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = shown(capsys, verb, "--help")
    assert len(text.splitlines()) <= 40 or verb not in ("colorize", *LIGHTNING)
    assert len(text.splitlines()) <= 60


def shown(capsys, *words):
    try:
        code = main(list(words))
    except SystemExit as stop:
        code = stop.code
    assert code == 0
    return capsys.readouterr().out


def test_the_short_help_has_the_flags_that_matter_and_says_where_the_others_are(capsys):
    text = shown(capsys, "colorize", "--help")
    assert all(re.search(rf"^  {flag}\b", text, re.MULTILINE) for flag in colorize_module.MAIN)
    assert "--precision" not in text
    assert "--help all" in text
    assert all(name in text for name in METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_help_with_every_setting(name, capsys):
    text = shown(capsys, "colorize", "--help", name)
    for setting in inspect.signature(METHODS[name]).parameters:
        assert re.search(rf"^  --{name}\.{setting}\b.*", text, re.MULTILINE)
    assert "<class" not in text
    assert "default: null" not in text


def test_help_all_has_every_flag(capsys):
    text = shown(capsys, "colorize", "--help", "all")
    flags = {flag for flag in colorize_module.make_parser()._option_string_actions if not flag.endswith("+")}
    own = {"-h", "--help", *(f"--{name}" for name in [*METHODS, "film"])}
    assert all(re.search(rf"(?<![\w-]){re.escape(flag)}\b", text) for flag in flags - own)


def test_help_of_a_flag_and_of_what_there_is_not(capsys):
    assert shown(capsys, "colorize", "--help", "strength").startswith("  --strength 0..1")
    assert main(["colorize", "--help", "histgram"]) == 2
    assert "Did you mean histogram?" in capsys.readouterr().err


@pytest.mark.parametrize("verb", LIGHTNING)
def test_what_the_short_help_of_lightning_names_is_there(verb):
    configs = {"fit": "train/unet", "test": "train/unet", "validate": "train/unet", "predict": "methods/histogram"}
    words = ["--config", configs[verb]]
    for flag in lightning_module.MAIN[verb]:
        if "." in flag:
            words += [flag.split()[0], "1"]
    lightning_module._check(verb, lightning_module._with_files(words))


def test_a_class_of_ones_own_is_no_mistake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(json.dumps({"model": {"class_path": "mine.Model"}, "data": {"class_path": "D"}}))
    words = lightning_module._with_files(
        ["--config=own.yaml", "--model.depth", "3", "--data.x=1", "--trainer.devices=2"]
    )
    lightning_module._check("fit", words)
    with pytest.raises(UsageError, match="recolor fit --help trainer"):
        lightning_module._check("fit", ["--trainer.nothing_like_it", "3"])


def test_guesses():
    assert guess(["--colour-target"], ["--color-target", "--seed"]) == " Did you mean --color-target?"
    assert guess(["--max_side"], ["--max-side"]) == " Did you mean --max-side?"
    assert guess(["--frobnicate"], ["--max-side", "--seed"]) == ""


def test_short_help_without_a_choice_of_flags_has_all(capsys):
    from recolor_torch.cli.parser import Parser

    parser = Parser(prog="recolor x", description="Text.")
    parser.add_argument("--deep", type=int, default=3, metavar="N", help="how deep")
    assert "--deep N" in short_help(parser, None)
    assert "(default: 3)" in short_help(parser, None)

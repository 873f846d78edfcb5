"""One reader of run descriptions: what colorize and predict say of a wrong value, and what they do with a right one."""

import json

import pytest
import yaml

RIGHT = """
model:
  class_path: recolor_torch.lit.RecolorModule
  init_args:
    method: {class_path: recolor_torch.methods.HistogramTransfer, init_args: {mode: rgb}}
data:
  class_path: recolor_torch.lit.PictureDataModule
  init_args: {targets: [in], references: [ref.jpg], output: out}
trainer: {accelerator: cpu, logger: false, enable_progress_bar: false}
"""


@pytest.fixture
def both(recolor, folder):
    """Run both faces on a config; returns their exit codes and what they say."""

    def run(text):
        file = folder / "c.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        first = recolor("colorize", "old.png", "-r", "ref.jpg", "-m", "histogram", "--config", "c.yaml", "-o", "o/")
        second = recolor("predict", "--config", "c.yaml")
        return first, second

    return run


def changed(place, value):
    """The right config with one value in another place."""
    config = yaml.safe_load(RIGHT)
    part = config
    *way, last = place.split(".")
    for key in way:
        part = part.setdefault(key, {})
    part[last] = value
    return yaml.safe_dump(config)


@pytest.mark.parametrize(
    ("place", "value", "must"),
    [
        ("data.init_args.batch_size", "x", 'must be a whole number, got "x"'),
        ("data.init_args.batch_size", None, "must be a whole number, got nothing"),
        ("data.init_args.batch_size", 0, "must be 1 or more, got 0"),
        ("data.init_args.batch_size", True, "must be a whole number, got true"),
        ("data.init_args.references", "abc", 'must be a list, each of it text or null, got "abc"'),
        ("data.init_args.reference_weights", 5, "must be a list, each of it a number or null, got 5"),
        ("data.init_args.overwrite", "perhaps", 'must be true or false, got "perhaps"'),
        ("data.init_args.ext", "gif", 'must be one of auto, png, jpg, webp, tif, got "gif"'),
        ("data.init_args.hints", {"a": 1}, 'must be text or null, got {"a": 1}'),
        ("data.init_args", [1], "must be a table of settings, got [1]"),
        ("data", 7, "must have the keys class_path and init_args, got 7"),
        ("model.init_args.strength", "abc", 'must be a number, got "abc"'),
        ("model.init_args.strength", 2, "must be in [0, 1], got 2"),
        ("model.init_args.max_side", -3, "must be 1 or more, got -3"),
        ("model.init_args.keep", "all", 'must be one of luma, none, got "all"'),
        ("model.init_args.method", 5, "must have a class_path, got 5"),
        ("model.init_args.method.init_args.smoothing", "much", 'got "much"'),
        ("model.init_args.method.init_args", "abc", 'must be a table of settings, got "abc"'),
        ("seed_everything", -5, "must be a whole number of 0 or more, got -5"),
        ("seed_everything", "now", 'must be a whole number of 0 or more, got "now"'),
        ("trainer.devices", 0, "must be 1 or more, a list of numbers, auto or -1, got 0"),
        ("trainer.accelerator", "foo", 'must be one of auto, cpu, gpu, cuda, mps, tpu, hpu, got "foo"'),
        ("trainer.callbacks", [3], "must be a list, each of it with class_path and init_args, got 3"),
        ("trainer", "fast", 'must be a table of settings, got "fast"'),
    ],
)
def test_a_wrong_value_is_named_with_file_and_key_by_both(both, place, value, must):
    for code, _, err in both(changed(place, value)):
        assert code == 2
        assert f"c.yaml: {place} must" in err or f"c.yaml: {place}" in err
        assert must in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"# caf\xe9\n", "it is not UTF-8, byte 5"),
        ("a: " + "[" * 5000, "c.yaml"),
        ("data: [", "Cannot read the config"),
    ],
)
def test_files_that_are_no_configs(both, text, words):
    for code, _, err in both(text):
        assert code == 2
        assert words in err
        assert err.count("\n") == 1


def test_the_shared_cases_of_wrong_types_are_refused(shared, both):
    files = sorted((shared / "cases/45_configs_of_wrong_types").glob("*.yaml"))
    assert len(files) >= 10
    for file in files:
        for code, _, err in both(file.read_bytes()):
            assert code == 2, file.name
            assert "c.yaml" in err
            assert err.count("\n") == 1


def test_a_right_config_does_the_same_in_both(recolor, folder, entries):
    (folder / "c.yaml").write_text(RIGHT)
    assert recolor("predict", "--config", "c.yaml")[0] == 0
    first = {p.name: p.read_bytes() for p in (folder / "out").rglob("*.png")}
    assert len(first) == 3
    assert recolor("colorize", "--config", "c.yaml", "-o", "other/")[0] == 0
    assert {p.name: p.read_bytes() for p in (folder / "other").rglob("*.png")} == first


def test_predict_writes_without_being_told_to(recolor, folder):
    """The config names no writer: what is computed is not thrown away."""
    (folder / "c.yaml").write_text(RIGHT)
    code, out, _ = recolor("predict", "--config", "c.yaml")
    assert (code, out.strip().splitlines()[-1]) == (0, "4 done, 0 skipped, 0 failed, in out")
    assert len((folder / "out/run.jsonl").read_text().splitlines()) == 4


def test_flags_of_predict_are_refused_in_one_sentence(recolor, folder):
    (folder / "c.yaml").write_text(RIGHT)
    code, _, err = recolor("predict", "--config", "c.yaml", "--data.batch_size", "x")
    assert code == 2
    assert "batch_size" in err
    assert err.count("\n") == 1
    assert recolor("predict", "--config", "c.yaml", "--trainer.devices", "0")[0] == 2


OWN = '''
from recolor_torch import Recolorizer


class Tinted(Recolorizer):
    """Gives every picture one tint.

    Args:
        red: red that is added.
    """

    def __init__(self, red: float = 0.1) -> None:
        super().__init__()
        self.red = red

    def forward(self, image, guide):
        return image + image.new_tensor([self.red, 0, 0]).view(1, 3, 1, 1)
'''


def test_a_method_of_the_users_own_by_class_path(recolor, folder, entries):
    (folder / "my_tints.py").write_text(OWN)
    name = "my_tints.Tinted"
    code, _, err = recolor("colorize", "old.png", "-m", name, "--Tinted.red", "0.3", "--keep", "none", "-o", "a.png")
    assert (code, err) == (0, "")
    assert entries(".")[0]["method"] == "Tinted"
    assert entries(".")[0]["parameters"] == {"red": 0.3}
    config = yaml.safe_load(RIGHT)
    config["model"]["init_args"] = {"method": {"class_path": name, "init_args": {"red": 0.3}}, "keep": "none"}
    config["data"]["init_args"] |= {"targets": ["old.png"], "references": []}
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    assert recolor("colorize", "--config", "c.yaml", "-o", "b.png")[0] == 0
    assert recolor("predict", "--config", "c.yaml")[0] == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert json.loads((folder / "out/run.jsonl").read_text())["parameters"] == {"red": 0.3}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("moment", "Unknown method 'moment'. Known methods: correspondence, gram"),
        ("no_module.Method", "No module named 'no_module'"),
        ("recolor_torch.methods.Nothing", "Nothing"),
        ("pathlib.Path", "pathlib.Path is no method"),
    ],
)
def test_an_unknown_method_lists_the_known_ones(recolor, name, words):
    code, _, err = recolor("colorize", "old.png", "-m", name, "-o", "a.png")
    assert code == 2
    assert words in err


@pytest.mark.parametrize("verb", ["colorize", "predict", "fit"])
def test_aliases_that_unfold_without_end_are_refused(recolor, folder, verb):
    lines = ["data: &a [x, x, x, x, x, x, x, x, x]"]
    for n in range(9):  # nine to the tenth values
        own, before = chr(ord("b") + n), chr(ord("a") + n)
        lines.append(f"{own}: &{own} [{', '.join(9 * [f'*{before}'])}]")
    (folder / "c.yaml").write_text("\n".join(lines))
    args = ("old.png", "-r", "ref.jpg", "-o", "out/") if verb == "colorize" else ()
    code, _, err = recolor(verb, *args, "--config", "c.yaml")
    assert code == 2
    assert "c.yaml: its aliases unfold to more than 100000 values" in err

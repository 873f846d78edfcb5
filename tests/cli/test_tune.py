"""``recolor tune`` through its command line, and the search space from signatures."""

import pytest
import yaml
from pictures import save_picture

from recolor_torch.errors import UsageError
from recolor_torch.evaluation.tuning import Choices, Range, default_space, read_space
from recolor_torch.methods import METHODS

pytest.importorskip("optuna", reason="searching takes Optuna: pip install 'recolor-torch[tune]'")

ARGS = ("tune", "photos", "-o", "best.yaml", "-m")


@pytest.fixture
def photos(folder):
    for n in range(4):
        save_picture(folder / f"photos/{n}.png", 40, 24, seed=n)
    return folder


def init_args(folder):
    config = yaml.safe_load((folder / "best.yaml").read_text())
    return config["model"]["init_args"]["method"]["init_args"]


def test_every_combination_is_tried_where_they_are_few(recolor, photos):
    code, out, err = recolor(*ARGS, "histogram", "--param", "mode=rgb,chroma,soft", "--param", "rank")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[-1] == "7 settings tried; the best, in best.yaml"
    values = {line.split("  ")[1]: float(line.split("  ")[0]) for line in lines[:7] if line[0].isdigit()}
    assert len(values) == 7
    found = float(lines[-3].split(": ")[1].split(",")[0])
    assert found == pytest.approx(min(values.values()))


def test_the_config_is_what_colorize_takes(recolor, photos):
    search = ("--param", "smoothing=1..30:log", "--trials", "3", "--metric", "psnr")
    code, _, _ = recolor(*ARGS, "histogram rank=true", *search)
    assert code == 0
    assert init_args(photos)["rank"] is True
    text = (photos / "best.yaml").read_text()
    assert text.startswith("# Settings found by recolor tune")
    assert "mean PSNR on the 2 others" in text
    code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "-o", "out/", "--config", "best.yaml")
    assert (code, err) == (0, "")
    assert "rank" in (photos / "out/run.jsonl").read_text()


def test_the_search_depends_on_the_seed_alone(recolor, photos):
    search = ("--param", "sigma=0.005..0.2:log", "--param", "neighbours=4,8", "--trials", "3", "--overwrite")
    outputs = [recolor(*ARGS, "levin", *search, "--seed", seed)[1] for seed in ("0", "0", "1")]
    assert outputs[0] == outputs[1] != outputs[2]


def test_settings_that_do_not_work_are_passed_over(recolor, photos):
    code, out, _ = recolor(*ARGS, "levin", "--param", "neighbours=4,5,8")
    assert code == 0
    assert "not possible  neighbours=5" in out


def test_broken_pictures_are_named(recolor, photos):
    (photos / "photos/broken.png").write_bytes(b"nothing")
    code, _, err = recolor(*ARGS, "histogram", "--param", "rank")
    assert code == 3
    assert "broken.png" in err


def test_types_give_the_space():
    assert default_space("histogram")["mode"] == Choices(
        ("auto", "chroma", "rgb", "yuv", "lab", "soft", "moments", "monge", "sliced")
    )
    assert "sequence" not in default_space("levin")
    for name in METHODS:
        assert all(isinstance(what, Choices) and len(what.values) > 1 for what in default_space(name).values())
    space = read_space("levin", ["sigma=0.01..0.1:log", "neighbours=4..8", "form"], float)
    assert space["sigma"] == Range(0.01, 0.1, log=True)
    assert space["neighbours"] == Range(4, 8, whole=True)
    assert space["form"] == Choices(("report", "levin", "laplacian"))


@pytest.mark.parametrize("text", ["sigma=1..0", "sigma=a..b", "sigma=0..1:log", "sigma=0..1:cubic", "sigma=0..inf"])
def test_a_range_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="a range is written"):
        read_space("levin", [text], float)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("levin", "--param", "sigmo=1..2"), "levin has no setting 'sigmo'"),
        (("levin", "--param", "form=1..2"), "form is no number"),
        (("levin", "--param", "sigma"), "sigma is no choice among listed values"),
        (("levin", "--param", "sigma=1,,2"), "values are written NAME=a,b,c"),
        (("poisson",), "poisson has no setting whose type lists values"),
        (("levin form=levin", "--param", "form"), "levin has no setting whose type"),
        (("histogrm",), "Unknown method 'histogrm'"),
        (("levin", "--points", "0"), "a search takes two pictures or more"),
        (("levin", "--trials", "0"), "--trials must be 1 or more"),
    ],
)
def test_mistakes_are_one_sentence(recolor, photos, args, words):
    code, out, err = recolor(*ARGS, *args)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert not (photos / "best.yaml").exists()


def test_a_config_is_not_replaced_unasked(recolor, photos):
    (photos / "best.yaml").write_text("mine")
    code, _, err = recolor(*ARGS, "histogram")
    assert code == 2
    assert "best.yaml exists" in err
    assert "where the config goes" in recolor("tune", "photos", "-m", "histogram", "-o", "best.txt")[2]

"""``recolor colorize --gallery``: references found by themselves."""

import shutil

import pytest
import torch
from pictures import save_picture
from safetensors.torch import save_file

from recolor_torch.cli import main
from recolor_torch.features.layers import CHANNELS, feature_index
from recolor_torch.pictures import read_picture


@pytest.fixture(scope="session")
def random_vgg19(tmp_path_factory):
    """The first five convolutions with random weights: enough to tell pictures apart."""
    g = torch.Generator().manual_seed(0)
    state = {}
    for k in range(1, 6):
        before = 3 if k == 1 else CHANNELS[k - 2]
        weight = torch.randn(CHANNELS[k - 1], before, 3, 3, generator=g) * (2 / (9 * before)) ** 0.5
        state[f"features.{feature_index(k)}.weight"] = weight
        state[f"features.{feature_index(k)}.bias"] = torch.zeros(CHANNELS[k - 1])
    path = tmp_path_factory.mktemp("weights") / "vgg19.safetensors"
    save_file(state, path)
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory, random_vgg19):
    """A folder of six pictures beside the gallery of them."""
    place = tmp_path_factory.mktemp("built")
    for n in range(6):
        save_picture(place / f"photos/{n}.png", seed=n)
    args = [str(place / "photos.gallery"), str(place / "photos"), "--layers", "conv_4,conv_5", "-q"]
    assert main(["gallery", "build", *args, "--weights", str(random_vgg19)]) == 0
    return place


@pytest.fixture
def gallery(folder, recolor, built, random_vgg19, monkeypatch):
    monkeypatch.setenv("RECOLOR_VGG19", str(random_vgg19))
    shutil.copytree(built, folder, dirs_exist_ok=True)  # its paths are relative
    return "photos.gallery"


def test_a_target_gets_the_picture_that_is_most_like_it(folder, recolor, gallery, entries):
    # in/frame_2 is photos/2 pixel for pixel: the nearest is its own copy, in color.
    code, _, err = recolor(
        "colorize", "in/frame_2.png", "--gallery", gallery, "--gallery-count", 1, "-m", "histogram", "-o", "out"
    )
    assert code == 0, err
    (entry,) = entries("out")
    assert [r["path"] for r in entry["references"]] == [str(folder / "photos/2.png")]
    truth, result = read_picture(folder / "in/frame_2.png").image, read_picture(folder / "out/frame_2.png").image
    gray = truth.mean(1, keepdim=True).expand_as(truth)
    assert (result - truth).abs().mean() < (gray - truth).abs().mean()


def test_a_target_is_not_its_own_reference(folder, recolor, gallery, entries):
    code, _, err = recolor("colorize", "photos", "--gallery", gallery, "-m", "histogram", "-o", "out")
    assert code == 0, err
    for entry in entries("out"):
        assert entry["target"] not in {r["path"] for r in entry["references"]}
        assert len(entry["references"]) == 3


def test_the_same_command_skips_and_a_changed_gallery_does_not(folder, recolor, gallery):
    args = ("colorize", "in", "--gallery", gallery, "-m", "histogram", "-o", "out")
    assert "4 done" in recolor(*args)[1]
    assert "4 skipped" in recolor(*args)[1]
    save_picture(folder / "photos/new.png", seed=77)
    assert recolor("gallery", "update", gallery, "-q")[0] == 0
    assert "4 done" in recolor(*args)[1]


def test_pictures_that_are_gone_are_passed_over(folder, recolor, gallery, entries):
    (folder / "photos/2.png").unlink()
    code, _, err = recolor(
        "colorize", "in/frame_2.png", "--gallery", gallery, "--gallery-count", 2, "-m", "histogram", "-o", "out"
    )
    assert code == 0, err
    assert len(entries("out")[0]["references"]) == 2
    for n in (0, 1, 3, 4, 5):
        (folder / f"photos/{n}.png").unlink()
    code, _, err = recolor("colorize", "old.png", "--gallery", gallery, "-m", "histogram", "-o", "out")
    assert code == 3
    assert "old.png: the gallery has no picture for it that is still on the disk" in err


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("-r", "ref.jpg"), 2, "give either a gallery or references"),
        (("--gallery-count", "0"), 2, "1 reference or more from the gallery, got 0"),
        (("--weights", "gone.pth"), 4, "gone.pth: there is no such file"),
    ],
)
def test_mistakes_are_one_sentence(recolor, gallery, args, code, said):
    result = recolor("colorize", "old.png", "--gallery", gallery, "-m", "histogram", "-o", "new.png", *args)
    assert result[0] == code
    assert said in result[2]
    assert len(result[2].splitlines()) == 1


def test_weights_that_a_gallery_does_not_look_with_are_said_to_be_of_no_use(folder, recolor, random_vgg19, caplog):
    for n in range(3):
        save_picture(folder / f"photos/{n}.png", seed=n)
    for action in (("build", "g", "photos"), ("query", "g", "old.png")):
        code, _, err = recolor("gallery", *action, "--weights", random_vgg19)
        assert code == 0, err
        assert "VGG-19 has no use in it" in caplog.text
        caplog.clear()
        code, _, err = recolor("gallery", *action, "--weights", "gone.pth", *(["--overwrite"] * (action[0] == "build")))
        assert code == 4
        assert "gone.pth: there is no such file" in err
    code, _, err = recolor(
        "colorize", "old.png", "--gallery", "g", "-m", "histogram", "--weights", "gone.pth", "-o", "n"
    )
    assert code == 4
    assert "gone.pth: there is no such file" in err


def test_no_such_gallery(recolor, random_vgg19, monkeypatch):
    monkeypatch.setenv("RECOLOR_VGG19", str(random_vgg19))
    code, _, err = recolor("colorize", "old.png", "--gallery", "none", "-m", "histogram", "-o", "new.png")
    assert code == 2
    assert "none" in err


def test_an_output_is_never_a_picture_of_the_gallery(folder, recolor, gallery):
    before = (folder / "photos/2.png").read_bytes()
    code, _, err = recolor(
        "colorize", "in/frame_2.png", "--gallery", gallery, "-m", "histogram", "-o", "photos/2.png", "--overwrite"
    )
    assert code == 2
    assert "inputs are never overwritten" in err
    assert (folder / "photos/2.png").read_bytes() == before


def test_preprocessing_reaches_the_method(folder, recolor, random_vgg19, entries):
    code, _, err = recolor(
        *("colorize", "old.png", "-r", "ref.jpg", "-m", "correspondence", "-o", "out"),
        *("--weights", random_vgg19, "--vgg-preprocessing", "caffe"),
    )
    assert code == 0, err
    assert entries("out")[0]["parameters"]["vgg_preprocessing"] == "caffe"
    code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "-m", "histogram", "-o", "o", "--download")
    assert code == 2
    assert "histogram has no use for --download, which is for correspondence" in err

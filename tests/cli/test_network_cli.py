"""Color without any input, from the command line."""

import json

import pytest
import torch

from recolor_torch.networks import loading
from recolor_torch.pictures import read_picture

HINTS = {"size": [24, 16], "points": [{"x": 4, "y": 4, "radius": 1, "color": "#cc3333"}]}


@pytest.mark.parametrize(
    ("given", "method"),
    [
        ((), "network"),
        (("--hints", "hints.json"), "network"),
        (("-r", "ref.jpg"), "correspondence"),
        (("-r", "ref.jpg", "--hints", "hints.json"), "semi_interactive"),
    ],
)
def test_the_method_is_chosen_by_what_is_given(recolor, folder, network_path, monkeypatch, given, method):
    monkeypatch.setenv("RECOLOR_NETWORK", str(network_path))
    (folder / "hints.json").write_text(json.dumps(HINTS))
    code, out, _ = recolor("colorize", "old.png", *given, "-o", "new.png", "--dry-run")
    assert (code, f"by {method}; nothing" in out) == (0, True)


def test_hints_with_the_network_in_place_of_a_reference(recolor, folder, entries, network_path, monkeypatch):
    (folder / "hints.json").write_text(json.dumps(HINTS))
    args = ("colorize", "old.png", "-m", "semi_interactive", "--hints", "hints.json", "-o", "new.png", "--save-stages")
    monkeypatch.setenv("RECOLOR_NETWORK", str(network_path))
    assert recolor(*args)[0] == 0
    (entry,) = entries(".")
    assert entry["transfer"] == "NetworkColorization"
    assert len(entry["network"]) == 64
    assert "vgg19" not in entry
    assert (folder / "new.png.stages" / "prior.png").is_file()


@pytest.mark.parametrize("given", [(), ("-m", "semi_interactive", "--hints", "hints.json")])
def test_a_copy_without_weights_says_so(recolor, folder, monkeypatch, given):
    (folder / "hints.json").write_text(json.dumps(HINTS))
    monkeypatch.delenv("RECOLOR_NETWORK", raising=False)
    monkeypatch.setattr(loading, "SHIPPED", folder / "none.safetensors")
    code, _, err = recolor("colorize", "old.png", *given, "-o", "new.png")
    assert (code, err.count("\n")) == (4, 1)
    assert "comes without weights for its network" in err


def test_a_picture_alone_is_colored_by_the_network(recolor, folder, network_path, monkeypatch):
    monkeypatch.setenv("RECOLOR_NETWORK", str(network_path))
    code, out, _ = recolor("colorize", "old.png", "-o", "new.png")
    assert (code, ", network, in new.png" in out) == (0, True)
    new = read_picture("new.png").image
    assert (new.amax(1) - new.amin(1)).mean() > 0.005


def test_samples_come_on_a_sheet(recolor, folder, network_path):
    args = ["-m", "network", "--weights", str(network_path), "--network.samples", "3", "--network.head", "distribution"]
    code, _, _ = recolor("colorize", "old.png", "-o", "new.png", "--save-stages", *args)
    assert code == 0
    old, sheet = read_picture("old.png").image, read_picture("new.png.stages/samples.png").image
    assert sheet.shape[-1] > 2 * old.shape[-1]
    assert not torch.equal(sheet[..., : old.shape[-1]], sheet[..., -old.shape[-1] :])


def test_missing_and_wrong_weights_are_one_sentence(recolor, folder, network_path):
    code, _, err = recolor("colorize", "old.png", "-o", "new.png", "-m", "network", "--weights", "no.safetensors")
    assert (code, err.count("\n")) == (4, 1)
    assert "no.safetensors: there is no such file" in err
    named = ["--network.network", "eccv16", "--weights", str(network_path)]
    code, _, err = recolor("colorize", "old.png", "-o", "new.png", "-m", "network", *named)
    assert (code, err.count("\n")) == (2, 1)
    assert "holds no eccv16 network" in err

"""Colour without any input, from the command line."""

import torch

from recolor_torch.data import read_picture


def test_a_picture_alone_is_coloured_by_the_network(recolor, folder, network_path, monkeypatch):
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

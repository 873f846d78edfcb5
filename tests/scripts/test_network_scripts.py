"""Scripts around the network: they run, and their numbers are those of the package."""

import runpy
import sys

import pytest
import torch
from safetensors.torch import load_file

from recolor_torch.color import rgb_to_luminance
from recolor_torch.examples import FOLDER
from recolor_torch.networks.loading import load_network
from recolor_torch.pictures import read_picture


@pytest.fixture
def script(monkeypatch):
    """Run a script in this process; returns its exit code."""

    def run(name, *args):
        monkeypatch.setattr(sys, "argv", [name, *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_module(f"scripts.{name}", run_name="__main__")
        return stop.value.code

    return run


def test_points_are_evaluated_and_kept(script, tmp_path, network_path, capsys):
    color = FOLDER / "coffee_colour.jpg"
    args = [color, "-o", tmp_path, "--weights", network_path, "--counts", 0, 5]
    assert script("evaluations.eval_points", *args) == 0
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[0] == "picture,method,points,psnr"
    scores = {tuple(line.split(",")[1:3]): float(line.split(",")[3]) for line in lines[1:]}
    assert set(scores) == {(m, n) for m in ("gray", "levin", "network", "both") for n in ("0", "5")}
    assert scores["levin", "0"] == scores["gray", "0"] == scores["gray", "5"]
    assert scores["levin", "5"] > scores["gray", "5"]
    assert scores["both", "0"] == scores["network", "0"]
    # Gray by hand, with Pillow's resize in place of ours.
    truth = read_picture(color).image
    gray = rgb_to_luminance(truth).expand_as(truth)
    expected = -10 * (gray - truth).square().mean().log10()
    assert scores["gray", "0"] == pytest.approx(float(expected), abs=0.3)
    assert (tmp_path / "points.png").stat().st_size > 10_000
    before = (tmp_path / "scores.csv").read_bytes()
    capsys.readouterr()
    assert script("evaluations.eval_points", *args) == 0
    assert (tmp_path / "scores.csv").read_bytes() == before
    assert "1 of 1" not in capsys.readouterr().out
    assert script("evaluations.eval_points", color, "-o", tmp_path, "--weights", tmp_path / "no.pth") == 2


def test_bins_are_counted(script, tmp_path, capsys):
    assert script("training.bin_statistics", FOLDER, "-o", tmp_path / "bins.safetensors") == 0
    found = load_file(tmp_path / "bins.safetensors")
    assert found["counts"].sum() > 1000
    share = found["counts"] / found["counts"].sum()
    assert found["weights"][share.argmax()] == found["weights"].min() < 1
    assert found["weights"].max() > 5
    count = len(list(FOLDER.glob("*.jpg")))
    assert f"{count} pictures" in capsys.readouterr().out
    assert script("training.bin_statistics", tmp_path / "none.tar", "-o", tmp_path / "x") == 2


def test_a_network_is_exported(script, tmp_path, network_path, capsys):
    network, _ = load_network("unet", network_path)
    state = {f"averaged.module.{k}": v for k, v in network.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    assert script("training.export_network", tmp_path / "last.ckpt", "-o", tmp_path / "out.safetensors") == 0
    again, digest = load_network("unet", tmp_path / "out.safetensors")
    assert digest in capsys.readouterr().out
    torch.testing.assert_close(again.state_dict(), network.state_dict())
    assert script("training.export_network", tmp_path / "bins", "-o", tmp_path / "x") == 2


def test_samples_are_measured(script, tmp_path, network_path, monkeypatch):
    monkeypatch.setenv("RECOLOR_NETWORK", str(network_path))
    color = FOLDER / "coffee_colour.jpg"
    assert script("evaluations.eval_samples", color, "-o", tmp_path, "--side", 64, "--samples", 3) == 0
    header, row = (tmp_path / "samples.csv").read_text().splitlines()
    found = dict(zip(header.split(","), row.split(",")))
    assert float(found["best"]) >= float(found["mean"])
    assert float(found["best"]) >= float(found["first"])
    assert -1 <= float(found["where"]) <= 1
    assert 0 <= float(found["agree"]) <= 1
    assert (tmp_path / "sheet.jpg").stat().st_size > 1000
    assert script("evaluations.eval_samples", color, "-o", tmp_path, "--samples", 1) == 2

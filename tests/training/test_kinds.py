"""Training on scenes and on pairs of infrared pictures and photographs: data, losses, recipes."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recolor_torch.cli.lightning import main
from recolor_torch.errors import UsageError
from recolor_torch.networks import ColorUNet, Estimate, MultiPathNet
from recolor_torch.networks.loading import load_network
from recolor_torch.training.infrared import (
    InfraredTraining,
    Pair,
    PairDataModule,
    find_pairs,
    infrared_losses,
    read_pair,
    split_pairs,
)
from recolor_torch.training.scenes import UNKNOWN, LabeledDataModule, read_labels, scene_accuracy, scene_loss

CONFIGS = Path(__file__).parents[2] / "configs" / "train"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Blue pictures of a and orange ones of b, by name; their red channel serves as infrared."""
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(0)
    rows, entries = ["name,kind"], []
    (folder / "nir").mkdir()
    for i in range(20):
        base = np.array([30, 60, 140]) if i % 2 else np.array([240, 170, 90])
        pixels = np.clip(base + rng.normal(0, 12, (40, 48, 1)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
        Image.fromarray(pixels[..., 0]).save(folder / "nir" / f"{i:02}.png")
        rows.append(f"{i:02}.png,{'a' if i % 2 else 'b'}")
        entries.append({"rgb": f"../{i:02}.png", "input": f"{i:02}.png", "scene": str(i // 2)})
    (folder / "nir" / "labels.csv").write_text("\n".join(rows[:-4]))
    (folder / "nir" / "manifest.json").write_text(json.dumps({"pairs": entries}))
    return folder


def labeled(pictures, scenes, column="kind"):
    data = LabeledDataModule([str(pictures)], str(pictures / "nir" / "labels.csv"), column, size=32, side=40)
    data.trainer = Namespace(lightning_module=Namespace(network=MultiPathNet(scenes, width=2)))
    return data


def test_every_crop_has_the_label_of_its_picture(pictures):
    data = labeled(pictures, ("a", "b"))
    data.setup()
    stream = data.stream()
    blue = {0: True, 1: False}
    seen = set()
    for position in range(2 * len(stream)):
        crop, number = stream[position]
        mean = crop.float().mean((1, 2))
        assert number == UNKNOWN or bool(mean[2] > mean[0]) == blue[number]
        seen.add(number)
    assert seen >= {0, 1, UNKNOWN}
    assert len(data.held_back()) == len(data.validation)


def test_labels_that_fit_nothing_are_refused(pictures, tmp_path):
    with pytest.raises(UsageError, match="no picture has one of the network's scenes in the column kind: a, b"):
        labeled(pictures, ("sea",)).setup()
    with pytest.raises(UsageError, match="needs the columns name and label; label is missing"):
        labeled(pictures, ("a",), "label").setup()
    with pytest.raises(UsageError, match=r"no\.csv: cannot be read as a table of labels"):
        read_labels(tmp_path / "no.csv")
    data = labeled(pictures, ("a",))
    data.trainer.lightning_module.network = ColorUNet("lite0")
    with pytest.raises(UsageError, match="ColorUNet knows no scenes"):
        data.setup()


def test_unknown_scenes_count_nothing():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]], requires_grad=True)
    numbers = torch.tensor([0, 0, UNKNOWN])
    expected = torch.nn.functional.cross_entropy(logits[:2], numbers[:2], reduction="sum") / 3
    loss = scene_loss(logits, numbers)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert torch.equal(logits.grad[2], torch.zeros(2))
    assert scene_accuracy(logits, numbers).tolist() == [1.0, 0.0]
    assert scene_loss(logits[2:], numbers[2:]) == 0


def test_the_last_scenes_of_each_category_are_held_out():
    def pair(i, category, scene):
        return Pair(f"{category}{i:02}", Path(), Path(), None, category, f"{category}{scene}")

    pairs = [pair(i, "a", i // 2) for i in range(20)] + [pair(i, "b", i) for i in range(5)] + [pair(0, "c", 0)]
    training, aside = split_pairs(pairs[::-1], 0.2)
    assert [p.name for p in aside] == ["a16", "a17", "a18", "a19", "b04"]
    names = {p.name for p in training}
    assert not names & {"a14", "a15", "b03"}  # the scenes beside them
    assert names == {f"a{i:02}" for i in range(14)} | {"b00", "b01", "b02", "c00"}


def test_pairs_are_read_together(pictures, tmp_path):
    pair = find_pairs(pictures / "nir")[3]
    pixels = read_pair(pair, 24)
    assert pixels.shape == (20, 24, 5)
    truth = np.asarray(Image.open(pair.color).resize((24, 20), Image.Resampling.BICUBIC), np.float32)
    assert np.abs(pixels[..., :3] - truth).mean() < 1
    assert np.abs(pixels[..., 3] - truth[..., 0]).mean() < 1
    assert (pixels[..., 4] == 255).all()
    data = PairDataModule([str(pictures / "nir")], size=32, side=40)
    data.setup()
    crop = data.stream()[5]
    assert crop.shape == (5, 32, 32)
    assert (crop[0].int() - crop[3].int()).abs().max() <= 1  # cut at the same place
    Image.new("L", (9, 9)).save(tmp_path / "small.png")
    with pytest.raises(UsageError, match=r"small\.png has 9 x 9 pixels and .*03\.png has 48 x 40"):
        read_pair(Pair("x", tmp_path / "small.png", pair.color), 24)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read as a manifest"), ("{}", 'no list "pairs"'), ('[{"rgb": "a"}]', "entry 1: needs a path")],
)
def test_manifests_that_are_none(tmp_path, text, message):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        find_pairs(tmp_path)


def test_losses_see_only_the_mask():
    g = torch.Generator().manual_seed(0)
    image, given = torch.rand(2, 3, 16, 16, generator=g), torch.rand(2, 1, 16, 16, generator=g)
    mask = torch.zeros(2, 1, 16, 16)
    mask[..., :8] = 1
    chroma = torch.rand(2, 2, 16, 16, generator=g) - 0.5
    tone = torch.rand(2, 2, 16, 16, generator=g)

    def losses(noise):
        outside = noise * (1 - mask)
        return infrared_losses(
            Estimate(None, chroma + outside, chroma - outside, tone=tone + outside), given, image, mask
        )

    for name, value in losses(0.0).items():
        torch.testing.assert_close(value, losses(5.0)[name], msg=name)
    # Over half of the picture the mean is over that half.
    whole = infrared_losses(Estimate(None, chroma, chroma, tone=tone), given, image, torch.ones_like(mask))
    half = infrared_losses(Estimate(None, chroma, chroma, tone=tone), given, image, mask)
    assert 0.5 < half["tone"] / whole["tone"] < 2


def test_only_networks_for_infrared_are_trained_on_it():
    with pytest.raises(UsageError, match="InfraredTraining is for NearInfraredNet, got ColorUNet"):
        InfraredTraining(ColorUNet("lite0"))


def run_config(name, tmp_path, monkeypatch, *more):
    monkeypatch.chdir(tmp_path)
    args = ["fit", "--config", str(CONFIGS / f"{name}.yaml"), "--data.size", "32", "--data.side", "40"]
    args += ["--data.epoch", "8", "--data.batch_size", "4", "--trainer.check_val_every_n_epoch", "1"]
    args += ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false", "--trainer.max_steps", "2"]
    assert main([*args, *more]) == 0
    assert [p.name for p in (tmp_path / "training" / name / "samples").iterdir()] == ["step_0000002.png"]
    return tmp_path / "training" / name / "last.ckpt"


def test_the_multi_path_config_runs(pictures, tmp_path, monkeypatch):
    more = ["--data.sources", f'["{pictures}"]', "--data.labels", str(pictures / "nir" / "labels.csv")]
    more += ["--data.column", "kind", "--model.network.scenes", "[a,b]", "--model.network.width", "4"]
    file = run_config("multi_path", tmp_path, monkeypatch, *more)
    network, _ = load_network("multi_path", file)
    assert network.width == 4
    rows = (tmp_path / "training" / "multi_path" / "version_0" / "metrics.csv").read_text()
    assert "val/scene_accuracy" in rows


def test_the_infrared_config_runs(pictures, tmp_path, monkeypatch, network_path):
    more = ["--data.sources", f'["{pictures / "nir"}"]', "--model.start", str(network_path)]
    more += ["--model.network.widths", "[16,16,16,16,8]", "--model.network.encoder", "lite0"]
    file = run_config("near_infrared", tmp_path, monkeypatch, *more)
    network, _ = load_network("near_infrared", file)
    base, _ = load_network("unet", network_path)
    fixed = "attention.0.widen.weight"
    assert torch.equal(network.state_dict()[fixed], base.state_dict()[fixed])
    assert not torch.equal(network.mean[0].weight, base.mean[0].weight)

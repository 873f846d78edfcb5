"""The weights that the README and the configs name, in their files' own layout and format, found and used."""

import pytest
import torch

from recolor_torch.features.layers import BLOCKS, CHANNELS, feature_index
from recolor_torch.networks.published import EightBlockNet, UserGuidedNet

# Names and shapes of vgg19-dcbb9e9d.pth beside those of the convolutions.
CLASSIFIER = {0: (4096, 25088), 3: (4096, 4096), 6: (1000, 4096)}


def save_old(state, path):
    """As PyTorch before 1.6 saved: the file of torchvision's VGG-19 is of 2017."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path, _use_new_zipfile_serialization=False)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub cache with a VGG-19 of random numbers; the classifier, which nobody reads, has one number a tensor."""
    g = torch.Generator().manual_seed(0)
    state = {}
    for k in range(1, sum(BLOCKS) + 1):
        shape = (CHANNELS[k - 1], 3 if k == 1 else CHANNELS[k - 2], 3, 3)
        state[f"features.{feature_index(k)}.weight"] = torch.randn(shape, generator=g) * (2 / (9 * shape[1])) ** 0.5
        state[f"features.{feature_index(k)}.bias"] = torch.zeros(shape[0])
    for index, (rows, columns) in CLASSIFIER.items():
        state[f"classifier.{index}.weight"] = torch.zeros(1, 1).expand(rows, columns)
        state[f"classifier.{index}.bias"] = torch.zeros(rows)
    home = tmp_path_factory.mktemp("torch")
    save_old(state, home / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth")
    return home


@pytest.mark.parametrize(
    "command",
    [
        ("gram", "--gram.content", '{"conv_16": 1}', "--gram.style", '{"conv_1": 10}', "--gram.steps", 1),
        ("correspondence", "--correspondence.side", 32),
    ],
)
def test_torchvisions_file_is_found_and_used(recolor, entries, hub, monkeypatch, command):
    monkeypatch.delenv("RECOLOR_VGG19", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(hub))
    code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "-m", *command, "-o", "out/")
    assert (code, err) == (0, "")
    (entry,) = entries("out")
    assert len(entry["vgg19"]) == 64


@pytest.mark.parametrize(
    ("name", "cls", "file"),
    [
        ("eccv16", EightBlockNet, "colorization_release_v2-9b330a0b.pth"),
        ("siggraph17", UserGuidedNet, "siggraph17-df00044c.pth"),
    ],
)
def test_published_networks_as_their_files_are(recolor, entries, folder, name, cls, file):
    torch.manual_seed(0)
    save_old(cls().state_dict(), folder / file)
    options = ("-m", "network", "--network.network", name, "--weights", file)
    code, _, err = recolor("colorize", "old.png", *options, "-o", "out/")
    assert (code, err) == (0, "")
    assert entries("out")[0]["method"] == "network"


def test_a_file_that_will_not_do_is_one_sentence(recolor, folder):
    save_old({"features.0.weight": torch.eye(3).to_sparse()}, folder / "sparse.pth")
    for weights, words in (("sparse.pth", "is sparse"), ("old.png", "cannot be read as weights")):
        code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "-m", "gram", "--weights", weights, "-o", "x/")
        assert code == 2
        assert words in err
        assert err.count("\n") == 1

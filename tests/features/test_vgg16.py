"""VGG-16 beside VGG-19: the same names for the same convolutions, and none for those that it lacks."""

import pytest
import torch
from safetensors.torch import save_file
from vggs import random_features

from recolor_torch.errors import WeightsMissing
from recolor_torch.features import VGG19, find_vgg19
from recolor_torch.features.layers import paper_name

# The report's numbers of the 13 convolutions, and where torchvision has them.
PLACES = dict(zip((1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13, 14, 15), (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)))


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory):
    """A random VGG-16 of torchvision, and its file."""
    torch.manual_seed(4)
    features = random_features("D")
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    save_file({f"features.{k}": v.contiguous() for k, v in features.state_dict().items()}, path)
    return features, path


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_layers_are_those_of_torchvision(sixteen, pooling):
    features, path = sixteen
    names = [f"conv_{k}" for k in PLACES] + ["relu_15", "pool_9", "pool_17"]
    vgg = VGG19(find_vgg19(path, depth=15), names[:-1], pooling)
    image = torch.rand(1, 3, 64, 48)
    found = vgg(image)
    x = (image - vgg.mean) / vgg.std
    wanted = {}
    for i, layer in enumerate(features):
        if isinstance(layer, torch.nn.MaxPool2d) and pooling == "average":
            layer = torch.nn.AvgPool2d(2)
        x = torch.relu(x) if isinstance(layer, torch.nn.ReLU) else layer(x)
        wanted |= {f"conv_{k}": x for k, place in PLACES.items() if place == i}
        wanted |= {"pool_9": x} if i == 16 else {"relu_15": x} if i == 29 else {}
    for name in names[:-1]:
        torch.testing.assert_close(found[name], wanted[name], atol=1e-5, rtol=1e-4)


def test_file_forms(sixteen, tmp_path):
    features, path = sixteen
    whole = find_vgg19(path, depth=15)
    assert (whole.network, whole.depth, len(whole.convolutions)) == ("vgg16", 15, 13)
    assert whole.provenance() == {"vgg16": whole.digest}
    torch.save(features.state_dict(), tmp_path / "bare.pth")
    assert find_vgg19(tmp_path / "bare.pth", depth=15).digest == whole.digest
    paper = {f"{paper_name(k)}.{part}": v for k, i in PLACES.items() for part, v in parts(features[i])}
    torch.save(paper, tmp_path / "paper.pth")
    assert find_vgg19(tmp_path / "paper.pth", depth=15, preprocessing="torchvision").digest == whole.digest
    # The first seven are those of any VGG.
    assert find_vgg19(path, depth=7).network == "vgg19"
    assert whole.first(7).digest == find_vgg19(path, depth=7).digest


def parts(layer):
    return ("weight", layer.weight.detach()), ("bias", layer.bias.detach())


def test_what_it_lacks_is_said(sixteen):
    _, path = sixteen
    for depth, name in ((8, "conv3_4"), (12, "conv4_4"), (16, "conv5_4")):
        with pytest.raises(WeightsMissing, match=rf"holds VGG-16, which has no conv_{depth} \({name}\)"):
            find_vgg19(path, depth=depth)
    with pytest.raises(ValueError, match="VGG-16 has no conv_8"):
        VGG19(find_vgg19(path, depth=15), ["conv_8", "conv_9"])


def test_gradients_pass(sixteen):
    _, path = sixteen
    vgg = VGG19(find_vgg19(path, depth=9), ["conv_9"])
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    vgg(image)["conv_9"].square().mean().backward()
    step = 1e-3 * image.grad.sign()  # the way in which the loss grows most, so that it grows by more than it is rounded
    with torch.no_grad():
        up, down = (vgg(image + s)["conv_9"].square().mean() for s in (step, -step))
    assert float(((image.grad * step).sum() - (up - down) / 2).abs()) < 0.02 * float((up - down).abs() / 2)

"""LPIPS against torchmetrics' own, with random backbones: no weights are needed to compare the arithmetic."""

import pytest
import torch
import torchvision
from torchmetrics.functional.image.lpips import _LPIPS

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation import score
from recolor_torch.evaluation.lpips import Lpips

MODELS = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}


@pytest.fixture
def pictures():
    return torch.rand(2, 3, 70, 80, generator=torch.Generator().manual_seed(0)).split(1)


def weights(net, path):
    torch.manual_seed(0)
    # Of VGG-16 the classifier alone has half a gigabyte: only the features are looked at.
    features = getattr(torchvision.models, MODELS[net])(weights=None).features
    torch.save({f"features.{k}": v for k, v in features.state_dict().items()}, path)
    return features


@pytest.mark.parametrize("net", ["alex", "squeeze"])
def test_equals_torchmetrics(net, pictures, tmp_path):
    features = weights(net, tmp_path / "net.pth")
    peer = _LPIPS(pretrained=False, net=net, pnet_rand=True)
    ours = Lpips(tmp_path / "net.pth")
    assert ours.backbone == net
    own = list(features.state_dict().values())
    with torch.no_grad():
        for theirs, value in zip(peer.net.parameters(), own, strict=True):
            theirs.copy_(value)
        for k, layer in enumerate(peer.lins):
            layer.model[-1].weight.copy_(getattr(ours, f"linear_{k}"))
    expected = peer(*pictures, normalize=True)
    torch.testing.assert_close(ours(*pictures), expected.flatten())
    assert score(*pictures, pictures[0], ours)["lpips"] == pytest.approx(float(expected), rel=1e-4)
    assert float(ours(pictures[0], pictures[0])) == 0


def test_vgg16_is_that_of_torchvision(pictures, tmp_path):
    """The definition of Zhang et al., on torchvision's own module: torchmetrics makes the classifier too."""
    features = weights("vgg", tmp_path / "net.pth").eval()
    ours = Lpips(tmp_path / "net.pth")
    shift, scale = (torch.tensor(x).view(1, 3, 1, 1) for x in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    x, total, k = (torch.cat(pictures) * 2 - 1 - shift) / scale, 0.0, 0
    for i, layer in enumerate(features):
        x = layer(x)
        if i in (3, 8, 15, 22, 29):
            one, other = (x / (1e-8 + x.square().sum(1, keepdim=True)).sqrt()).chunk(2)
            total += ((one - other).square() * getattr(ours, f"linear_{k}")).sum(1).mean()
            k += 1
    assert float(ours(*pictures)) == pytest.approx(float(total), rel=1e-4)


def test_what_is_no_backbone_is_named(tmp_path):
    with pytest.raises(WeightsMissing, match=r"nope\.pth: there is no such file"):
        Lpips(tmp_path / "nope.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(UsageError, match=r"text\.pth cannot be read as weights"):
        Lpips(tmp_path / "text.pth")
    torch.save({"features.0.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match="neither AlexNet, VGG-16 nor SqueezeNet"):
        Lpips(tmp_path / "other.pth")
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "part.pth")
    with pytest.raises(UsageError, match="do not fit vgg16"):
        Lpips(tmp_path / "part.pth")

"""The Fréchet distance against SciPy, and the networks whose features it is taken of."""

import numpy as np
import pytest
import torch
import torchvision
from scipy.linalg import sqrtm

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.frechet import DeepFeatures, features_of, frechet_distance
from recolor_torch.evaluation.weights import find_weights


def by_scipy(x, y):
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(a @ b)
    return np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * np.real(root))


@pytest.mark.parametrize(("n", "m", "d"), [(50, 40, 6), (20, 30, 12)])
def test_it_is_that_of_the_covariances(n, m, d):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)), 0.5 + rng.normal(size=(m, d))
    assert frechet_distance(torch.tensor(x), torch.tensor(y)) == pytest.approx(by_scipy(x, y), rel=1e-8)


def test_fewer_vectors_than_dimensions():
    """Two sets in a plane of 100 dimensions have the distance that they have in the plane."""
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.normal(size=(100, 2)))[0]
    x, y = rng.normal(size=(8, 2)), 1 + 2 * rng.normal(size=(9, 2))
    found = frechet_distance(torch.tensor(x @ basis.T), torch.tensor(y @ basis.T))
    assert found == pytest.approx(by_scipy(x, y), rel=1e-8)
    assert frechet_distance(torch.tensor(x), torch.tensor(x[::-1].copy())) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="two pictures or more"):
        frechet_distance(torch.tensor(x[:1]), torch.tensor(y))


@pytest.fixture
def alexnet(tmp_path):
    torch.manual_seed(0)
    features = torchvision.models.alexnet(weights=None).features
    torch.save({f"features.{k}": v for k, v in features.state_dict().items()}, tmp_path / "alexnet.pth")
    return features, tmp_path / "alexnet.pth"


def test_alexnet_is_read_up_to_its_last_relu(alexnet):
    network = DeepFeatures(alexnet[1])
    x = torch.rand(2, 3, 70, 80, generator=torch.Generator().manual_seed(0))
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        expected = alexnet[0][:12]((x - mean) / deviation).mean((2, 3))
    torch.testing.assert_close(network(x), expected)
    assert network.name == "alexnet relu5, mean over all places"
    assert features_of([x[:1], torch.rand(1, 3, 20, 90)], network).shape == (1, 256)  # one is too small


class Peer(torch.nn.Module):
    """The pooling of FID's Inception written out for one block with averages."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        b = self.block
        pooled = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        double = b.branch3x3dbl_3(b.branch3x3dbl_2(b.branch3x3dbl_1(x)))
        return torch.cat([b.branch1x1(x), b.branch5x5_2(b.branch5x5_1(x)), double, b.branch_pool(pooled)], 1)


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    """The Inception network of FID with random weights, and its file."""
    torch.manual_seed(0)
    network = torchvision.models.inception_v3(
        weights=None, num_classes=1008, aux_logits=False, init_weights=False, transform_input=False
    ).eval()
    path = tmp_path_factory.mktemp("inception") / "pt_inception-2015-12-05-6726825d.pth"
    torch.save(network.state_dict(), path)
    return network, path


def test_the_blocks_of_inception_pool_as_fid_does(inception):
    network, path = inception
    ours = DeepFeatures(path)
    x = torch.rand(1, 192, 9, 9, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours.network.Mixed_5b(x), Peer(network.Mixed_5b)(x))
        found = ours(torch.rand(1, 3, 60, 80))
    assert found.shape == (1, 2048)
    assert ours.name == "Inception v3 of FID, pool3"
    last = torch.rand(1, 2048, 5, 5, generator=torch.Generator().manual_seed(1))
    pooled = network.Mixed_7c.branch_pool(torch.nn.functional.max_pool2d(last, 3, 1, 1))
    torch.testing.assert_close(ours.network.Mixed_7c(last)[:, -192:], pooled)


def test_weights_come_from_the_cache_by_name(inception, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"inception: there is no pt_inception-2015-12-05-\*\.pth or"):
        find_weights("inception")
    (tmp_path / "checkpoints").mkdir()
    link = tmp_path / "checkpoints" / inception[1].name
    link.write_bytes(b"")
    assert find_weights("inception") == link
    with pytest.raises(WeightsMissing, match="Names of those in torch's cache: alexnet, inception"):
        find_weights("resnet9000")


def test_other_networks_are_named(tmp_path):
    torch.save({"Mixed_7c.branch_pool.conv.weight": torch.zeros(1)}, tmp_path / "half.pth")
    with pytest.raises(UsageError, match=r"half\.pth: is an Inception network, but not that of FID"):
        DeepFeatures(tmp_path / "half.pth")
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match="neither the Inception network of FID nor AlexNet or VGG-16"):
        DeepFeatures(tmp_path / "other.pth")

import numpy as np
import pytest
import torch

from recolor_torch.methods import kriging
from recolor_torch.methods.kriging import NUGGET, SHARPNESS, Lacking, joined, krige, krige_elsewhere, lacking, sites_of


@pytest.fixture
def scene():
    """Two pictures of 6 x 8 pixels with features of 5 channels at half the size, and known places that differ."""
    g = torch.Generator().manual_seed(0)
    lacks = torch.randn(2, 2, 6, 8, generator=g, dtype=torch.float64)
    luminance = torch.rand(2, 1, 6, 8, generator=g, dtype=torch.float64)
    features = torch.randn(2, 5, 6, 8, generator=g, dtype=torch.float64)
    known = torch.zeros(2, 1, 6, 8, dtype=torch.float64)
    known[0, 0, 1, 2] = known[0, 0, 4, 6] = known[1, 0, 3, 3] = 1
    return lacks, known, luminance, features


def by_hand(lacks, known, luminance, features):
    """The formula, a pair of places at a time."""
    h, w = known.shape[-2:]
    cells = [(i, j) for i in range(h) for j in range(w)]
    mean = None if features is None else features.reshape(len(features), -1).mean(1)

    def cosine(u, v):
        return float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))

    def k(a, b):
        d2 = ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / max(h, w) ** 2
        y2 = (luminance[0][a] - luminance[0][b]) ** 2
        values = [
            np.exp(-d2 / (2 * distance**2) - (0.0 if difference is None else y2 / (2 * difference**2)))
            for distance, difference in ((0.05, None), (0.15, 0.15), (0.4, 0.15))
        ]
        if features is not None:
            s = cosine(features[:, *a], features[:, *b])
            c = cosine(features[:, *a] - mean, features[:, *b] - mean)
            values += [s**2, s**4, c, c**2]
        shares = kriging.SHARES[: len(values)]
        t = sum(share * value for share, value in zip(shares, values)) / sum(shares)
        return (1 - SHARPNESS) * t + SHARPNESS * t**2

    hinted = [c for c in cells if known[0][c] > 0]
    among = np.array([[k(a, b) for b in hinted] for a in hinted]) + NUGGET * np.eye(len(hinted))
    weights = np.linalg.solve(among, np.array([lacks[:, *c] for c in hinted]))
    return (np.array([[k(c, b) for b in hinted] for c in cells]) @ weights).T.reshape(2, h, w)


@pytest.mark.parametrize("with_features", [True, False])
def test_it_is_the_formula(scene, with_features):
    lacks, known, luminance, features = scene
    found = krige(lacks, known, luminance, features if with_features else None)
    for i in range(2):
        parts = [x[i].numpy() for x in (lacks, known, luminance)]
        expected = by_hand(*parts, features[i].numpy() if with_features else None)
        np.testing.assert_allclose(found[i].numpy(), expected, atol=1e-10)


def test_a_lone_place_has_its_value_less_the_nugget(scene):
    lacks, known, luminance, features = scene
    found = krige(lacks, known, luminance, features)
    torch.testing.assert_close(found[1, :, 3, 3], lacks[1, :, 3, 3] / (1 + NUGGET))


def test_nothing_known_is_nothing_lacking(scene):
    lacks, known, luminance, features = scene
    known = known * torch.tensor([1.0, 0.0], dtype=torch.float64).view(2, 1, 1, 1)
    found = krige(lacks, known, luminance, features)
    assert found[0].abs().max() > 0.1
    assert torch.equal(found[1], torch.zeros_like(found[1]))


def test_what_is_not_known_is_not_read(scene):
    lacks, known, luminance, features = scene
    spoiled = torch.where(known > 0, lacks, float("nan"))
    torch.testing.assert_close(krige(spoiled, known, luminance, features), krige(lacks, known, luminance, features))


def test_a_picture_is_the_same_alone(scene):
    lacks, known, luminance, features = scene
    features = features * torch.tensor([0.0, 1.0], dtype=torch.float64).view(2, 1, 1, 1)
    together = krige(lacks, known, luminance, features)
    assert torch.equal(together[:1], krige(lacks[:1], known[:1], luminance[:1]))
    assert torch.equal(together[1:], krige(lacks[1:], known[1:], luminance[1:], features[1:]))


def test_a_twin_is_told_by_its_features():
    """A hint on the left one of two squares: the right one follows, the ground between them hardly."""
    square = torch.zeros(1, 1, 32, 64)
    square[..., 8:24, 4:20] = square[..., 8:24, 44:60] = 1
    known = torch.zeros_like(square)
    known[..., 14:18, 10:14] = 1
    lacks = torch.full((1, 2, 32, 64), 0.2)
    features = torch.cat((square, 1 - square), 1)
    found = krige(lacks, known, torch.full_like(square, 0.5), features)[0, 0]
    assert found[16, 52] > 0.04
    assert found[16, 32].abs() < 0.3 * found[16, 52]
    by_luminance = krige(lacks, known, torch.full_like(square, 0.5))[0, 0]
    assert by_luminance[16, 52] < by_luminance[16, 32]


def test_where_much_is_known_the_grid_is_coarse(scene, monkeypatch):
    lacks, _, luminance, features = scene
    monkeypatch.setattr(kriging, "GRID", 8)
    monkeypatch.setattr(kriging, "MOST_SITES", 20)
    sizes = []
    one = kriging.sites_of
    monkeypatch.setattr(kriging, "sites_of", lambda *args: sizes.append(tuple(args[0].shape[-2:])) or one(*args))
    known = torch.ones_like(luminance)
    known[1, :, 2:] = 0
    found = krige(lacks, known, luminance, features)
    assert sizes == [(3, 4), (6, 8)]
    assert found.shape == lacks.shape
    assert found.isfinite().all()


def test_elsewhere_it_is_the_formula_without_what_holds_in_one_picture(scene):
    lacks, known, luminance, features = scene
    found = lacking(lacks[:1], known[:1], luminance[:1], features[:1])
    other = krige_elsewhere(found, luminance[1:], features[1:])

    def k(a, b):
        kept = list(zip(kriging.kernels(a, b), kriging.SHARES))[2:]
        t = sum(share * kernel for kernel, share in kept) / sum(kriging.SHARES)
        return ((1 - SHARPNESS) * t + SHARPNESS * t**2).numpy()

    cells = [sites_of(luminance[i], features[i]) for i in (0, 1)]
    hinted = cells[0].at(torch.tensor([1 * 8 + 2, 4 * 8 + 6]))
    values = torch.stack((lacks[0, :, 1, 2], lacks[0, :, 4, 6])).numpy()
    expected = k(cells[1], hinted) @ np.linalg.solve(k(hinted, hinted) + NUGGET * np.eye(2), values)
    np.testing.assert_allclose(other[0].flatten(1).T.numpy(), expected, atol=1e-10)
    assert other.abs().max() > 0.01


def test_many_places_are_thinned_and_several_pictures_joined(scene):
    lacks, _, luminance, features = (x[:1] for x in scene)
    known = torch.ones_like(luminance)
    found = lacking(lacks, known, luminance, features, most=10)
    assert isinstance(found, Lacking)
    assert len(found.values) == 10
    torch.testing.assert_close(found.values[1], lacks[0, :, 0, 5])
    both = joined([found, found])
    assert (len(both.sites.place), len(both.values)) == (20, 20)
    assert lacking(lacks, 0 * known, luminance, features) is None
    assert joined([]) is None


@pytest.mark.parametrize("with_features", [True, False])
def test_gradients(scene, with_features):
    lacks, known, luminance, features = (x[:1] for x in scene)
    given = (features,) if with_features else ()

    def function(lacks, luminance, *given):
        return krige(lacks, known, luminance, *given)

    inputs = [x.clone().requires_grad_() for x in (lacks, luminance, *given)]
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


def test_gradients_elsewhere(scene):
    lacks, known, luminance, features = scene

    def function(lacks, luminance, features):
        found = lacking(lacks, known[:1], luminance[:1], features[:1])
        return krige_elsewhere(found, luminance[1:], features[1:])

    inputs = [x.clone().requires_grad_() for x in (lacks[:1], luminance, features)]
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


def test_it_keeps_device_and_dtype(scene, device):
    lacks, known, luminance, features = (x.to(device, torch.float32) for x in scene)
    found = krige(lacks, known, luminance, features)
    assert (found.dtype, found.device) == (lacks.dtype, lacks.device)
    expected = krige(*(x.double().cpu() for x in scene))
    torch.testing.assert_close(found.double().cpu(), expected, atol=1e-4, rtol=0)
    there = krige_elsewhere(lacking(lacks[:1], known[:1], luminance[:1], features[:1]), luminance[1:], features[1:])
    assert (there.dtype, there.device) == (lacks.dtype, lacks.device)

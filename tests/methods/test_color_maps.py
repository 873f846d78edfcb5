"""Color to color: each map has the statistics it promises, by formulas in NumPy and SciPy."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from recolor_torch.color import lab_to_rgb, rgb_to_lab
from recolor_torch.guide import Reference
from recolor_torch.methods.color_maps import (
    color_moments,
    fit_map,
    lab_cube,
    map_colors,
    moments_map,
    monge_kantorovich_map,
    sliced_map,
)


def colors(seed, n=400):
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(3, 3, generator=g, dtype=torch.float64)
    x = torch.randn(2, 3, 20, n // 20, generator=g, dtype=torch.float64)
    return 0.5 + 0.1 * torch.einsum("ij,bjhw->bihw", mix, x)


def statistics(image):
    flat = image.flatten(1).numpy()
    return flat.mean(1), np.cov(flat, bias=True)


def test_moments_are_those_of_the_reference():
    source, wanted = colors(0), colors(1)
    out = moments_map(Reference(source), (Reference(wanted),)).apply(source)
    torch.testing.assert_close(out.mean((2, 3)), wanted.mean((2, 3)))
    torch.testing.assert_close(out.std((2, 3)), wanted.std((2, 3)))


def test_monge_has_mean_and_covariance_and_scipys_matrix():
    source, wanted = colors(0), colors(1)
    found = monge_kantorovich_map(Reference(source), (Reference(wanted),), noise=0)
    out = found.apply(source)
    for i in range(2):
        (_, ours), (mean, theirs) = statistics(source[i]), statistics(wanted[i])
        root = sqrtm(ours)
        inverse = np.linalg.inv(root)
        expected = inverse @ sqrtm(root @ theirs @ root) @ inverse
        np.testing.assert_allclose(found.matrix[i].numpy(), expected.real, rtol=1e-6, atol=1e-8)
        got_mean, got = statistics(out[i])
        np.testing.assert_allclose(got, theirs, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(got_mean, mean)


def test_sliced_has_the_whole_distribution():
    source, wanted = colors(0, 4000), colors(1, 4000)
    wanted = torch.where(
        torch.rand(2, 1, 20, 200, generator=torch.Generator().manual_seed(3)) < 0.3, wanted + 0.5, wanted
    )
    reference = (Reference(wanted),)
    out = sliced_map(Reference(source), reference).apply(source)
    linear = monge_kantorovich_map(Reference(source), reference, noise=0).apply(source)
    direction = torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64), dim=1)

    def distance(image):  # sliced Wasserstein distance, in directions of its own
        a, b = ((direction @ x.flatten(2)).sort(-1).values for x in (image, wanted))
        return (a - b).abs().mean().item()

    assert distance(out) < 0.25 * distance(linear)
    assert distance(out) < 0.01


@pytest.mark.parametrize("kind", ["moments", "monge", "sliced"])
def test_a_picture_like_its_reference_stays(rgb, kind):
    out = map_colors(rgb, (Reference(rgb),), kind)
    torch.testing.assert_close(out, lab_to_rgb(rgb_to_lab(rgb)), atol=2e-3, rtol=0)


@pytest.mark.parametrize("kind", ["moments", "monge", "sliced"])
def test_each_of_a_batch_is_as_alone_and_masks_count(rgb, kind):
    both = map_colors(rgb, (Reference(rgb.flip(0)),), kind)
    alone = map_colors(rgb[1:], (Reference(rgb[:1]),), kind)
    torch.testing.assert_close(both[1:], alone)
    mask = torch.zeros_like(rgb[:, :1])
    mask[..., :10] = 1
    out = map_colors(rgb, (Reference(rgb.flip(0), mask),), kind, mask)
    assert torch.equal(out[..., 10:], rgb[..., 10:])
    torch.testing.assert_close(
        out[..., :10], map_colors(rgb[..., :10], (Reference(rgb.flip(0)[..., :10]),), kind), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("kind", ["moments", "monge", "sliced"])
def test_flat_pictures_stay_finite(rgb, kind):
    flat = torch.full_like(rgb, 0.4)
    assert map_colors(flat, (Reference(rgb),), kind).isfinite().all()
    assert map_colors(rgb, (Reference(flat),), kind).isfinite().all()


def test_references_are_weighed():
    a, b = colors(0), colors(1)
    found = color_moments((Reference(a, weight=3), Reference(b, weight=1)))
    torch.testing.assert_close(found.mean, (3 * a.mean((2, 3)) + b.mean((2, 3))) / 4)
    joined = torch.cat((a, a, a, b), 3)
    expected = torch.stack([torch.from_numpy(statistics(x)[1]) for x in joined])
    torch.testing.assert_close(found.covariance, expected)


def test_cube_is_the_map(rgb):
    found = fit_map(rgb[:1].float(), (Reference(rgb[1:].float()),), "monge")
    lines = lab_cube(found).splitlines()
    assert lines[1] == "LUT_3D_SIZE 33"
    rows = np.array([[float(v) for v in line.split()] for line in lines[4:]])
    assert rows.shape == (33**3, 3)
    at = torch.tensor([8, 16, 24]) / 32  # red varies fastest
    color = at.view(1, 3, 1, 1).to(rgb.device)
    expected = lab_to_rgb(100 * found.apply(rgb_to_lab(color) / 100))[0, :, 0, 0]
    np.testing.assert_allclose(rows[24 * 33 * 33 + 16 * 33 + 8], expected.cpu().numpy(), atol=1e-5)


def test_gradients():
    x, y = (colors(i, 20)[:1, :, :3, :1].clone().requires_grad_() for i in range(2))
    for fit in (moments_map, monge_kantorovich_map):
        assert torch.autograd.gradcheck(lambda a, b, fit=fit: fit(Reference(a), (Reference(b),)).apply(a), (x, y))


@pytest.mark.parametrize("kind", ["moments", "monge", "sliced"])
def test_nan_is_not_counted(rgb, kind):
    holed = rgb.clone()
    holed[0, :, 3, 4] = float("nan")
    kept = torch.ones_like(rgb[:, :1])
    kept[0, :, 3, 4] = 0
    out = map_colors(holed, (Reference(holed.flip(0)),), kind)
    expected = map_colors(rgb, (Reference(rgb.flip(0), kept.flip(0)),), kind, kept)
    there = kept.expand_as(rgb) > 0
    torch.testing.assert_close(out[there], expected[there])
    assert out.isnan().sum() == 3


def test_bad_input_is_named(rgb):
    with pytest.raises(ValueError, match="at least one reference"):
        map_colors(rgb, (), "monge")
    with pytest.raises(ValueError, match="Unknown kind 'best'"):
        map_colors(rgb, (Reference(rgb),), "best")
    nothing = torch.zeros_like(rgb[:, :1])
    for kind in ("monge", "sliced"):
        with pytest.raises(ValueError, match="no pixel that counts"):
            map_colors(rgb, (Reference(rgb, nothing),), kind)

import json

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse as sp
import scipy.sparse.linalg
import torch

from recolor_torch.color import fit_gamut, rgb_to_yuv, yuv_to_rgb
from recolor_torch.guide import Guide
from recolor_torch.hints.read import read_hints
from recolor_torch.linalg.linear_system import Solution
from recolor_torch.methods import LevinColorization, build_method
from recolor_torch.methods.levin import NotConverged, checked, spread_chroma
from recolor_torch.methods.levin import method as levin_module
from recolor_torch.pictures.read import read_picture
from recolor_torch.pipeline import recolor

FORMS = [("laplacian", "global"), ("laplacian", "local"), ("levin", "local"), ("report", "local"), ("report", "report")]


@pytest.fixture
def hinted(rgb):
    """Luminance, hint chroma and mask of two pictures; each has hints of its own."""
    yuv = rgb_to_yuv(rgb)
    mask = torch.zeros_like(yuv[:, :1])
    mask[0, :, 3:6, 4:9] = 1
    mask[1, :, 15:, 20:22] = 1
    mask[:, :, 0, 0] = 1
    return yuv[:, :1], yuv[:, 1:] * mask, mask


def independent(luminance, hints, mask, sigma=0.005, floor=1e-4, pull=1e-6):
    """The default system of one picture, pixel by pixel and solved by SciPy."""
    t, known = luminance[0, 0].double().numpy(), mask[0, 0].numpy() > 0.5
    smooth = scipy.ndimage.gaussian_filter(t, 1.4, mode="nearest", radius=5)
    height, width = t.shape
    matrix = sp.lil_matrix((t.size, t.size))
    for y in range(height):
        for x in range(width):
            r = y * width + x
            matrix[r, r] += pull
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if (dy, dx) != (0, 0) and 0 <= y + dy < height and 0 <= x + dx < width:
                        gap = min(abs(z[y, x] - z[y + dy, x + dx]) for z in (t, smooth))
                        weight = (np.exp(-gap / sigma) + floor) / np.hypot(dy, dx)
                        matrix[r, r] += weight
                        matrix[r, r + dy * width + dx] -= weight
    fixed = known.ravel()
    matrix = matrix.tocsr()
    out = hints[0].double().numpy().reshape(2, -1) * fixed
    for channel in out:
        rhs = -matrix[~fixed][:, fixed] @ channel[fixed]
        channel[~fixed] = scipy.sparse.linalg.spsolve(matrix[~fixed][:, ~fixed].tocsc(), rhs)
    return torch.from_numpy(out.reshape(2, height, width))


def test_equals_an_independent_direct_solve(hinted):
    luminance, hints, mask = (x[:1].cpu() for x in hinted)
    out = spread_chroma(luminance, hints, mask)
    expected = independent(luminance, hints, mask).to(out)
    torch.testing.assert_close(out[0], expected, atol=0.5 / 255, rtol=0)


@pytest.mark.parametrize(("form", "weights"), FORMS)
def test_hints_come_back_exactly(hinted, form, weights):
    luminance, hints, mask = hinted
    out = spread_chroma(luminance, hints, mask, form=form, weights=weights)
    assert torch.equal(out * mask, hints)
    assert out.isfinite().all()


def test_no_chroma_beyond_that_of_the_hints(hinted):
    """Every free pixel is a mean of its neighbours, slightly drawn to neutral."""
    luminance, hints, mask = hinted
    out = spread_chroma(luminance, hints, mask)
    slack = 0.5 / 255
    for channel in range(2):
        low = hints[:, channel].amin((-2, -1)).clamp(max=0)
        high = hints[:, channel].amax((-2, -1)).clamp(min=0)
        assert (out[:, channel].amin((-2, -1)) >= low - slack).all()
        assert (out[:, channel].amax((-2, -1)) <= high + slack).all()


def test_color_stops_at_an_edge(device, dtype):
    luminance = torch.full((1, 1, 12, 20), 0.2, device=device, dtype=dtype)
    luminance[..., 10:] = 0.8
    hints = torch.zeros(1, 2, 12, 20, device=device, dtype=dtype)
    mask = torch.zeros_like(luminance)
    mask[..., 5, 3] = mask[..., 5, 15] = 1
    hints[..., 5, 3], hints[..., 5, 15] = 0.3, -0.3
    out = spread_chroma(luminance, hints, mask)
    assert (out[..., :10] > 0.25).all()
    assert (out[..., 10:] < -0.25).all()


def test_a_prior_fills_what_hints_do_not_say(hinted):
    luminance, hints, mask = hinted
    prior = torch.full_like(hints, 0.2)
    trusted = spread_chroma(luminance, hints, mask, prior=prior, confidence=torch.full_like(mask, 1e4))
    torch.testing.assert_close(trusted, torch.where(mask > 0.5, hints, prior), atol=1e-3, rtol=0)
    ignored = spread_chroma(luminance, hints, mask, prior=prior, confidence=torch.zeros_like(mask))
    torch.testing.assert_close(ignored, spread_chroma(luminance, hints, mask), atol=0.5 / 255, rtol=0)


def test_the_guides_prior_reaches_the_solve(rgb):
    mask = torch.zeros_like(rgb[:, :1])
    mask[..., 0, 0] = 1
    guide = Guide(hints=rgb, hint_mask=mask)
    plain = recolor(rgb, "levin", guide)
    prior = torch.full_like(rgb[:, :2], 0.1)
    pulled = recolor(rgb, "levin", Guide(hints=rgb, hint_mask=mask, prior=prior, confidence=mask * 0 + 0.5))
    assert (pulled - plain).abs().max() > 0.02


def test_a_solve_that_failed_is_an_error(monkeypatch, rgb):
    bad = Solution(rgb[:, 1:], False, 60, 3.2 / 255, "jacobi")
    with pytest.raises(
        NotConverged, match=r"after 60 steps \(jacobi\) its error is about 3\.2 levels .* 0\.5 was allow"
    ):
        checked(bad, 0.5)
    monkeypatch.setattr(levin_module, "solve", lambda *args, **kwargs: bad)
    with pytest.raises(NotConverged):
        build_method("levin")(rgb, Guide(hints=rgb, hint_mask=rgb[:, :1]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sigma", 0),
        ("smoothing", -1),
        ("kappa", -1),
        ("floor", -1),
        ("pull", float("nan")),
        ("neighbours", 5),
        ("tolerance", 0),
    ],
)
def test_settings_are_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        LevinColorization(**{name: value})


def test_gradient_of_hints_and_luminance():
    g = torch.Generator().manual_seed(0)
    luminance = torch.rand(1, 1, 4, 5, generator=g, dtype=torch.float64).mul(0.05).requires_grad_()
    hints = torch.rand(1, 2, 4, 5, generator=g, dtype=torch.float64).requires_grad_()
    mask = torch.zeros(1, 1, 4, 5, dtype=torch.float64)
    mask[..., 0, :2] = mask[..., 3, 4] = 1
    assert torch.autograd.gradcheck(lambda t, h: spread_chroma(t, h, mask, tolerance=1e-8), (luminance, hints))


# --- degenerate input ---


def guide_with(rgb, mask):
    return Guide(hints=rgb.flip(0), hint_mask=mask)


@pytest.mark.parametrize("method", ["levin", "poisson"])
def test_no_hints_says_so(rgb, method):
    with pytest.raises(ValueError, match="needs hints, got none"):
        recolor(rgb, method, Guide())
    mask = torch.zeros_like(rgb[:, :1])
    mask[0] = 1
    for empty in (mask, 0 * mask):
        with pytest.raises(ValueError, match="needs hints, got none"):
            recolor(rgb, method, guide_with(rgb, empty))


@pytest.mark.parametrize("method", ["levin", "poisson"])
def test_all_pixels_hinted(rgb, method):
    out = recolor(rgb, method, guide_with(rgb, torch.ones_like(rgb[:, :1])), keep="none")
    wanted = rgb_to_yuv(rgb.flip(0))[:, 1:]
    y = rgb_to_yuv(rgb)[:, :1]
    full = yuv_to_rgb(torch.cat((y, wanted), 1))
    inside = (full == full.clamp(0, 1)).all(1, keepdim=True)
    gap = (rgb_to_yuv(out)[:, 1:] - wanted).abs() * inside
    assert gap.max() < 1e-6


@pytest.mark.parametrize("method", ["levin", "poisson"])
@pytest.mark.parametrize("where", [(0, 0), (23, 31), (11, 0), (12, 16)])
def test_one_hint_on_the_border_or_within(rgb, method, where):
    mask = torch.zeros_like(rgb[:, :1])
    mask[..., where[0], where[1]] = 1
    out = recolor(rgb, method, guide_with(rgb, mask))
    assert out.isfinite().all()
    assert rgb_to_yuv(out)[:, 1:].abs().max() > 0.01


@pytest.mark.parametrize("method", ["levin", "poisson"])
def test_a_constant_picture_takes_the_hint_everywhere(method, device, dtype):
    gray = torch.full((1, 3, 16, 16), 0.5, device=device, dtype=dtype)
    hints = gray.clone()
    hints[:, 0] += 0.2
    mask = torch.zeros_like(gray[:, :1])
    mask[..., 8, 8] = 1
    chroma = rgb_to_yuv(recolor(gray, method, Guide(hints=hints, hint_mask=mask)))[:, 1:]
    wanted = rgb_to_yuv(hints)[:, 1:]
    assert (chroma - wanted).abs().max() < 4 / 255


@pytest.mark.parametrize("method", ["levin", "poisson"])
@pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 1), (2, 2)])
@pytest.mark.parametrize("form", ["laplacian", "levin", "report"])
def test_thin_pictures(method, size, form):
    settings = {"form": form} if method == "levin" else {"order": 2 if form == "report" else 1}
    g = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, *size, generator=g)
    mask = torch.zeros(1, 1, *size)
    mask[..., 0, 0] = 1
    out = recolor(image, build_method(method, **settings), Guide(hints=image, hint_mask=mask))
    assert out.shape == image.shape
    assert out.isfinite().all()


@pytest.mark.parametrize("method", ["levin", "poisson"])
def test_values_that_are_not_numbers_are_named(rgb, method):
    image = rgb.clone()
    image[0, :, 3, 3] = float("nan")
    mask = torch.zeros_like(rgb[:, :1])
    mask[..., 8, 8] = 1
    with pytest.raises(ValueError, match="not finite"):
        recolor(image, method, guide_with(rgb, mask))


@pytest.mark.parametrize("method", ["levin", "poisson"])
def test_hints_of_another_size_are_refused(rgb, method):
    with pytest.raises(ValueError, match="hints must be 24 x 32 pixels"):
        recolor(rgb, method, Guide(hints=rgb[..., 1:], hint_mask=rgb[:, :1, :, 1:]))


@pytest.mark.parametrize("method", ["levin", "poisson"])
def test_soft_masks_count_over_one_half(rgb, method):
    hard = torch.zeros_like(rgb[:, :1])
    hard[..., 2:9, 3:7] = 1
    soft = 0.4 + 0.3 * hard
    assert torch.equal(recolor(rgb, method, guide_with(rgb, soft)), recolor(rgb, method, guide_with(rgb, hard)))


@pytest.mark.parametrize("method", ["levin", "poisson"])
def test_a_smaller_working_size_takes_the_hints_along(rgb, method):
    mask = torch.zeros_like(rgb[:, :1])
    mask[..., 2:9, 3:7] = mask[..., 15:20, 20:30] = 1
    guide = Guide(hints=rgb, hint_mask=mask)
    gap = recolor(rgb, method, guide, max_side=16) - recolor(rgb, method, guide)
    assert gap.abs().mean() < 0.05


def scribbles(shared, *names):
    folder = shared / "data" / "scribbles"
    names = names or [case["name"] for case in json.loads((folder / "manifest.json").read_text())["cases"]]
    for name in names:
        target = read_picture(folder / f"{name}_gray.png").image
        yield name, target, read_hints(folder / f"{name}_marked.png", target)


@pytest.mark.slow
def test_scribble_cases_keep_their_hints(shared):
    """The solver's chroma at hints is the hint's, in all cases."""
    for name, target, hints in scribbles(shared):
        given = rgb_to_yuv(hints.image)[:, 1:]
        chroma = spread_chroma(rgb_to_yuv(target)[:, :1], given, hints.mask)
        assert torch.equal(chroma * hints.mask, given * hints.mask), name


def test_written_hints_differ_by_the_gamut_alone(shared):
    for name, target, hints in scribbles(shared, "smiley", "baby_crop", "baby_sparse", "guitar"):
        out = recolor(target, "levin", Guide(hints=hints.image, hint_mask=hints.mask))
        wanted = fit_gamut(rgb_to_yuv(target)[:, :1], rgb_to_yuv(hints.image)[:, 1:])
        assert ((out - wanted) * hints.mask).abs().max() < 1e-5, name

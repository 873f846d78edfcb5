import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.filters import Pyramid, dwt2, filter_bank, idwt2, max_levels
from recolor_torch.filters.wavelet import _analyze_plane, _synthesize_plane

MODES = ("zero", "symmetric", "reflect", "periodization")
# dmey is a truncated FIR filter: PyWavelets does not come back exactly either.
EXACT = [w for w in pywt.wavelist(kind="discrete") if w != "dmey"]


def compare(pyramid, expected, atol=1e-10):
    planes = [pyramid.approximation, *(p for level in pyramid.details for p in level)]
    others = [expected[0], *(p for level in expected[1:] for p in level)]
    assert len(planes) == len(others)
    for plane, other in zip(planes, others):
        assert plane.shape[2:] == other.shape
        np.testing.assert_allclose(plane[1, 2].cpu().numpy(), other, rtol=0, atol=atol)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", pywt.families())
def test_every_wavelet_equals_pywavelets(family, mode):
    g = np.random.default_rng(0)
    names = [w for w in pywt.wavelist(family) if w in pywt.wavelist(kind="discrete")]
    for name in names:
        n = 2 * pywt.Wavelet(name).dec_len + 21  # room for two levels, odd
        picture = g.random((n, n + 6))
        x = torch.tensor(g.random((2, 3, n, n + 6)))
        x[1, 2] = torch.tensor(picture)
        levels = min(2, max_levels((n, n + 6), name))
        pyramid = dwt2(x, name, levels, mode)
        expected = pywt.wavedec2(picture, name, mode, levels)
        compare(pyramid, expected)
        back = pywt.waverec2(expected, name, mode)
        ours = idwt2(pyramid, name, mode)
        assert ours.shape[2:] == back.shape
        np.testing.assert_allclose(ours[1, 2].numpy(), back, rtol=0, atol=1e-10)


@pytest.mark.parametrize("mode", MODES)
def test_one_level_of_every_wavelet_at_odd_and_even_sides(mode):
    """Sides shorter and longer than most filters, of every parity."""
    g = np.random.default_rng(2)
    for name in pywt.wavelist(kind="discrete"):
        for size in ((9, 14), (14, 9), (27, 5), (8, 2)):
            picture = g.random(size)
            approximation, details = _analyze_plane(torch.tensor(picture).expand(2, 3, *size), filter_bank(name), mode)
            expected = pywt.dwt2(picture, name, mode)
            compare(Pyramid(approximation, (details,)), expected)
            back = _synthesize_plane(approximation, details, filter_bank(name), mode)
            np.testing.assert_allclose(back[1, 2].numpy(), pywt.idwt2(expected, name, mode), rtol=0, atol=1e-10)


# PyWavelets refuses to reflect a single sample.
SHORT = [(s, m) for s in ((1, 5), (2, 1), (3, 2), (7, 8), (13, 200)) for m in MODES if m != "reflect" or 1 not in s]


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db7", "sym20", "coif17", "bior1.5", "rbio6.8", "dmey"])
@pytest.mark.parametrize(("size", "mode"), SHORT)
def test_one_level_of_pictures_shorter_than_the_filter(size, wavelet, mode):
    picture = np.random.default_rng(1).random(size)
    x = torch.tensor(picture).expand(2, 3, *size)
    approximation, details = _analyze_plane(x, filter_bank(wavelet), mode)
    expected = pywt.dwt2(picture, wavelet, mode)
    compare(Pyramid(approximation, (details,)), expected)
    back = _synthesize_plane(approximation, details, filter_bank(wavelet), mode)
    np.testing.assert_allclose(back[1, 2].numpy(), pywt.idwt2(expected, wavelet, mode), rtol=0, atol=1e-10)


@settings(deadline=None, max_examples=60)
@given(
    h=st.integers(1, 70),
    w=st.integers(1, 70),
    wavelet=st.sampled_from(EXACT),
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 99),
)
def test_perfect_reconstruction_of_any_size(h, w, wavelet, mode, seed):
    levels = max_levels((h, w), wavelet)
    if levels < 1:
        with pytest.raises(ValueError, match="too small"):
            dwt2(torch.zeros(1, 1, h, w), wavelet)
        return
    x = torch.rand(1, 2, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    # The tables of the longest coiflets have twelve digits.
    torch.testing.assert_close(idwt2(dwt2(x, wavelet, levels, mode), wavelet, mode, (h, w)), x, rtol=0, atol=1e-8)


def test_dtype_device_and_input_stay(rgb):
    before = rgb.clone()
    pyramid = dwt2(rgb, "db2")
    assert len(pyramid.details) == max_levels((24, 32), "db2")
    back = idwt2(pyramid, "db2", size=(24, 32))
    assert (back.dtype, back.device) == (rgb.dtype, rgb.device)
    torch.testing.assert_close(back, rgb, rtol=0, atol=1e-5)
    torch.testing.assert_close(rgb, before, rtol=0, atol=0)


def test_batch_equals_one_by_one(rgb):
    for one, both in zip(dwt2(rgb[1:], "sym4").details, dwt2(rgb, "sym4").details):
        for a, b in zip(one, both):
            torch.testing.assert_close(a[0], b[1])


def test_non_contiguous_pictures(rgb):
    flipped = rgb.transpose(-1, -2)
    torch.testing.assert_close(dwt2(flipped, "db3").approximation, dwt2(flipped.contiguous(), "db3").approximation)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", ["haar", "db3", "bior2.2"])
def test_gradient(wavelet, mode, device):
    x = torch.rand(1, 1, 11, 14, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    x = x.to(device).requires_grad_()

    def round_trip(a):
        pyramid = dwt2(a, wavelet, 1, mode)
        squared = tuple(tuple(d**2 for d in level) for level in pyramid.details)
        return idwt2(Pyramid(pyramid.approximation, squared), wavelet, mode)

    assert torch.autograd.gradcheck(round_trip, (x,), fast_mode=True)


def test_kept_matrices_may_be_made_in_inference_mode():
    with torch.inference_mode():
        dwt2(torch.zeros(1, 1, 60, 60), "sym11")
    x = torch.rand(1, 1, 60, 60, requires_grad=True)
    dwt2(x, "sym11").approximation.sum().backward()
    assert x.grad is not None


def test_errors():
    x = torch.zeros(1, 1, 16, 16)
    with pytest.raises(ValueError, match=r"Unknown wavelet 'db99'\. Near it are db9, "):
        dwt2(x, "db99")
    with pytest.raises(ValueError, match="Unknown wavelet 'mexh'"):  # continuous
        dwt2(x, "mexh")
    with pytest.raises(ValueError, match=r"16 x 16 pixels .* has room for 1 to 4 levels of 'haar', got 5"):
        dwt2(x, "haar", 5)
    with pytest.raises(ValueError, match="Unknown mode 'mirror'"):
        dwt2(x, "haar", 1, "mirror")
    pyramid = dwt2(x, "haar", 1)
    with pytest.raises(ValueError, match="one shape"):
        idwt2(Pyramid(pyramid.approximation[..., :5], pyramid.details), "haar")
    with pytest.raises(TypeError, match="floating point"):
        dwt2(x.int(), "haar")

import numpy as np
import pytest
import pywt
import torch

from recolor_torch.filters import max_levels, stationary_bands, weigh_stationary_bands


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db5", "sym4", "coif1", "bior2.2", "bior3.7", "rbio1.3"])
def test_bands_are_the_inverse_of_each_level_of_swt2(wavelet):
    picture = np.random.default_rng(0).random((64, 96))
    levels = min(3, max_levels((64, 96), wavelet))
    bands = stationary_bands(torch.tensor(picture)[None, None], wavelet, levels, "periodization")
    coefficients = pywt.swt2(picture, wavelet, levels, trim_approx=True)
    for k, band in enumerate(bands):
        only = [np.zeros((64, 96)), *((np.zeros((64, 96)),) * 3 for _ in range(levels))]
        only[k] = coefficients[k]
        np.testing.assert_allclose(band[0, 0].numpy(), pywt.iswt2(only, wavelet), rtol=0, atol=1e-9)


@pytest.mark.parametrize("mode", ["zero", "symmetric", "reflect", "periodization"])
def test_bands_add_up(rgb, mode):
    bands = stationary_bands(rgb, "db2", mode=mode)
    assert len(bands) == 1 + max_levels((24, 32), "db2")
    torch.testing.assert_close(sum(bands), rgb)


def test_weights_are_those_of_the_bands(rgb):
    bands = stationary_bands(rgb, "haar", 3)
    weights = (0.1, 0.5, 0.0, 1.0)
    expected = sum(w * b for w, b in zip(weights, bands))
    torch.testing.assert_close(weigh_stationary_bands(rgb, weights), expected)
    as_tensor = torch.tensor(weights, dtype=rgb.dtype, device=rgb.device)
    torch.testing.assert_close(weigh_stationary_bands(rgb, as_tensor), expected)


def test_every_pixel_is_treated_alike():
    x = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = weigh_stationary_bands(x.roll((3, 5), (-2, -1)), (0, 1, 0.5, 1), "db2", "periodization")
    still = weigh_stationary_bands(x, (0, 1, 0.5, 1), "db2", "periodization")
    torch.testing.assert_close(moved, still.roll((3, 5), (-2, -1)))


def test_strips_do_not_show():
    # Larger than a strip of the CPU path, which the small pictures above never leave.
    x = torch.rand(1, 1, 700, 700, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole = stationary_bands(x, "haar", 2, "periodization")[1]
    torch.testing.assert_close(whole.roll(350, -1), stationary_bands(x.roll(350, -1), "haar", 2, "periodization")[1])


def test_gradient(device):
    x = torch.rand(1, 2, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(device)
    weights = torch.tensor([0.2, 0.7, 1.0], dtype=torch.float64, device=device)
    inputs = (x.requires_grad_(), weights.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, w: weigh_stationary_bands(a, w, "haar"), inputs)


def test_errors():
    with pytest.raises(ValueError, match="room for 1 to 3 levels"):
        stationary_bands(torch.zeros(1, 1, 8, 8), "haar", 4)
    with pytest.raises(ValueError, match="Unknown wavelet"):
        stationary_bands(torch.zeros(1, 1, 8, 8), "hair")

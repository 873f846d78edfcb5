"""Settings at and beyond what floats hold: one sentence that names the setting, or a result that is right."""

import pytest
import torch

from recolor_torch.energies.neighbor_weights import global_weights
from recolor_torch.methods import build_method


@pytest.mark.parametrize(
    ("method", "setting", "value", "words"),
    [
        ("levin", "floor", 1e300, "floor must be 0 to 1e"),
        ("levin", "pull", 1e300, "pull must be 0 to 1e"),
        ("levin", "smoothing", 1e-300, "smoothing must be 0 or 0.1 to 100"),
        ("poisson", "lam", 1e300, "lam must be 0 to 1e"),
        ("network", "trust", 1e300, "trust must be more than 0 and at most"),
    ],
)
def test_too_much_is_refused_by_name(method, setting, value, words):
    with pytest.raises(ValueError, match=words):
        build_method(method, **{setting: value})


@pytest.mark.parametrize("kernel", ["laplace", "gauss"])
def test_the_least_sigma_cuts_where_pixels_differ_and_ties_where_they_do_not(device, kernel):
    luminance = torch.tensor([0.2, 0.2, 0.2 + 1e-7], device=device).view(1, 1, 1, 3)
    across = global_weights(luminance, 4, 1e-300, floor=0.0, kernel=kernel, smoothing=0)[0].flatten()
    assert across.isfinite().all()
    assert across.max() == 1
    assert (across > 0).sum() == 1

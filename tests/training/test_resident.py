import numpy as np
import pytest
import torch

from recolor_torch.training.resident import PictureStore

CPU = torch.device("cpu")


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((20, 32), (32, 16), (32, 32))]


def test_a_whole_picture_is_itself_at_its_own_size(pictures):
    store = PictureStore(pictures, 32, CPU)
    out = store.whole(torch.tensor([2]), 32)
    torch.testing.assert_close(out[0], torch.from_numpy(pictures[2]).permute(2, 0, 1) / 255)


def test_crops_stay_inside_of_the_picture(pictures):
    for p, value in zip(pictures, (10, 20, 30)):
        p[:] = value
    store = PictureStore(pictures, 32, CPU)
    store.canvases[0, :, 20:] = 255  # what lies beside the picture must not be seen
    generator = torch.Generator().manual_seed(0)
    out = store.crops(torch.tensor([0, 1, 2] * 20), 8, generator)
    expected = torch.tensor([10.0, 20.0, 30.0]).repeat(20).view(-1, 1, 1, 1).expand_as(out) / 255
    # Interpolation reaches half of a pixel across the border.
    assert ((out - expected).abs() < 0.5 / 255).float().mean() > 0.9
    assert out[1::3].allclose(expected[1::3])


def test_reduced_pictures_are_the_same_pictures(pictures):
    pictures[2][:] = np.arange(32, dtype=np.uint8)[:, None, None] * 8
    store = PictureStore(pictures, 32, CPU).reduced(16)
    out = store.whole(torch.tensor([2]), 16)[0, 0, :, 3] * 255
    torch.testing.assert_close(out[2:-2], torch.arange(4.0, 256, 16)[2:-2], atol=1, rtol=0)


def test_a_picture_too_large_is_an_error(pictures):
    with pytest.raises(ValueError, match="32 x 20 does not fit a canvas of 16"):
        PictureStore(pictures, 16, CPU)

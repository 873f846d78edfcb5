"""What the record says of a result with hardly any color."""

import pytest
import torch

from recolor_torch.color import rgb_to_yuv
from recolor_torch.run.coloring import LOOKED_AT, _mean_chroma


@pytest.mark.parametrize("size", [(20, 30), (400, 300), (700, 900)])
def test_mean_chroma_is_that_of_all_pixels(size):
    g = torch.Generator().manual_seed(1)
    coarse = torch.rand(2, 3, 7, 9, generator=g)
    smooth = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
    image = (smooth + 0.05 * torch.randn(2, 3, *size, generator=g)).clamp(0, 1)
    exact = rgb_to_yuv(image)[:, 1:].norm(dim=1).mean((1, 2))
    rtol = 1e-5 if size[0] * size[1] <= LOOKED_AT else 0.01
    torch.testing.assert_close(_mean_chroma(image), exact, rtol=rtol, atol=0)

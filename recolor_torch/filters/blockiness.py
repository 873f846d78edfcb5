"""How much of a block grid a picture shows."""

import torch
from torch import Tensor

from recolor_torch.checks import check_image, one_or_many


@one_or_many
def blockiness(x: Tensor, period: int) -> Tensor:
    r"""Mean absolute step across the lines of a grid, over that elsewhere; about 1 where there is no grid.

    .. math::
        \frac{\mathrm{mean} \{ |x_i - x_{i-1}| : period \mid i \}}{\mathrm{mean} \{ |x_i - x_{i-1}| : period \nmid i \}}

    over both axes and all channels.

    Args:
        x: (B, C, H, W).
        period: side of the blocks in pixels, 2 or more; 2^k for the k-th level of a wavelet transform.

    Returns:
        (B,); infinity where the picture is flat but for the grid, 1 where it is flat.

    Raises:
        TypeError: ``x`` is not a floating point tensor.
        ValueError: a wrong shape, a period below 2, or a picture without a line of the grid.

    Example:
        >>> blockiness(torch.tensor([[[[0.0, 1, 2, 3, 6, 7, 8, 9]]]]), 4)
        tensor([3.])
    """
    check_image(x, "x")
    if period < 2:
        raise ValueError(f"period must be 2 or more, got {period}.")
    if max(x.shape[-2:]) <= period:
        raise ValueError(f"A picture of {x.shape[-2]} x {x.shape[-1]} pixels has no grid of period {period}.")
    on = off = x.new_zeros(x.shape[0])
    lines = others = 0
    for x_t in (x, x.transpose(-1, -2)):
        step = x_t.diff(dim=-1).abs()
        grid = step[..., period - 1 :: period]
        lines, others = lines + grid[0].numel(), others + step[0].numel() - grid[0].numel()
        on, off = on + grid.sum((1, 2, 3)), off + step.sum((1, 2, 3)) - grid.sum((1, 2, 3))
    # What is left after the subtraction may be rounding.
    off = off.clamp_min(0)
    return torch.where((on == 0) & (off == 0), 1, (on / lines) / (off / others))

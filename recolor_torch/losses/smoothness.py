"""A loss for pictures that should be smooth."""

from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_image, one_or_many


@one_or_many
def total_variation(image: Tensor, weight: float = 1.0, eps: float = 1e-3) -> Tensor:
    r"""Mean length of the weighted gradient, :math:`\frac{1}{chw} \sum \sqrt{|w\,\nabla x|^2 + \varepsilon^2}`.

    Isotropic, with one-sided differences that are 0 past the border (Rudin, Osher and Fatemi, 1992),
    and rounded by ε, so that its gradient exists where the picture is flat.

    Args:
        image: (B, C, H, W).
        weight: w.
        eps: ε, in units of the picture.

    Returns:
        (B,); a flat picture has ε.

    Example:
        >>> import torch
        >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]), eps=0)
        tensor([0.5000])
    """
    check_image(image, "image")
    down = F.pad(image.diff(dim=-2), (0, 0, 0, 1))
    across = F.pad(image.diff(dim=-1), (0, 1))
    return ((down.square() + across.square()) * weight**2 + eps**2).sqrt().mean((1, 2, 3))

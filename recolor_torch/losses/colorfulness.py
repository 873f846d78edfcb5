"""How colorful a result is, against how colorful the truth is."""

import torch.nn.functional as F
from torch import Tensor

from recolor_torch.checks import check_image, check_same_size


def colorfulness_loss(chroma: Tensor, truth: Tensor, cell: int = 8, eps: float = 1e-4) -> Tensor:
    r"""Mean absolute difference of the mean chroma magnitude in square cells.

    .. math::
        \frac{1}{n} \sum_{cells} \bigl| \overline{\lVert c \rVert} - \overline{\lVert t \rVert} \bigr|

    Hue does not count: a color that may be one or another is not averaged to gray by this loss.

    Args:
        chroma: of the result, (B, 2, H, W).
        truth: the true chroma, (B, 2, H, W).
        cell: side of the cells in pixels.
        eps: keeps the gradient of a gray pixel finite, in units of ``chroma``.

    Returns:
        A scalar, in units of ``chroma``.
    """
    check_image(chroma, "chroma", channels=2)
    check_same_size(truth, "truth", chroma, "chroma")
    found, wanted = ((x.square().sum(1, keepdim=True) + eps**2).sqrt() for x in (chroma, truth))
    return F.l1_loss(F.avg_pool2d(found, cell), F.avg_pool2d(wanted, cell))

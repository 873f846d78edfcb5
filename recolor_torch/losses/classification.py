"""Color as a class: cross entropy over the ab bins, rare colors weighted up."""

import torch
from torch import Tensor

from recolor_torch.checks import check_image, check_same_size
from recolor_torch.color.bins import BINS, soft_encode


def distribution_loss(logits: Tensor, ab: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Cross entropy of the predicted distribution with the softly encoded color, the mean over all pixels.

    .. math::
        -\frac{1}{n} \sum_{h,w} w_{q^*(h,w)} \sum_q Z_{hwq} \log p_{hwq}

    Zhang, Isola, Efros (2016), eq. 2; they sum over the pixels. :math:`q^*` is the bin nearest to the true color.

    Args:
        logits: (B, 313, H, W).
        ab: the true a and b at the same size, (B, 2, H, W), in units of Lab.
        weights: of ``rebalancing_weights``, (313,); equal ones without it.

    Returns:
        A scalar.

    Example:
        >>> distribution_loss(torch.zeros(1, 313, 1, 1), torch.zeros(1, 2, 1, 1)).round(decimals=3)  # log 313
        tensor(5.7460)
    """
    check_image(logits, "logits", channels=BINS)
    check_image(ab, "ab", channels=2)
    check_same_size(ab, "ab", logits, "logits")
    with torch.no_grad():
        index, share = soft_encode(ab)
    entropy = -(share * torch.log_softmax(logits, 1).gather(1, index)).sum(1)
    if weights is None:
        return entropy.mean()
    return (weights.to(entropy)[index[:, 0]] * entropy).mean()


def chroma_loss(chroma_unit: Tensor, truth_unit: Tensor, delta: float = 0.25) -> Tensor:
    """Huber loss of scaled chroma, the mean over all pixels and channels, divided by ``delta``.

    Args:
        chroma_unit: of ``chroma_to_unit``, (B, 2, H, W).
        truth_unit: the same for the true colors.
        delta: errors above it count linearly, which keeps rare saturated colors from ruling.

    Returns:
        A scalar.
    """
    check_image(chroma_unit, "chroma_unit", channels=2)
    check_same_size(truth_unit, "truth_unit", chroma_unit, "chroma_unit")
    return torch.nn.functional.huber_loss(chroma_unit, truth_unit, delta=delta) / delta

"""Losses of a generator and a discriminator: Goodfellow et al., "Generative Adversarial Nets" (2014)."""

import torch.nn.functional as F
from torch import Tensor

from recolor_torch.checks import check_float


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    r""":math:`-\log D(x) - \log(1 - D(G(t)))`, the mean over all verdicts, with D the logistic function of a verdict.

    Args:
        real: verdicts (before the logistic function) on true pictures, of any shape.
        fake: verdicts on those of the generator.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> discriminator_loss(torch.zeros(1), torch.zeros(1)).round(decimals=3)  # 2 log 2
        tensor(1.3860)
    """
    check_float(real, "real")
    check_float(fake, "fake")
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    r"""The non-saturating loss :math:`-\log D(G(t))`, the mean over all verdicts.

    Where the discriminator is sure, its gradient stays; that of :math:`\log(1 - D(G(t)))` would vanish.

    Args:
        fake: verdicts (before the logistic function) on pictures of the generator, of any shape.

    Returns:
        A scalar.
    """
    check_float(fake, "fake")
    return F.softplus(-fake).mean()

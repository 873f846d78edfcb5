r"""How far a set of pictures is from a set of photographs: the Fréchet distance of deep features.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule" (2017), with the Inception network of that paper where its
weights are there, and else with named layers of AlexNet or VGG-16. A distance says something only beside another of as
many pictures by the same features.
"""

from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.checks import check_image
from recolor_torch.errors import UsageError
from recolor_torch.evaluation.weights import digest, find_weights
from recolor_torch.features.state_dicts import read_state, strip_prefix

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_INCEPTION_SIDE = 299
# Number of torchvision's layers up to which activations are taken, and their smallest input.
_CONVOLUTIONS = {"alexnet": ("relu5", 12, 63), "vgg16": ("relu5_3", 30, 32)}


def frechet_distance(features: Tensor, others: Tensor) -> float:
    r"""Distance of two sets of vectors, each seen as a normal distribution.

    .. math::
        \lVert \mu_1 - \mu_2 \rVert^2 + \operatorname{tr}\bigl(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2}\bigr)

    With the centred vectors as rows of A and B, divided by the root of their number less one, the trace of the root is
    the sum of the singular values of :math:`A B^T`: no root of a matrix is taken, and fewer vectors than dimensions do
    no harm. Covariances have n - 1, as in NumPy.

    Args:
        features: (n, d), two rows or more.
        others: (m, d), two rows or more.

    Example:
        >>> frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [3.0]]))
        1.0
    """
    if min(len(features), len(others)) < 2:
        raise ValueError("A Fréchet distance needs two pictures or more on each side.")
    x, y = features.double(), others.double()
    a, b = ((z - z.mean(0)) / (len(z) - 1) ** 0.5 for z in (x, y))
    between = (x.mean(0) - y.mean(0)).square().sum()
    root = torch.linalg.svdvals(a @ b.T).sum()
    return max(0.0, float(between + a.square().sum() + b.square().sum() - 2 * root))


class DeepFeatures(nn.Module):
    """A vector for each picture.

    Args:
        named: a file of weights, or the name of a network whose weights are in torch's cache: ``inception`` (the one of
            FID), ``alexnet`` or ``vgg16``.

    Attributes:
        name: network and layer, in words.
        digest: of the weights.

    Raises:
        WeightsMissing: there is no such file.
        UsageError: it holds none of these networks.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, named: str | Path) -> None:
        super().__init__()
        file = find_weights(named)
        state = {k: v.float() for k, v in read_state(file)[0].items()}
        self.digest = digest(state)
        if any(k.endswith("Mixed_7c.branch_pool.conv.weight") for k in state):
            self.network = _inception(strip_prefix(state, ["Mixed_7c.branch_pool.conv.weight"]), file)
            self.name, self.smallest_side, self.inception = "Inception v3 of FID, pool3", 1, True
            mean, deviation = (0.5,) * 3, (0.5,) * 3
        else:
            self.network, kind = _convolutions(strip_prefix(state, ["features.0.weight"]), file)
            layer, _, self.smallest_side = _CONVOLUTIONS[kind]
            self.name, self.inception = f"{kind} {layer}, mean over all places", False
            mean, deviation = _MEAN, _DEVIATION
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> Tensor:
        """Vectors (B, d) of sRGB pictures (B, 3, H, W) in [0, 1]; Inception sees them at 299 x 299 pixels."""
        check_image(image, "image", channels=3)
        if self.inception:
            image = F.interpolate(image, size=(_INCEPTION_SIDE,) * 2, mode="bilinear", align_corners=False)
        x = self.network((image - self.mean) / self.deviation)
        return x.flatten(2).mean(2) if x.ndim == 4 else x


def features_of(pictures: Iterable[Tensor], network: DeepFeatures) -> Tensor:
    """The vectors of pictures (1, 3, H, W) that are large enough for the network, (n, d)."""
    with torch.no_grad():
        found = [network(p) for p in pictures if min(p.shape[-2:]) >= network.smallest_side]
    return torch.cat(found) if found else torch.empty(0, 1)


def _convolutions(state: dict[str, Tensor], file: Path) -> tuple[nn.Module, str]:
    import torchvision

    first = state.get("features.0.weight")
    shapes: dict[tuple[int, ...], str] = {(64, 3, 11, 11): "alexnet", (64, 3, 3, 3): "vgg16"}
    kind = shapes.get(() if first is None else tuple(first.shape))
    if kind is None:
        raise UsageError(f"{file}: holds neither the Inception network of FID nor AlexNet or VGG-16 of torchvision.")
    layers = getattr(torchvision.models, kind)(weights=None).features[: _CONVOLUTIONS[kind][1]]
    own = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
    try:
        layers.load_state_dict({k: v for k, v in own.items() if int(k.split(".")[0]) < len(layers)})
    except RuntimeError as error:
        raise UsageError(f"{file}: these weights do not fit {kind} of torchvision.") from error
    return layers, kind


def _inception(state: dict[str, Tensor], file: Path) -> nn.Module:
    """The Inception network of FID: torchvision's, but for how its blocks pool.

    The network of 2015 that FID is computed with averages over the pixels that there are, where torchvision's counts
    the margin too, and its last block takes maxima.
    """
    import torchvision

    network = torchvision.models.inception_v3(
        weights=None, num_classes=1008, aux_logits=False, init_weights=False, transform_input=False
    )
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UsageError(
            f"{file}: is an Inception network, but not that of FID (pt_inception-2015-12-05, 1008 classes)."
        ) from error
    for name, block in network.named_children():
        if hasattr(block, "branch_pool"):
            pooling = _Pooling(block.branch_pool, name == "Mixed_7c")
            block.branch_pool = pooling
            block.register_forward_pre_hook(pooling.see)
    network.fc = nn.Identity()
    return network


class _Pooling(nn.Module):
    """Pools what the block was given, in place of what the block has pooled."""

    def __init__(self, convolution: nn.Module, largest: bool) -> None:
        super().__init__()
        self.convolution, self.largest = convolution, largest
        self.given: Tensor | None = None

    def see(self, block: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Called before the block runs."""
        self.given = inputs[0]

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, C, H, W)."""
        assert self.given is not None
        if self.largest:
            return self.convolution(F.max_pool2d(self.given, 3, 1, 1))
        return self.convolution(F.avg_pool2d(self.given, 3, 1, 1, count_include_pad=False))

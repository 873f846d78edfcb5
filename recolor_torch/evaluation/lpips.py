"""LPIPS (Zhang et al. 2018), from backbone weights that the user has: nothing is downloaded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from recolor_torch.checks import check_image, check_same_size
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.weights import digest, find_weights
from recolor_torch.features import VGG19, find_vgg19
from recolor_torch.features.state_dicts import read_state, strip_prefix

# Layers of torchvision's ``features`` after which activations are compared, by the name of torchmetrics' file.
_TAPS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29), "squeeze": (1, 4, 7, 9, 10, 11, 12)}
_VGG_TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
_MODELS = {"alex": "alexnet", "squeeze": "squeezenet1_1"}
_SMALLEST = {"alex": 63, "vgg": 16, "squeeze": 19}
# Zhang et al. state mean and deviation of ImageNet for inputs in [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Lpips(nn.Module):
    """Perceptual distance of two pictures: weighted squared differences of normalised activations.

    The backbone comes from a file in torchvision's layout (AlexNet, VGG-16 or SqueezeNet 1.1, told apart by
    their layers); the weights of the layers are those that torchmetrics ships (version 0.1 of LPIPS).

    Args:
        path: the backbone's state dict, as torch or safetensors; or ``alexnet``, ``vgg16`` or ``squeezenet1_1``, where
            that is in torch's cache.

    Raises:
        WeightsMissing: there is no such file.
        UsageError: it holds none of the three networks.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        path = find_weights(path)
        state = _read(path)
        self.backbone = _which(state, path)
        self.smallest_side = _SMALLEST[self.backbone]
        self.digest = digest(state)
        self.taps = _TAPS[self.backbone]
        self.features = _vgg(path) if self.backbone == "vgg" else _features(self.backbone, state, path)
        for k, weight in enumerate(_linear(self.backbone)):
            self.register_buffer(f"linear_{k}", weight)
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor, truth: Tensor) -> Tensor:
        """Distance of each pair of sRGB pictures, (B, 3, H, W) in [0, 1]: (B,)."""
        check_image(image, "image", channels=3)
        check_same_size(truth, "truth", image)
        total = image.new_zeros(len(image))
        for k, x in enumerate(self._activations(torch.cat((image, truth)))):
            one, other = (x / (1e-8 + x.square().sum(1, keepdim=True)).sqrt()).chunk(2)
            total = total + ((one - other).square() * getattr(self, f"linear_{k}")).sum(1).mean((-2, -1))
        return total

    def _activations(self, images: Tensor) -> Iterator[Tensor]:
        if isinstance(self.features, VGG19):
            yield from self.features(images).values()
            return
        x = ((images * 2 - 1) - self.shift) / self.scale
        for k, layer in enumerate(self.features.children()):
            x = layer(x)
            if k in self.taps:
                yield x
            if k == self.taps[-1]:
                return


def _vgg(path: str | Path) -> VGG19:
    """VGG-16 with max pooling, which sees sRGB in [0, 1]."""
    mean, std = ((1 + torch.tensor(_SHIFT)) / 2).tolist(), (torch.tensor(_SCALE) / 2).tolist()
    try:
        found = find_vgg19(path, depth=15, preprocessing="torchvision")
    except (UsageError, WeightsMissing) as error:
        raise UsageError(f"{path}: these weights do not fit vgg16 of torchvision: {error}") from error
    if found.network != "vgg16":
        raise UsageError(f"{path}: these weights do not fit vgg16 of torchvision; LPIPS was made for that one.")
    return VGG19(replace(found, scale=1.0, mean=tuple(mean), std=tuple(std)), _VGG_TAPS, "max")


def _features(backbone: str, state: dict[str, Tensor], path: str | Path) -> nn.Module:
    import torchvision

    features = getattr(torchvision.models, _MODELS[backbone])(weights=None).features
    try:
        features.load_state_dict(state)
    except RuntimeError as error:
        raise UsageError(f"{path}: these weights do not fit {_MODELS[backbone]} of torchvision.") from error
    return features


def _read(path: Path) -> dict[str, Tensor]:
    state = strip_prefix(read_state(path)[0], ["features.0.weight"])
    return {k.removeprefix("features."): v.float() for k, v in state.items() if k.startswith("features.")}


def _which(state: dict[str, Tensor], path: str | Path) -> str:
    first = state.get("0.weight")
    shape = None if first is None else tuple(first.shape)
    if "3.squeeze.weight" in state:
        return "squeeze"
    if shape == (64, 3, 11, 11):
        return "alex"
    if shape == (64, 3, 3, 3):
        return "vgg"
    raise UsageError(f"{path}: holds neither AlexNet, VGG-16 nor SqueezeNet 1.1 of torchvision, which LPIPS needs.")


def _linear(backbone: str) -> list[Tensor]:
    """How much each channel counts, layer by layer, (1, C, 1, 1)."""
    import torchmetrics

    file = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / f"{backbone}.pth"
    state = torch.load(file, map_location="cpu", weights_only=True)
    return [state[f"lin{k}.model.1.weight"] for k in range(len(_TAPS[backbone]))]

"""Finding and reading the weights of VGG-19, of its first layers, of VGG-16, or of the slim network in their place."""

import hashlib
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.features.layers import CHANNELS, VGG16_LACKS, feature_index, paper_name, vgg16_index
from recolor_torch.features.state_dicts import read_state, strip_prefix
from recolor_torch.paths import as_path, is_file

Preprocessing = Literal["torchvision", "caffe", "caffe-bgr"]
Triple = tuple[float, float, float]

PREPROCESSING: dict[str, tuple[float, Triple, Triple]] = {
    "torchvision": (1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": (255.0, (0.48501961, 0.45795686, 0.40760392), (1.0, 1.0, 1.0)),
    "caffe-bgr": (255.0, (0.48501961, 0.45795686, 0.40760392), (1.0, 1.0, 1.0)),
}
"""Scale, mean and deviation by name: the network sees ``scale * (rgb - mean) / std``. With ``caffe-bgr`` the file's
first convolution expects blue first, as the authors' own network does; it is turned to red first when it is read."""

HUB_NAME = "vgg19-dcbb9e9d.pth"
URL = f"https://download.pytorch.org/models/{HUB_NAME}"

SLIM = Path(__file__).with_name("slim.safetensors")
"""The network that comes with this package, see slim.md: the first five convolutions with fewer channels."""
SLIM_DEPTH = 5


@dataclass(frozen=True)
class VggWeights:
    """The first convolutions of a VGG-19, of a VGG-16 or of a slim one, and how the input is made.

    Args:
        state: ``features.N.weight`` and ``features.N.bias`` with the layout of
            ``torchvision.models.vgg19().features``, float32; a slim network has fewer channels. A VGG-16 is a VGG-19
            without conv_8, conv_12 and conv_16 (conv3_4, conv4_4, conv5_4): the others have their names.
        scale, mean, std: the network sees ``scale * (rgb - mean) / std`` of sRGB in [0, 1].
        source: where they come from, for messages and records.
    """

    state: Mapping[str, Tensor]
    scale: float
    mean: Triple
    std: Triple
    source: str

    @property
    def convolutions(self) -> tuple[int, ...]:
        """The numbers of the convolutions that there are."""
        return tuple(k for k in range(1, len(CHANNELS) + 1) if f"features.{feature_index(k)}.weight" in self.state)

    @property
    def depth(self) -> int:
        """The number of the last convolution."""
        return max(self.convolutions, default=0)

    @property
    def network(self) -> str:
        """The name of the network that these are of."""
        if self.widths != tuple(CHANNELS[k - 1] for k in self.convolutions):
            return "slim_vgg"
        return "vgg16" if len(self.convolutions) < self.depth else "vgg19"

    @property
    def widths(self) -> tuple[int, ...]:
        """Output channels of each convolution."""
        return tuple(len(self.state[f"features.{feature_index(k)}.bias"]) for k in self.convolutions)

    def first(self, depth: int) -> "VggWeights":
        """Those up to convolution ``depth``: a file with more layers has the digest of one with fewer.

        Raises:
            ValueError: there are none as deep.
        """
        if depth == 0:
            return NO_VGG
        if self.depth < depth:
            raise ValueError(f"The weights end at conv_{self.depth}, and conv_{depth} is needed.")
        names = {f"features.{feature_index(k)}.{part}" for k in range(1, depth + 1) for part in ("weight", "bias")}
        return replace(self, state={name: x for name, x in self.state.items() if name in names})

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers and the preprocessing: equal exactly where the features are."""
        digest = hashlib.sha256(repr((self.scale, self.mean, self.std)).encode())
        for k in self.convolutions:
            for part in ("weight", "bias"):
                digest.update(self.state[f"features.{feature_index(k)}.{part}"].contiguous().numpy().tobytes())
        return digest.hexdigest()

    def provenance(self) -> dict[str, str]:
        """The digest under the name of the network that it is of, for the record of a run."""
        return {self.network: self.digest}


NO_VGG = VggWeights({}, 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "")
"""No convolution at all."""


def find_vgg19(
    path: str | Path | None = None,
    *,
    depth: int = 1,
    download: bool = False,
    preprocessing: str | None = None,
) -> VggWeights:
    """The first ``depth`` convolutions of VGG-19, from the first place that has them.

    In order: ``path``, the file that the environment variable ``RECOLOR_VGG19`` names, torchvision's
    hub cache, only with ``download`` torchvision's download of 550 MB, and, as far as five convolutions do, the slim
    network that comes with this package: the log then has one warning that says so. Files are as ``read_state`` has
    them, with torchvision's names (``features.0.weight``), those of its features alone (``0.weight``) or the paper's
    (``conv1_1.weight``), under any prefix; one that holds only the first layers serves as far as it goes, and one of
    VGG-16 as far as its 13 convolutions do: it has no conv_8, conv_12 and conv_16.

    Args:
        path: a file of weights, in torchvision's layout.
        depth: how many convolutions are needed, 1 to 16; no more are read. With 0 nothing is read.
        download: let torchvision fetch its weights where none are found.
        preprocessing: ``torchvision``, ``caffe`` or ``caffe-bgr`` in place of what the file's metadata says
            (its key ``input``; without one, torchvision's). A file with the paper's names needs it, because such
            files come from several places.

    Raises:
        WeightsMissing: there are none, or the file has fewer layers; the message says which it has.
        UsageError: the file is no VGG-19.
    """
    named = path or (os.environ.get("RECOLOR_VGG19") if depth else None)
    cached = Path(torch.hub.get_dir()) / "checkpoints" / HUB_NAME
    if named and not is_file(as_path(named)):
        raise WeightsMissing(f"{as_path(named)}: there is no such file of VGG-19 weights.")
    if depth == 0:
        return NO_VGG
    if named:
        file = as_path(named)
    elif is_file(cached):
        file = cached
    elif download:
        file = _download(cached)
    elif depth <= SLIM_DEPTH:
        file = SLIM
        _say_slim()
    else:
        raise WeightsMissing(
            "No VGG-19 weights were found: name a file with --weights or RECOLOR_VGG19, "
            f"put torchvision's at {cached}, or let --download fetch them (550 MB). "
            f"The slim network of this package ends at conv_{SLIM_DEPTH}, and conv_{depth} is needed."
        )
    found, metadata = read_state(file)
    state, known = _with_torchvision_names(found, file, depth)
    if not (known or preprocessing or metadata.get("input")):
        raise UsageError(f"{file} does not say how its input is made; say which with --vgg-preprocessing.")
    scale, mean, std = _preprocessing(metadata.get("input", ""), preprocessing, file)
    first = _first_layers(state, depth, file, _widths(metadata))
    if preprocessing == "caffe-bgr":
        first["features.0.weight"] = first["features.0.weight"].flip(1)
    return VggWeights(first, scale, mean, std, str(file))


def save_vgg19(weights: VggWeights, path: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write weights as safetensors that ``find_vgg19`` reads, preprocessing and widths included."""
    said = f"{weights.scale!r}*(rgb-mean)/std, rgb in [0,1], mean={weights.mean!r}, std={weights.std!r}"
    metadata = {"format": "pt", "input": said, "widths": " ".join(map(str, weights.widths))}
    from safetensors.torch import save_file

    save_file({k: v.to(dtype).contiguous() for k, v in weights.state.items()}, path, metadata)


def _download(to: Path) -> Path:
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(URL, str(to), hash_prefix=HUB_NAME[6:14])
    except (OSError, RuntimeError) as error:
        raise WeightsMissing(f"{URL} could not be fetched: {' '.join(str(error).split())[:120]}.") from error
    return to


@cache
def _say_slim() -> None:
    if os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes one says it
        logging.getLogger("recolor_torch").warning(
            "No VGG-19 weights were found: the slim network of this package is used "
            "(--weights, RECOLOR_VGG19 or --download bring the whole one)."
        )


def _widths(metadata: Mapping[str, str]) -> tuple[int, ...]:
    """Channels of each convolution: VGG-19's unless a file says that its network is a slim one."""
    said = metadata.get("widths", "").split()
    widths = tuple(map(int, said)) if all(map(str.isdecimal, said)) else ()
    return (*widths, *CHANNELS[len(widths) :])


def _with_torchvision_names(state: Mapping[str, Tensor], file: Path, depth: int) -> tuple[dict[str, Tensor], bool]:
    """The tensors as ``features.N.weight`` of VGG-19, and whether the file's own names are torchvision's."""
    parts = [(k, part) for k in range(1, len(CHANNELS) + 1) for part in ("weight", "bias")]
    names = [f"features.{feature_index(k)}.{part}" for k, part in parts]
    sixteen = [f"features.{vgg16_index(k)}.{part}" for k, part in parts]
    schemes = (names, [name.removeprefix("features.") for name in names], [f"{paper_name(k)}.{p}" for k, p in parts])
    for i, scheme in enumerate(schemes):
        own = strip_prefix(state, scheme)
        if scheme[0] not in own:
            continue
        wide = own.get("features.17.weight", own.get("17.weight"))
        numbered = i < 2 and wide is not None and tuple(wide.shape[:2]) == (512, 256)
        lacks = numbered or (i == 2 and "conv4_1.weight" in own and "conv3_4.weight" not in own)
        if lacks and depth in VGG16_LACKS:
            raise WeightsMissing(f"{file} holds VGG-16, which has no conv_{depth} ({paper_name(depth)}).")
        theirs_of: Sequence[str] = scheme
        if numbered:  # conv4_1 of VGG-16 stands where VGG-19 has a ReLU
            theirs_of = tuple(sixteen if i == 0 else (name.removeprefix("features.") for name in sixteen))
        pairs = [
            (name, theirs) for (k, _), name, theirs in zip(parts, names, theirs_of) if not lacks or k not in VGG16_LACKS
        ]
        return {name: own[theirs] for name, theirs in pairs if theirs in own}, i < 2
    return {}, True


def _first_layers(
    state: Mapping[str, Tensor], depth: int, file: Path, widths: tuple[int, ...] = CHANNELS
) -> dict[str, Tensor]:
    """The tensors of the first ``depth`` convolutions, shapes checked."""
    first: dict[str, Tensor] = {}
    sixteen = any(f"features.{feature_index(k + 1)}.weight" in state for k in VGG16_LACKS[:2]) and not any(
        f"features.{feature_index(k)}.weight" in state for k in VGG16_LACKS
    )
    last = 0
    for k in range(1, depth + 1):
        if sixteen and k in VGG16_LACKS:
            continue
        before, last, kind = last, k, "VGG-16" if sixteen else "VGG-19"
        name = f"features.{feature_index(k)}"
        if f"{name}.weight" not in state or f"{name}.bias" not in state:
            if k == 1:
                raise UsageError(f"{file} has no features.0.weight and features.0.bias, so it is no VGG-19.")
            raise WeightsMissing(f"{file} has only conv_1 to conv_{before} of {kind}, and conv_{depth} is needed.")
        shape = (widths[k - 1], 3 if k == 1 else widths[before - 1], 3, 3)
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        if tuple(weight.shape) != shape or tuple(bias.shape) != shape[:1]:
            got = "x".join(str(n) for n in weight.shape)
            raise UsageError(f"{file}: {name}.weight is {got}, and {kind} has {'x'.join(map(str, shape))}.")
        if not (weight.is_floating_point() and bias.is_floating_point()):
            raise UsageError(f"{file}: {name} holds whole numbers ({weight.dtype}), and weights are floating point.")
        first[f"{name}.weight"], first[f"{name}.bias"] = weight.float(), bias.float()
        if not (first[f"{name}.weight"].isfinite().all() and first[f"{name}.bias"].isfinite().all()):
            raise UsageError(f"{file}: {name} holds values that are not finite.")
    return first


def _preprocessing(said: str, override: str | None, file: Path) -> tuple[float, Triple, Triple]:
    if override is not None or not said:
        name = override or "torchvision"
        if name not in PREPROCESSING:
            raise UsageError(f"Unknown VGG preprocessing {name!r}. Known: {', '.join(PREPROCESSING)}.")
        return PREPROCESSING[name]
    scale = re.match(r"\s*(?:([\d.]+)\s*\*)?\s*\(rgb\s*-\s*mean\)", said)
    mean, std = _triple(said, "mean"), _triple(said, "std")
    if scale is None or mean is None:
        raise UsageError(f"{file}: its preprocessing {said!r} is not understood; say which with --vgg-preprocessing.")
    return float(scale[1] or 1), mean, std or (1.0, 1.0, 1.0)


def _triple(text: str, name: str) -> Triple | None:
    match = re.search(name + r"\s*=\s*\(([^)]*)\)", text)
    numbers = [float(part) for part in match[1].split(",")] if match else []
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None

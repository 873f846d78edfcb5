"""Weights of networks that judge: a file of the user's, or one that torchvision's downloads left in its cache."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.errors import WeightsMissing
from recolor_torch.paths import as_path, is_file

# Patterns of files in the cache of torch.hub, by the name of the network.
CACHED: dict[str, tuple[str, ...]] = {
    "alexnet": ("alexnet-owt-*.pth",),
    "vgg16": ("vgg16-*.pth",),
    "squeezenet1_1": ("squeezenet1_1-*.pth",),
    "inception": ("pt_inception-2015-12-05-*.pth", "weights-inception-2015-12-05-*.pth"),
    "inception_v3": ("inception_v3_google-*.pth",),
    "resnet18": ("resnet18-*.pth",),
    "resnet50": ("resnet50-*.pth",),
    "mobilenet_v2": ("mobilenet_v2-*.pth",),
}


def find_weights(named: str | Path) -> Path:
    """The file of that name, or the newest in torch's cache of the network of that name.

    Args:
        named: a path, or a name in ``CACHED``.

    Raises:
        WeightsMissing: there is neither.
    """
    file = as_path(named)
    if is_file(file):
        return file
    patterns = CACHED.get(str(named))
    if patterns is None:
        known = ", ".join(sorted(CACHED))
        raise WeightsMissing(f"{named}: there is no such file of weights. Names of those in torch's cache: {known}.")
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    found = sorted((p for pattern in patterns for p in folder.glob(pattern)), key=lambda p: p.stat().st_mtime)
    if not found:
        raise WeightsMissing(f"{named}: there is no {' or '.join(patterns)} in {folder}; name a file of weights.")
    return found[-1]


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names and values of weights."""
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(name.encode() + state[name].contiguous().numpy().tobytes())
    return found.hexdigest()

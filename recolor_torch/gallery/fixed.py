"""The whitenings that come with this package, for galleries that are too small to fit their own."""

from functools import cache
from pathlib import Path

import torch
from safetensors import safe_open

from recolor_torch.gallery.descriptor import DescriptorSpec
from recolor_torch.gallery.whitening import Whitening

FOLDER = Path(__file__).with_name("whitenings")
"""One file for each set of features that galleries are made with; its metadata say for which, and
scripts/training/fit_whitening.py makes it."""


def fixed_whitening(spec: DescriptorSpec) -> Whitening | None:
    """The whitening for galleries of ``spec``, or None where there is none for its features."""
    wanted = describe_features(spec)
    return next((whitening for whitening, features in _read() if features == wanted), None)


def describe_features(spec: DescriptorSpec) -> dict[str, str]:
    """What a whitening depends on, as text."""
    return {
        "layers": " ".join(spec.layers),
        "pooling": spec.pooling,
        "side": str(spec.side),
        "encoder": spec.encoder,
        "vgg": spec.digest if spec.depth else "",
    }


def save_whitening(path: Path, whitening: Whitening, spec: DescriptorSpec, pictures: int) -> None:
    """Write a whitening in half the bits, as ``fixed_whitening`` reads it."""
    from safetensors.torch import save_file

    scale = abs(whitening.matrix).max()  # half floats reach from 6e-8 to 65504
    parts = {
        "mean": torch.from_numpy(whitening.mean),
        "matrix": torch.from_numpy(whitening.matrix / scale).half(),
        "scale": torch.tensor([float(scale)]),
    }
    save_file(parts, path, {**describe_features(spec), "pictures": str(pictures)})


@cache
def _read() -> list[tuple[Whitening, dict[str, str]]]:
    found = []
    for path in sorted(FOLDER.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            said = dict(file.metadata())
            said.pop("pictures")
            matrix = file.get_tensor("matrix").astype("float32") * file.get_tensor("scale")
            found.append((Whitening(file.get_tensor("mean"), matrix), said))
    return found

"""Networks as programs that run without this package: for torch, and as ONNX for other runtimes."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from recolor_torch.errors import UsageError
from recolor_torch.files import write_atomically
from recolor_torch.networks.padding import reflect_to_multiple
from recolor_torch.networks.unet import LEAST_STRIDES, STRIDE, ColorUNet

SMALLEST_SIDE = 16
"""Pixels of the shortest side that an exported program takes."""

INPUTS = ("luminance", "hints", "mask")
"""Names of what a program reads."""

OUTPUTS = ("logits", "chroma", "vivid")
"""Names of what a program answers."""


def export_network(network: ColorUNet) -> ExportedProgram:
    """A colorization network as a program for ``torch.export.save``; torch alone loads and runs it.

    The program takes ``luminance`` (B, 1, H, W) in [0, 1], ``hints`` (B, 2, H, W), U and V, and ``mask`` (B, 1, H, W),
    0 all over where there are no hints, for any B and any sides of ``SMALLEST_SIDE`` pixels or more. It answers the
    tuple of ``Estimate``: logits (B, 313, H / 4, W / 4), rounded up, and chroma and vivid (B, 2, H, W).

    Args:
        network: of ``load_network("unet")``.
    """
    place = next(network.parameters())
    # Sides of which none is a multiple of another or of the stride: torch takes what agrees by chance for a rule.
    example = tuple(torch.rand(2, channels, 70, 101).to(place) for channels in (1, 2, 1))
    sizes = {0: Dim("batch"), 2: Dim("height", min=SMALLEST_SIDE), 3: Dim("width", min=SMALLEST_SIDE)}
    return torch.export.export(_Plain(network).eval(), example, dynamic_shapes=(sizes, sizes, sizes))


def write_program(network: nn.Module, path: Path) -> None:
    """Write the program of ``export_network``: ``.pt2`` for ``torch.export.load``, ``.onnx`` for an ONNX runtime.

    In ONNX the inputs and outputs have the names of ``INPUTS`` and ``OUTPUTS``; the weights are inside of the file.

    Raises:
        UsageError: the network is another than ``unet``, or torch's exporter lacks its packages (onnx and onnxscript).
    """
    if not isinstance(network, ColorUNet):
        raise UsageError(f"{path}: only the network 'unet' becomes a program, got {type(network).__name__}.")
    if path.suffix == ".onnx" and find_spec("onnxscript") is None:
        raise UsageError(f"{path}: ONNX needs two more packages: pip install onnx onnxscript")
    write = write_onnx if path.suffix == ".onnx" else write_torch
    write(export_network(network), path)


def write_torch(program: ExportedProgram, path: Path) -> None:
    """Write a program for ``torch.export.load``."""
    with write_atomically(path) as part, part.open("wb") as file:
        torch.export.save(program, file)


def write_onnx(program: ExportedProgram, path: Path) -> None:
    """Write a program for an ONNX runtime, in one file."""
    onnx = torch.onnx.export(program, dynamo=True, verbose=False, input_names=list(INPUTS), output_names=list(OUTPUTS))
    assert onnx is not None
    with write_atomically(path) as part:
        onnx.save(part, external_data=False)


class _Plain(nn.Module):
    """A network that answers a tuple, at any size: torch knows no classes of ours where it loads a program."""

    def __init__(self, network: ColorUNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, luminance: Tensor, hints: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        height, width = luminance.shape[-2:]
        estimate = self.network(*(reflect_to_multiple(x, STRIDE, LEAST_STRIDES) for x in (luminance, hints, mask)))
        assert estimate.logits is not None
        assert estimate.chroma is not None
        assert estimate.vivid is not None
        return (
            _corner(estimate.logits, (height + 3) // 4, (width + 3) // 4),
            _corner(estimate.chroma, height, width),
            _corner(estimate.vivid, height, width),
        )


def _corner(x: Tensor, height: int, width: int) -> Tensor:
    """The upper left of (B, C, H, W). A slice would let the program ask at which sizes it cuts nothing off."""
    for dim, side in ((-2, height), (-1, width)):
        x = x.index_select(dim, torch.arange(side, device=x.device))
    return x

"""Networks as programs that run without this package."""

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram


def export_network(network: nn.Module) -> ExportedProgram:
    """A colorization network as a program for ``torch.export.save``; it is loaded and run by torch alone.

    The program takes ``luminance`` (B, 1, H, W) in [0, 1], ``hints`` (B, 2, H, W), U and V, and ``mask`` (B, 1, H, W),
    0 all over where there are no hints, for any B and sides that are multiples of 32 from 64 on: other pictures are
    continued by reflection and cut afterwards. It answers the tuple of what the network gives of ``Estimate``: logits,
    chroma, vivid.

    Args:
        network: one of ``load_network``.
    """
    luminance, chroma = torch.rand(2, 1, 64, 96), torch.zeros(2, 2, 64, 96)
    place = next(network.parameters())
    example = tuple(x.to(place) for x in (luminance, chroma, torch.zeros_like(luminance)))
    sizes = {0: Dim("batch"), 2: 32 * Dim("rows"), 3: 32 * Dim("columns")}
    return torch.export.export(_Plain(network).eval(), example, dynamic_shapes=(sizes, sizes, sizes))


class _Plain(nn.Module):
    """A network that answers a tuple: torch knows no classes of ours where it loads a program."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, luminance: Tensor, hints: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        estimate = self.network(luminance, hints, mask)
        return tuple(x for x in (estimate.logits, estimate.chroma, estimate.vivid) if x is not None)

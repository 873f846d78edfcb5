import subprocess
import sys

import pytest
import torch

from recolor_torch.networks.export import export_network
from recolor_torch.networks.loading import load_network

ALONE = """
import sys
sys.modules["recolor_torch"] = None
import torch
program = torch.export.load(sys.argv[1]).module()
luminance, hints, mask = torch.load(sys.argv[2])
torch.save(program(luminance, hints, mask), sys.argv[3])
"""


@pytest.mark.slow
def test_an_exported_network_runs_alone_at_other_sizes(tmp_path, network_path):
    network, _ = load_network("unet", network_path)
    program = export_network(network)
    generator = torch.Generator().manual_seed(0)
    for batch, height, width in ((1, 64, 64), (3, 96, 64)):
        luminance = torch.rand(batch, 1, height, width, generator=generator)
        mask = (torch.rand(luminance.shape, generator=generator) > 0.9).float()
        hints = torch.rand(batch, 2, height, width, generator=generator) - 0.5
        estimate = network(luminance, hints, mask)
        expected = tuple(x for x in (estimate.logits, estimate.chroma, estimate.vivid) if x is not None)
        torch.testing.assert_close(program.module()(luminance, hints, mask), expected)
    torch.export.save(program, tmp_path / "network.pt2")
    torch.save((luminance, hints, mask), tmp_path / "input.pt")
    names = [str(tmp_path / name) for name in ("network.pt2", "input.pt", "output.pt")]
    subprocess.run([sys.executable, "-c", ALONE, *names], check=True, timeout=300)
    torch.testing.assert_close(torch.load(tmp_path / "output.pt"), expected)


def test_an_estimate_is_a_tree_of_tensors(network_path):
    network, _ = load_network("unet", network_path)
    estimate = network(torch.rand(1, 1, 32, 32))
    doubled = torch.utils._pytree.tree_map(lambda x: 2 * x, estimate)
    assert type(doubled) is type(estimate)
    torch.testing.assert_close(doubled.chroma, 2 * estimate.chroma)

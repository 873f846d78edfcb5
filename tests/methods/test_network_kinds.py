"""``network`` with the further kinds: near infrared makes luminance, multi-path tells the scene."""

import pytest
import torch

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.guide import Guide
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.networks import MultiPathNet, NearInfraredNet
from recolor_torch.networks.loading import save_network
from recolor_torch.pipeline import recolor, recolor_strips
from recolor_torch.run.coloring import describe_method
from recolor_torch.run.description import Coloring


@pytest.fixture(scope="module")
def infrared_path(tmp_path_factory):
    """A small network whose tone is a gain of 0.5 and an offset of 0.25, everywhere."""
    torch.manual_seed(0)
    network = NearInfraredNet("lite0", widths=(16, 16, 16, 16, 8))
    for head in (network.mean, network.vivid):
        torch.nn.init.normal_(head[0].weight, std=0.1)
    with torch.no_grad():
        network.tone[0].bias.copy_(torch.tensor([-0.5] * 4 + [0.25] * 4))
    path = tmp_path_factory.mktemp("infrared") / "infrared.safetensors"
    save_network(network, path)
    return path


@pytest.fixture
def image():
    return torch.rand(1, 1, 40, 56, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)


def infrared(path, **settings):
    return NetworkColorization(
        "near_infrared", str(path), **{"finish": False, "vividness": 0.0, "copies": 1, **settings}
    )


def test_luminance_is_that_of_the_network(infrared_path, image):
    """At the network's size and at twice of it, and though the luminance of the target is asked for."""
    expected = 0.5 * image[:, :1] + 0.25
    for side in (56, 32):
        out = recolor(image, infrared(infrared_path, side=side), keep="luma")
        torch.testing.assert_close(rgb_to_luminance(out), expected, atol=0.02, rtol=0)
    assert out.std(1).max() > 0.01  # and there are colors


def test_strips_are_the_whole(infrared_path, image):
    method = infrared(infrared_path)
    whole = recolor(image, method)
    rows = recolor_strips(lambda a, b: image[..., a:b, :], (40, 56), method, Guide())
    torch.testing.assert_close(torch.cat([rows(0, 17), rows(17, 40)], 2), whole, atol=1e-5, rtol=0)


def test_the_record_says_that_nothing_is_kept(infrared_path, network_path):
    assert describe_method(infrared(infrared_path), Coloring())["keep"] == "none"
    assert describe_method(NetworkColorization(weights=str(network_path)), Coloring())["keep"] == "luma"


def test_hints_are_exact_on_infrared_too(infrared_path, image):
    mask = torch.zeros(1, 1, 40, 56)
    mask[..., 10:16, 10:16] = 1
    hints = torch.tensor([0.7, 0.5, 0.4]).view(1, 3, 1, 1).expand(1, 3, 40, 56)
    method = infrared(infrared_path)
    yuv = torch.cat((image[:, :1], torch.zeros(1, 2, 40, 56)), 1)

    out = method(yuv, Guide(hints=rgb_to_yuv(hints), hint_mask=mask))
    torch.testing.assert_close(out[:, 1:, 12, 12], rgb_to_yuv(hints)[:, 1:, 12, 12], atol=2e-3, rtol=0)


def test_there_are_no_samples_of_infrared(infrared_path):
    for wrong in ({"samples": 3}, {"head": "distribution"}):
        with pytest.raises(ValueError, match="near_infrared gives no distribution"):
            infrared(infrared_path, **wrong)


def test_scenes_are_a_stage(tmp_path, image):
    torch.manual_seed(0)
    network = MultiPathNet(("forest", "room"), width=4)
    with torch.no_grad():
        network.tells[1].bias.copy_(torch.tensor([0.0, 50.0]))
    save_network(network, tmp_path / "net.safetensors")
    method = NetworkColorization("multi_path", str(tmp_path / "net.safetensors"), finish=False)
    method.keep_stages = True
    out = recolor(image.repeat(2, 1, 1, 1), method)
    torch.testing.assert_close(rgb_to_luminance(out), image[:, :1].expand(2, -1, -1, -1), atol=0.02, rtol=0)
    assert method.stages["scene"] == "room 100 %, forest 0 %\n" * 2
    assert method.notes == [("scene: room 100 %, forest 0 %.",)] * 2

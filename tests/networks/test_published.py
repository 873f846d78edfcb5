"""The published networks: names and shapes literally, and the forward pass written out with functions."""

import pytest
import torch
import torch.nn.functional as F

from recolor_torch.color import lab_to_rgb, rgb_to_lab, rgb_to_yuv, yuv_to_rgb
from recolor_torch.color.bins import ab_bins
from recolor_torch.networks.published import EightBlockNet, UserGuidedNet

# Convolutions of colorization_release_v2-9b330a0b.pth and siggraph17-df00044c.pth: name and shape of the weight.
ECCV16 = {
    "model1": [(0, (64, 1, 3, 3)), (2, (64, 64, 3, 3))],
    "model2": [(0, (128, 64, 3, 3)), (2, (128, 128, 3, 3))],
    "model3": [(0, (256, 128, 3, 3)), (2, (256, 256, 3, 3)), (4, (256, 256, 3, 3))],
    "model4": [(0, (512, 256, 3, 3)), (2, (512, 512, 3, 3)), (4, (512, 512, 3, 3))],
    "model5": [(0, (512, 512, 3, 3)), (2, (512, 512, 3, 3)), (4, (512, 512, 3, 3))],
    "model6": [(0, (512, 512, 3, 3)), (2, (512, 512, 3, 3)), (4, (512, 512, 3, 3))],
    "model7": [(0, (512, 512, 3, 3)), (2, (512, 512, 3, 3)), (4, (512, 512, 3, 3))],
    "model8": [(0, (512, 256, 4, 4)), (2, (256, 256, 3, 3)), (4, (256, 256, 3, 3)), (6, (313, 256, 1, 1))],
}
ECCV16_NORMS = {"model1.4": 64, "model2.4": 128, "model3.6": 256} | {f"model{i}.6": 512 for i in (4, 5, 6, 7)}
SIGGRAPH17 = {
    **ECCV16,
    "model1": [(0, (64, 4, 3, 3)), (2, (64, 64, 3, 3))],
    "model8up": [(0, (512, 256, 4, 4))],
    "model3short8": [(0, (256, 256, 3, 3))],
    "model8": [(1, (256, 256, 3, 3)), (3, (256, 256, 3, 3))],
    "model9up": [(0, (256, 128, 4, 4))],
    "model2short9": [(0, (128, 128, 3, 3))],
    "model9": [(1, (128, 128, 3, 3))],
    "model10up": [(0, (128, 128, 4, 4))],
    "model1short10": [(0, (128, 64, 3, 3))],
    "model10": [(1, (128, 128, 3, 3))],
    "model_class": [(0, (529, 256, 1, 1))],
    "model_out": [(0, (2, 128, 1, 1))],
}
SIGGRAPH17_NORMS = {**ECCV16_NORMS, "model8.5": 256, "model9.3": 128}


def tensors(convolutions, norms):
    shapes = {}
    for block, layers in convolutions.items():
        for index, shape in layers:
            shapes[f"{block}.{index}.weight"] = shape
            transposed = shape[2:] == (4, 4)
            shapes[f"{block}.{index}.bias"] = (shape[1] if transposed else shape[0],)
    for name, channels in norms.items():
        shapes |= {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
        shapes[f"{name}.num_batches_tracked"] = ()
    return shapes


def filled(network):
    """A network with weights under which activations neither die nor explode."""
    g = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=g))
        elif name.endswith("weight") and tensor.ndim == 4 and name != "model_out.weight":
            tensor.copy_(torch.randn(tensor.shape, generator=g) * (2 / tensor[0].numel()) ** 0.5)
        elif tensor.is_floating_point() and name != "model_out.weight":
            tensor.copy_(1 + 0.1 * torch.randn(tensor.shape, generator=g))
    return network.eval()


@pytest.fixture(scope="module")
def luminance():
    return torch.rand(1, 1, 32, 40, generator=torch.Generator().manual_seed(1))


def test_names_and_shapes_of_2016():
    expected = tensors(ECCV16, ECCV16_NORMS) | {"model_out.weight": (2, 313, 1, 1)}
    assert {k: tuple(v.shape) for k, v in EightBlockNet().state_dict().items()} == expected


def test_names_and_shapes_of_2017():
    assert {k: tuple(v.shape) for k, v in UserGuidedNet().state_dict().items()} == tensors(SIGGRAPH17, SIGGRAPH17_NORMS)


def norm(state, x, name):
    parts = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    return F.batch_norm(x, *parts)


def block(state, x, name, layers, last_stride=1, dilation=1, then_norm=None):
    for i in layers:
        stride = last_stride if i == layers[-1] else 1
        weight, bias = state[f"{name}.{i}.weight"], state[f"{name}.{i}.bias"]
        x = F.relu(F.conv2d(x, weight, bias, stride, dilation, dilation))
    return x if then_norm is None else norm(state, x, f"{name}.{then_norm}")


def conv(state, x, name, padding=1):
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)


def up(state, x, name):
    return F.conv_transpose2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=2, padding=1)


@torch.no_grad()
def test_2016_forward(luminance):
    network = filled(EightBlockNet())
    s = network.state_dict()
    lightness = rgb_to_lab(luminance.expand(-1, 3, -1, -1))[:, :1]
    x = (lightness - 50) / 100
    x = block(s, x, "model1", (0, 2), 2, then_norm=4)
    x = block(s, x, "model2", (0, 2), 2, then_norm=4)
    x = block(s, x, "model3", (0, 2, 4), 2, then_norm=6)
    for i, dilation in ((4, 1), (5, 2), (6, 2), (7, 1)):
        x = block(s, x, f"model{i}", (0, 2, 4), dilation=dilation, then_norm=6)
    x = block(s, F.relu(up(s, x, "model8.0")), "model8", (2, 4))
    logits = conv(s, x, "model8.6", padding=0)
    ab = torch.einsum("bkhw,kc->bchw", logits.softmax(1), ab_bins())
    ab = F.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False)
    expected = rgb_to_yuv(lab_to_rgb(torch.cat((lightness, ab), 1)))[:, 1:]
    found = network(luminance)
    torch.testing.assert_close(found.logits, logits)
    torch.testing.assert_close(found.chroma, expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_2017_forward(luminance):
    network = filled(UserGuidedNet())
    network.model_out[0].weight.mul_(0.1)
    s = network.state_dict()
    g = torch.Generator().manual_seed(2)
    hints, mask = 0.1 * torch.randn(1, 2, 32, 40, generator=g), (torch.rand(1, 1, 32, 40, generator=g) > 0.9).float()
    lightness = rgb_to_lab(luminance.expand(-1, 3, -1, -1))[:, :1]
    ab = rgb_to_lab(yuv_to_rgb(torch.cat((luminance, hints), 1)).clamp(0, 1))[:, 1:] * mask
    x1 = block(s, torch.cat(((lightness - 50) / 100, ab / 110, mask), 1), "model1", (0, 2), then_norm=4)
    x2 = block(s, x1[..., ::2, ::2], "model2", (0, 2), then_norm=4)
    x3 = block(s, x2[..., ::2, ::2], "model3", (0, 2, 4), then_norm=6)
    x = x3[..., ::2, ::2]
    for i, dilation in ((4, 1), (5, 2), (6, 2), (7, 1)):
        x = block(s, x, f"model{i}", (0, 2, 4), dilation=dilation, then_norm=6)
    x8 = F.relu(up(s, x, "model8up.0") + conv(s, x3, "model3short8.0"))
    x8 = block(s, x8, "model8", (1, 3), then_norm=5)
    x9 = F.relu(up(s, x8, "model9up.0") + conv(s, x2, "model2short9.0"))
    x9 = block(s, x9, "model9", (1,), then_norm=3)
    x10 = F.relu(up(s, x9, "model10up.0") + conv(s, x1, "model1short10.0"))
    x10 = F.leaky_relu(conv(s, x10, "model10.1"), 0.2)
    out = 110 * torch.tanh(conv(s, x10, "model_out.0", padding=0))
    expected = rgb_to_yuv(lab_to_rgb(torch.cat((lightness, out), 1)))[:, 1:]
    found = network(luminance, hints, mask)
    assert expected.std() > 0.01
    torch.testing.assert_close(found.chroma, expected, atol=1e-5, rtol=1e-4)
    # Class (a, b) = (0, 0) is number 11 * 23 + 11 of the grid, and one of the 313.
    classes = conv(s, x8, "model_class.0", padding=0)
    gray = int((ab_bins().abs().sum(1) == 0).nonzero())
    torch.testing.assert_close(found.logits[:, gray], classes[:, 11 * 23 + 11])


@pytest.mark.parametrize("cls", [EightBlockNet, UserGuidedNet])
def test_any_size(cls):
    with torch.no_grad():
        estimate = cls().eval()(torch.rand(1, 1, 13, 21))
    assert estimate.chroma.shape == (1, 2, 13, 21)
    assert estimate.logits.shape == (1, 313, 4, 6)

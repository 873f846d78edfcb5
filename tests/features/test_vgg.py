"""VGG-19 by named layer, against torchvision's own module."""

import copy

import pytest
import torch
from vggs import random_features

from recolor_torch.features import (
    VGG19,
    VggWeights,
    find_vgg19,
    gram_matrix,
    layer_depth,
    layer_name,
    normalize_activations,
    save_vgg19,
)
from recolor_torch.features.layers import feature_index


@pytest.fixture(scope="module")
def reference():
    torch.manual_seed(0)
    return random_features("E")


@pytest.fixture(scope="module")
def weights(reference):
    state = {f"features.{k}": v for k, v in reference.state_dict().items()}
    return VggWeights(state, 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "random")


@pytest.fixture
def image():
    return torch.rand(2, 3, 40, 37, generator=torch.Generator().manual_seed(1))


def through(reference, image, index):
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    x = (image - mean) / std
    for i in range(index + 1):
        x = torch.relu(x) if isinstance(reference[i], torch.nn.ReLU) else reference[i](x)
    return x


def test_every_layer_equals_torchvision(reference, weights, image, device):
    layers = [f"conv_{k}" for k in range(1, 17)] + [f"relu_{k}" for k in range(1, 17)]
    vgg = VGG19(weights, [*layers, "pool_3", "pool_5", "pool_9", "pool_13", "pool_17"], "max").to(device)
    found = vgg(image.to(device))
    for k in range(1, 17):
        index = feature_index(k)
        torch.testing.assert_close(found[f"conv_{k}"].cpu(), through(reference, image, index), rtol=1e-4, atol=1e-5)
        expected = through(reference, image, index + 1)
        torch.testing.assert_close(found[f"relu_{k}"].cpu(), expected, rtol=1e-4, atol=1e-5)
        if k in (2, 4, 8, 12, 16):
            expected = through(reference, image, index + 2)
            torch.testing.assert_close(found[f"pool_{k + 1}"].cpu(), expected, rtol=1e-4, atol=1e-5)


def test_aliases_name_the_same_layers(weights, image):
    found = VGG19(weights, ["conv3_1", "conv_5", "relu2_2", "relu_4"])(image)
    assert torch.equal(found["conv3_1"], found["conv_5"])
    assert torch.equal(found["relu2_2"], found["relu_4"])
    assert [layer_name(f"conv{b}_1") for b in range(1, 6)] == ["conv_1", "conv_3", "conv_5", "conv_9", "conv_13"]


def test_average_pooling_is_the_mean_of_four(weights, image):
    found = VGG19(weights, ["relu_2", "pool_3"], "average")(image)
    expected = torch.nn.functional.avg_pool2d(found["relu_2"], 2)
    torch.testing.assert_close(found["pool_3"], expected)


@pytest.mark.parametrize(("layer", "depth"), [("conv_1", 1), ("pool_3", 2), ("conv3_1", 5), ("relu5_4", 16)])
def test_it_is_truncated_at_the_deepest_layer(weights, layer, depth):
    vgg = VGG19(weights, [layer, "conv_1"])
    assert len(vgg.convolutions) == depth == layer_depth(layer)
    assert not any(p.requires_grad for p in vgg.parameters())


def test_gradients_reach_the_image(weights):
    # A small network: gradcheck through conv, ReLU, pooling and preprocessing.
    vgg = VGG19(weights, ["conv_1", "pool_3"]).double()
    x = torch.rand(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: gram_matrix(vgg(x)["pool_3"])[:, :2, :2], x, atol=1e-6)
    assert torch.autograd.gradcheck(lambda x: vgg(x)["conv_1"][:, :3], x)


@pytest.mark.parametrize(("layer", "side"), [("conv_2", 1), ("pool_3", 2), ("conv_5", 4), ("conv_16", 16)])
def test_too_small_a_picture_is_refused(weights, layer, side):
    vgg = VGG19(weights, [layer])
    assert vgg.smallest_side == side
    assert min(vgg(torch.rand(1, 3, side, side + 1))[layer].shape) >= 1
    if side > 1:
        with pytest.raises(ValueError, match=f"sides of {side} pixels or more"):
            vgg(torch.rand(1, 3, side - 1, 64))


def test_unknown_layers_and_short_weights_are_refused(weights):
    with pytest.raises(ValueError, match="Unknown layer 'conv_17'. Known layers"):
        VGG19(weights, ["conv_17"])
    first = VggWeights(dict(list(weights.state.items())[:4]), 1.0, weights.mean, weights.std, "")
    with pytest.raises(ValueError, match="end at conv_2, and conv_5"):
        VGG19(first, ["conv_5"])


def test_gram_matrix_is_the_formula(rgb):
    gram = gram_matrix(rgb)
    flat = rgb.flatten(2)
    expected = torch.einsum("bip,bjp->bij", flat, flat) / (3 * rgb.shape[2] * rgb.shape[3])
    torch.testing.assert_close(gram, expected)


def test_normalised_activations_have_unit_mean_and_the_same_features(weights):
    first = VggWeights(dict(list(weights.state.items())[:10]), 1.0, weights.mean, weights.std, "random")
    images = [torch.rand(2, 3, 24, 30), torch.rand(1, 3, 33, 21)]
    normalised = normalize_activations(first, iter(images))
    layers = [f"relu_{k}" for k in range(1, 6)]
    new, old = VGG19(normalised, layers), VGG19(first, layers)
    for layer in layers:
        stack = torch.cat([new(x)[layer].transpose(0, 1).flatten(1) for x in images], 1)
        before = torch.cat([old(x)[layer].transpose(0, 1).flatten(1) for x in images], 1)
        alive = before.mean(1) > 0
        torch.testing.assert_close(stack.mean(1)[alive], torch.ones(int(alive.sum())), rtol=1e-4, atol=1e-4)
        scaled = before[alive] / before[alive].mean(1, keepdim=True)
        torch.testing.assert_close(stack[alive], scaled, rtol=1e-3, atol=1e-3)


def test_normalising_needs_images(weights):
    with pytest.raises(ValueError, match="at least one image"):
        normalize_activations(weights, [])


def test_the_shared_prefix_has_unit_mean_on_photographs(vgg19_path, shared):
    """The file that Gatys et al. normalised over ImageNet: near one on other photographs."""
    from recolor_torch.pictures import read_picture

    weights = find_vgg19(vgg19_path, depth=5)
    assert weights.scale == 255
    layers = [f"relu_{k}" for k in range(1, 6)]
    files = sorted((shared / "data" / "photos" / "bsds500").glob("*.jpg"))[:12]
    images = [read_picture(f).image[..., :192, :256] for f in files]
    published = VGG19(weights, layers, "max")
    with torch.no_grad():
        means = [{layer: found.mean() for layer, found in published(x).items()} for x in images]
    for layer in layers:
        assert 0.75 < torch.stack([found[layer] for found in means]).mean() < 1.33
    again = normalize_activations(weights, images)
    means = torch.stack([VGG19(again, ["relu_5"])(x)["relu_5"].mean((0, 2, 3)) for x in images]).mean(0)
    # Pictures of one size, so that the mean of means is the mean over all positions.
    torch.testing.assert_close(means, torch.ones(256), rtol=1e-3, atol=1e-3)


def test_saved_weights_are_found_again(tmp_path, weights):
    first = VggWeights(dict(list(weights.state.items())[:6]), 255.0, (0.4, 0.5, 0.6), (1.0, 0.5, 0.25), "")
    save_vgg19(first, tmp_path / "vgg.safetensors")
    found = find_vgg19(tmp_path / "vgg.safetensors", depth=3)
    assert found.digest == first.digest
    assert (found.scale, found.mean, found.std) == (255.0, (0.4, 0.5, 0.6), (1.0, 0.5, 0.25))


@pytest.mark.parametrize("size", [(12, 16), (13, 11)])
def test_gradients_equal_those_of_the_plain_network(reference, weights, size):
    layers = ["conv_1", "conv_2", "conv_4", "conv_5"]
    vgg = VGG19(weights, layers).double()
    plain = [torch.relu if isinstance(x, torch.nn.ReLU) else x for x in copy.deepcopy(reference).double()]
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(2), dtype=torch.float64).requires_grad_()
    x, found = (image - vgg.mean) / vgg.std, {}
    for i, layer in enumerate(plain):
        x = torch.nn.functional.avg_pool2d(x, 2) if isinstance(layer, torch.nn.MaxPool2d) else layer(x)
        found |= {f"conv_{k}": x for k in (1, 2, 4, 5) if feature_index(k) == i}
        if len(found) == 4:
            break
    ours = vgg(image)
    losses = [sum((f[name] ** 2).mean() for name in layers) for f in (ours, found)]
    gradients = [torch.autograd.grad(loss, image)[0] for loss in losses]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-12)


def test_only_the_outputs_of_convolutions_are_kept(weights):
    layers = ["conv_1", "conv_2", "conv_3"]
    vgg = VGG19(weights, layers)
    image = torch.rand(1, 3, 16, 16).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        features = vgg(image)
    outputs = {f.data_ptr() for f in features.values()}
    assert all(
        t.data_ptr() in outputs or t.shape[-2:] != features["conv_1"].shape[-2:] or t.shape[1] == 3 for t in kept
    )

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from recolor_torch.color import rgb_to_luminance
from recolor_torch.features import VGG19, VggWeights, find_vgg19
from recolor_torch.features.layers import CHANNELS, feature_index
from recolor_torch.gallery import Descriptor, DescriptorSpec, make_spec
from recolor_torch.gallery.descriptor import TEXTURE, first_layers, scaled_luminance


@pytest.fixture(scope="module")
def weights():
    """Random weights of five convolutions."""
    g = torch.Generator().manual_seed(0)
    state = {}
    for k in range(1, 6):
        inputs = 3 if k == 1 else CHANNELS[k - 2]
        scale = (9 * inputs) ** -0.5
        state[f"features.{feature_index(k)}.weight"] = scale * torch.randn(CHANNELS[k - 1], inputs, 3, 3, generator=g)
        state[f"features.{feature_index(k)}.bias"] = 0.1 * torch.randn(CHANNELS[k - 1], generator=g)
    return VggWeights(state, 1.0, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "random")


@pytest.fixture
def picture():
    return torch.rand(2, 3, 40, 64, generator=torch.Generator().manual_seed(1))


def statistics(x, pooling):
    x = x.flatten(2)
    if pooling == "gem":
        return x.clamp_min(1e-6).pow(3).mean(-1) ** (1 / 3)
    if pooling == "mean_std":
        return torch.cat((x.mean(-1), x.std(-1, correction=0)), 1)
    return x.mean(-1) if pooling == "mean" else x.max(-1).values


@pytest.mark.parametrize("pooling", ["mean", "mean_std", "max", "gem"])
def test_descriptor_is_statistics_of_the_features_of_the_luminance(weights, picture, pooling):
    spec = make_spec(weights, ["conv_2", "conv3_1"], pooling, side=64)
    assert spec.layers == ("conv_2", "conv_5")
    descriptor = Descriptor(weights, spec)
    y = scaled_luminance(picture, 64)
    features = VGG19(weights, ["conv_2", "conv_5"])(y.expand(-1, 3, -1, -1))
    expected = torch.cat([statistics(f, pooling) for f in features.values()], 1)
    torch.testing.assert_close(descriptor(y), expected, rtol=1e-4, atol=1e-5)
    one_by_one = torch.cat([descriptor(x[None]) for x in y])
    torch.testing.assert_close(descriptor(y), one_by_one, rtol=1e-4, atol=1e-5)


def test_color_is_not_looked_at(weights, picture):
    gray = rgb_to_luminance(picture).expand(-1, 3, -1, -1)
    torch.testing.assert_close(scaled_luminance(gray, 48), scaled_luminance(picture, 48), rtol=0, atol=1e-6)


def test_mirrored_copies_are_descriptors_of_mirrored_pictures(weights, picture):
    descriptor = Descriptor(weights, make_spec(weights, TEXTURE, side=64))
    y = scaled_luminance(picture, 64)
    copies = descriptor.copies(y)
    assert copies.shape == (2, 2, 768)
    torch.testing.assert_close(copies[:, 1], descriptor(y.flip(-1)))
    alone = Descriptor(weights, make_spec(weights, TEXTURE, side=64, mirrored=False))
    torch.testing.assert_close(alone.copies(y), copies[:, :1])


@pytest.mark.parametrize(
    ("size", "expected"), [((40, 64), (50, 80)), ((300, 200), (80, 53)), ((2, 500), (16, 80)), ((1, 1), (80, 80))]
)
def test_size_that_is_compared(size, expected):
    assert scaled_luminance(torch.rand(1, 3, *size), 80).shape[-2:] == expected


def test_reduction_is_antialiased():
    stripes = (torch.arange(640) % 2).float().expand(1, 3, 480, 640)
    assert float((scaled_luminance(stripes, 160)[..., 4:-4] - 0.5).abs().max()) < 0.01


def test_a_file_with_more_layers_has_the_same_spec(weights):
    deeper = dataclasses.replace(
        weights,
        state={
            **weights.state,
            "features.12.weight": torch.zeros(256, 256, 3, 3),
            "features.12.bias": torch.zeros(256),
        },
    )
    assert deeper.depth == 6
    assert make_spec(deeper, TEXTURE) == make_spec(weights, TEXTURE)
    assert first_layers(deeper, 5).depth == 5
    Descriptor(deeper, make_spec(weights, TEXTURE))


def test_other_weights_and_settings_are_refused_by_name(weights):
    spec = make_spec(weights, TEXTURE)
    other = dataclasses.replace(weights, scale=2.0)
    with pytest.raises(ValueError, match="made with other features: scale 1.0 there, 2.0 here"):
        Descriptor(other, spec)
    state = {k: v + 0.01 for k, v in weights.state.items()}
    with pytest.raises(ValueError, match="other features: weights [0-9a-f]{12} there, [0-9a-f]{12} here"):
        Descriptor(dataclasses.replace(weights, state=state), spec)
    assert (
        spec.difference(make_spec(weights, TEXTURE, side=80, pooling="max"))
        == "pooling mean_std there, max here; side 224 there, 80 here"
    )
    assert spec.difference(spec) == ""


def test_spec_survives_json(weights):
    import json

    spec = make_spec(weights, TEXTURE)
    assert DescriptorSpec.from_json(json.loads(json.dumps(dataclasses.asdict(spec)))) == spec


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["conv_99"]}, "Unknown layer 'conv_99'"),
        ({"layers": ["conv_6"]}, "The weights end at conv_5, and conv_6 is needed"),
        ({"layers": []}, "needs one layer or more"),
        ({"pooling": "median"}, "Unknown pooling 'median'"),
        ({"side": 8}, "side must be 32 pixels or more, got 8"),
    ],
)
def test_settings_are_checked(weights, options, message):
    with pytest.raises(ValueError, match=message):
        make_spec(weights, **options)


def test_shapes_are_checked(weights):
    with pytest.raises(ValueError, match="image must have shape"):
        scaled_luminance(torch.rand(3, 8, 8), 64)
    with pytest.raises(ValueError, match="luminance must have shape"):
        Descriptor(weights, make_spec(weights, TEXTURE))(torch.rand(1, 3, 32, 32))


def test_on_the_device(weights, picture, device):
    descriptor = Descriptor(weights, make_spec(weights, TEXTURE, side=64))
    y = scaled_luminance(picture, 64)
    expected = descriptor(y)
    out = descriptor.to(device)(y.to(device))
    assert out.device.type == device.type
    torch.testing.assert_close(out.cpu(), expected, rtol=1e-3, atol=1e-4)


def test_real_features_find_a_crop_before_another_picture(vgg19_path, shared):
    from recolor_torch.pictures import read_picture

    found = find_vgg19(vgg19_path, depth=5)
    descriptor = Descriptor(found, make_spec(found, TEXTURE, side=96))
    pictures = [read_picture(p).image for p in sorted((shared / "data/photos/kodak").glob("*.png"))[:4]]
    rows = F.normalize(torch.cat([descriptor(scaled_luminance(x, 96)) for x in pictures]))
    crops = F.normalize(torch.cat([descriptor(scaled_luminance(x[..., 40:-40, 60:-60], 96)) for x in pictures]))
    centre = rows.mean(0)
    assert (F.normalize(crops - centre) @ F.normalize(rows - centre).T).argmax(1).tolist() == [0, 1, 2, 3]

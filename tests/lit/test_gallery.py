"""Descriptors under the Trainer: checkpoints, interruptions, order within mixed sizes."""

import os

import numpy as np
import pytest
import torch
from pictures import save_picture

from recolor_torch.features import find_vgg19
from recolor_torch.gallery import Descriptor, make_spec
from recolor_torch.gallery.descriptor import TEXTURE, scaled_luminance
from recolor_torch.gallery.pending import read_checkpoints
from recolor_torch.gallery.store import open_state
from recolor_torch.gallery.upkeep import build_gallery, find_gallery_files
from recolor_torch.lit.gallery import CheckpointWriter, embed_pictures
from recolor_torch.pictures import read_picture


@pytest.fixture
def place(tmp_path):
    for n in range(7):  # sizes in turns, so that a batch holds several of each
        save_picture(tmp_path / f"in/{n}.png", *((60, 40), (40, 60), (50, 50))[n % 3], seed=n)
    (tmp_path / "in/bad.png").write_bytes(b"\x89PNG no")
    (tmp_path / "g").mkdir()
    return tmp_path


@pytest.fixture
def weights(vgg19_path):
    return find_vgg19(vgg19_path, depth=5)


def test_descriptors_are_those_of_their_pictures(place, weights):
    spec = make_spec(weights, TEXTURE, side=48)
    found = find_gallery_files(place / "g", ["../in"])
    assert not embed_pictures(place / "g", spec, found, weights, workers=0, batch_size=5, accelerator="cpu")
    (checkpoint,) = read_checkpoints(place / "g", spec)
    descriptor = Descriptor(weights, spec)
    assert len(checkpoint.rows) == 7
    for row, raw in zip(checkpoint.rows, checkpoint.raw()):
        image = read_picture(place / "g" / row.path).image
        expected = descriptor.copies(scaled_luminance(image, 48))[0]
        torch.testing.assert_close(torch.from_numpy(raw), expected, rtol=1e-4, atol=1e-4)
        assert (row.height, row.width) == tuple(image.shape[-2:])
    assert [os.path.basename(s.path) for s in checkpoint.skipped] == ["bad.png"]


def test_an_interrupted_run_keeps_what_it_has_done(place, weights):
    spec = make_spec(weights, TEXTURE, side=48)
    done = []

    def stop_after_two(count, skipped):
        done.append(count)
        if len(done) == 2:
            raise KeyboardInterrupt

    def embed(folder, spec, files):
        writer = CheckpointWriter(folder, spec, on_done=stop_after_two)
        return embed_pictures(folder, spec, files, weights, workers=0, batch_size=2, writer=writer, accelerator="cpu")

    outcome = build_gallery(place / "g", [str(place / "in")], spec, embed, factory="Flat")
    assert outcome.interrupted
    assert sum(len(c.rows) for c in read_checkpoints(place / "g", spec)) == 4
    outcome = build_gallery(place / "g", [str(place / "in")], spec, embed, factory="Flat")
    assert not outcome.interrupted
    assert done == [2, 2, 2, 2]
    assert open_state(place / "g").header.pictures == 7


def test_checkpoints_come_as_often_as_they_are_wanted(place, weights):
    spec = make_spec(weights, TEXTURE, side=48)
    found = find_gallery_files(place / "g", ["../in"])
    writer = CheckpointWriter(place / "g", spec, every=3)
    embed_pictures(place / "g", spec, found, weights, workers=0, batch_size=2, writer=writer, accelerator="cpu")
    sizes = sorted(len(c.rows) + len(c.skipped) for c in read_checkpoints(place / "g", spec))
    assert sizes == [4, 4]


def test_other_weights_stop_before_anything_is_written(place, weights):
    spec = make_spec(weights, TEXTURE, side=48)
    other = type(weights)({k: 2 * v for k, v in weights.state.items()}, weights.scale, weights.mean, weights.std, "x")
    with pytest.raises(ValueError, match="made with other features: weights"):
        embed_pictures(place / "g", spec, find_gallery_files(place / "g", ["../in"]), other, accelerator="cpu")
    assert not (place / "g/pending").exists()


def test_a_run_without_readable_pictures(place, weights):
    spec = make_spec(weights, TEXTURE, side=48)
    bad = [f for f in find_gallery_files(place / "g", ["../in"]) if "bad" in f.path]
    assert not embed_pictures(place / "g", spec, bad, weights, workers=0, accelerator="cpu")
    (checkpoint,) = read_checkpoints(place / "g", spec)
    assert (len(checkpoint.rows), len(checkpoint.skipped)) == (0, 1)
    assert checkpoint.raw().shape[0] == 0
    assert np.isfinite(checkpoint.raw()).all()

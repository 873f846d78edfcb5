"""References and masks: what nobody sees does not count."""

import inspect

import numpy as np
import pytest
import torch
from PIL import Image

from recolor_torch.guide import Guide
from recolor_torch.methods import METHODS, build_method
from recolor_torch.pictures import PictureError
from recolor_torch.pictures.guidance import read_mask, read_reference, read_visible
from recolor_torch.pipeline import recolor
from recolor_torch.run.batches import BatchDataset
from recolor_torch.run.description import Guidance, Output
from recolor_torch.run.plan import make_plan
from recolor_torch.run.targets import Target


def cut(path, hidden, alpha=None, width=40, height=30):
    """A cut-out: a colored disk on clear ground of any color."""
    y, x = np.mgrid[:height, :width]
    inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 2.5) ** 2
    pixels = np.stack([x * 5 % 256, y * 8 % 256, 255 - x * 3], -1).astype(np.uint8)
    pixels[~inside] = hidden
    alpha = np.where(inside, 255, 0).astype(np.uint8) if alpha is None else np.full(inside.shape, alpha, np.uint8)
    Image.fromarray(np.dstack([pixels, alpha])).save(path)
    return path


@pytest.mark.parametrize("name", [name for name, cls in METHODS.items() if "reference" in cls.needs])
def test_color_under_transparency_changes_nothing(name, tmp_path, request):
    settings = {}
    if "weights" in inspect.signature(METHODS[name]).parameters:
        settings["weights"] = str(request.getfixturevalue("vgg19_path"))
    if name == "gram":
        settings |= {"steps": 2, "style": {"conv_1": 1.0}, "content": {"conv_1": 1.0}}
    target = torch.linspace(0, 1, 24 * 32).reshape(1, 1, 24, 32).expand(-1, 3, -1, -1)
    results = []
    for hidden in ((255, 0, 255), (0, 255, 0)):
        reference = read_reference(cut(tmp_path / f"{hidden[0]}.png", hidden))
        hints = torch.zeros_like(target), torch.zeros_like(target[:, :1])
        hints[0][..., 4, 4], hints[1][..., 4, 4] = 0.5, 1
        guide = {"references": (reference,)}
        if "hints" in METHODS[name].needs:
            guide |= {"hints": hints[0], "hint_mask": hints[1]}
        torch.manual_seed(0)
        results.append(recolor(target, build_method(name, **settings), Guide(**guide)))
    torch.testing.assert_close(results[0], results[1], atol=0, rtol=0)


def test_what_is_seen_of_a_reference(tmp_path):
    reference = read_reference(cut(tmp_path / "a.png", (255, 0, 255)))
    alpha = np.asarray(Image.open(tmp_path / "a.png"))[..., 3]
    assert torch.equal(reference.mask[0, 0] > 0, torch.from_numpy(alpha > 127))
    assert torch.equal(read_visible(tmp_path / "a.png"), reference.image)
    shown = reference.image[0, :, alpha > 127]
    torch.testing.assert_close(reference.image[0, :, 0, 0], shown.mean(1))
    with pytest.raises(PictureError, match=r"a\.png: the picture is transparent everywhere"):
        read_reference(cut(tmp_path / "clear_a.png", 9, alpha=100))
    opaque = read_reference(cut(tmp_path / "b.png", (9, 9, 9), alpha=255))
    assert opaque.mask is None


def test_a_mask_is_white_times_its_alpha(tmp_path):
    pixels = np.full((3, 4, 4), 255, np.uint8)
    pixels[1, :, 3], pixels[2, :, 3] = 128, 0
    pixels[0, 0, :3] = 0
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    mask = read_mask(tmp_path / "mask.png")
    torch.testing.assert_close(mask[0, 0, :, 1], torch.tensor([1, 128 / 255, 0.0]))
    assert mask[0, 0, 0, 0] == 0


def test_masks_and_alpha_of_a_reference_are_joined(tmp_path):
    path = cut(tmp_path / "a.png", (0, 0, 0))
    half = np.zeros((30, 40), np.uint8)
    half[:, :20] = 255
    Image.fromarray(half).save(tmp_path / "half.png")
    own, both = read_reference(path), read_reference(path, tmp_path / "half.png")
    assert torch.equal(both.mask, own.mask * (torch.arange(40) < 20))
    Image.fromarray(half[:, :20]).save(tmp_path / "small.png")
    with pytest.raises(PictureError, match="must have the size of its reference, 40 x 30, got 20 x 30"):
        read_reference(path, tmp_path / "small.png")
    Image.fromarray(half * 0).save(tmp_path / "none.png")
    with pytest.raises(PictureError, match="white nowhere"):
        read_reference(path, tmp_path / "none.png")


def test_a_batch_may_mix_references_with_and_without_alpha(tmp_path):
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.ones((8, 9), np.uint8)).save(tmp_path / "b.png")
    refs = [cut(tmp_path / "clear.png", 0), cut(tmp_path / "opaque.png", 0, alpha=255)]
    targets = [Target(tmp_path / f"{n}.png", tmp_path / f"{n}.png", (r,)) for n, r in zip("ab", refs)]
    (tmp_path / "out").mkdir()
    plan = make_plan(
        [Target(t.path, t.path.relative_to(tmp_path), t.references) for t in targets],
        Output(tmp_path / "out"),
        Guidance(),
        {},
    )
    (batch,) = BatchDataset(plan.jobs, 8, 8.0, 10**6)
    (reference,) = batch.guide.references
    assert reference.mask.shape == (2, 1, 30, 40)
    assert bool((reference.mask[1] == 1).all())
    assert not bool((reference.mask[0] == 1).all())

import pytest
import torch

from recolor_torch import Guide, Reference, recolor
from recolor_torch.color import rgb_to_luminance
from recolor_torch.methods import HistogramTransfer, Recolorizer, build_method
from recolor_torch.resize import resize_hints


class Spy(Recolorizer):
    """Returns its input and remembers what it was given."""

    space = "yuv"

    def __init__(self):
        super().__init__()
        self.whole_batches = True

    def forward(self, image, guide):
        self.image, self.guide = image, guide
        return image


def test_a_tint_is_dropped_unless_color_is_the_target(rgb):
    spy = Spy()
    recolor(rgb, spy, Guide())
    assert spy.image[:, 1:].abs().max() < 1e-6
    recolor(rgb, spy, Guide(), target="color")
    assert spy.image[:, 1:].abs().max() > 0.1


def test_the_method_works_at_the_working_size_and_the_result_is_full(rgb):
    spy = Spy()
    mask = torch.zeros_like(rgb[:, :1])
    mask[..., 3, 5] = 1
    hints = torch.full_like(rgb, 0.25)
    out = recolor(rgb, spy, Guide(hints=hints, hint_mask=mask, target_mask=torch.ones_like(mask)), max_side=16)
    assert spy.image.shape[-2:] == (12, 16)
    assert out.shape == rgb.shape
    torch.testing.assert_close(rgb_to_luminance(out), rgb_to_luminance(rgb), atol=1e-6, rtol=0)
    assert spy.guide.hint_mask.sum() == 2  # one pixel a sample is left
    torch.testing.assert_close(spy.guide.hints[0, 0, 1, 2], hints[0, 0, 0, 0])


def test_a_methods_own_limit_holds_unless_the_caller_names_a_size(rgb, monkeypatch):
    monkeypatch.setattr(Spy, "largest_side", 8)
    spy = Spy()
    for max_side, longer in ((None, 8), (16, 16), (1000, max(rgb.shape[-2:]))):
        assert recolor(rgb, spy, Guide(), max_side=max_side).shape == rgb.shape
        assert max(spy.image.shape[-2:]) == longer


def test_hints_at_a_smaller_size_are_means_of_hints_alone():
    hints = torch.tensor([[1.0, 9.0], [3.0, 9.0]]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    mask = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).view(1, 1, 2, 2)
    colors, small = resize_hints(hints, mask, (1, 1))
    assert colors.flatten().tolist() == [2.0, 2.0, 2.0]
    assert small.item() == 1


def test_references_arrive_in_the_methods_space(rgb):
    spy = Spy()
    recolor(rgb, spy, Guide(references=(Reference(torch.ones(1, 3, 2, 2), weight=2.0),)))
    torch.testing.assert_close(spy.guide.references[0].image[0, :, 0, 0].tolist(), [1.0, 0.0, 0.0], atol=1e-6, rtol=0)
    assert spy.guide.references[0].weight == 2.0
    assert spy.guide.references[0].image.dtype == rgb.dtype


def test_gradient_flows_from_the_picture_to_the_reference(rgb):
    reference = rgb[1:].clone().requires_grad_()
    out = recolor(rgb[:1], HistogramTransfer("soft"), Guide(references=(Reference(reference),)))
    (gradient,) = torch.autograd.grad(out[:, 1].mean(), reference)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_nan_in_a_target_stays_where_it_is(rgb):
    holed = rgb.clone()
    holed[0, :, 3, 4] = float("nan")
    out = recolor(holed, "histogram", Guide(references=(Reference(rgb[1:]),)))
    assert out[0, :, 3, 4].isnan().all()
    assert out.isnan().sum() == 3


@pytest.mark.parametrize("name", ["correspondence", "network", "semi_interactive"])
def test_methods_of_single_precision_take_float64(name, rgb):
    """Under ``64-true`` Lightning and the engine widen what they can reach, and the default type with it.

    Matching is a soft maximum, which magnifies roundings: 2.5e-4 with torch 2.9.
    """
    image = rgb[:1].double()
    mask = torch.zeros_like(image[:, :1])
    mask[..., 5, 5] = 1
    guide = Guide((Reference(image.flip(1)),), hints=image, hint_mask=mask)
    method = build_method(name)
    method.prepare()
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        wide = recolor(image, method.double(), guide)
    finally:
        torch.set_default_dtype(default)
    assert wide.dtype == torch.float64
    torch.testing.assert_close(wide.float(), recolor(image.float(), build_method(name), guide), atol=5e-4, rtol=0)


def test_a_picture_without_a_batch_and_a_reference_without_a_guide():
    g = torch.Generator().manual_seed(5)
    old, other = torch.rand(3, 20, 24, generator=g), torch.rand(3, 18, 30, generator=g)
    plain = recolor(old[None], "histogram", Guide(references=(Reference(other[None]),)))
    torch.testing.assert_close(recolor(old, "histogram", reference=other), plain[0], rtol=0, atol=0)
    torch.testing.assert_close(recolor(old[None], "histogram", reference=[other]), plain, rtol=0, atol=0)
    both = Guide(references=(Reference(other[None]), Reference(old[None], weight=2.0)))
    added = recolor(old, "histogram", Guide(references=(Reference(other),)), reference=Reference(old, weight=2.0))
    torch.testing.assert_close(added, recolor(old[None], "histogram", both)[0], rtol=0, atol=0)


def test_hints_without_a_guide():
    g = torch.Generator().manual_seed(5)
    old, colors = torch.rand(3, 20, 24, generator=g), torch.rand(3, 20, 24, generator=g)
    mask = (torch.rand(1, 20, 24, generator=g) > 0.9).float()
    given = Guide(hints=colors[None], hint_mask=mask[None])
    corrected = recolor(old[None], "network", given)[0]
    torch.testing.assert_close(recolor(old, hints=(colors, mask)), corrected, rtol=0, atol=0)
    plain = recolor(old[None], "levin", given)[0]
    torch.testing.assert_close(recolor(old, "levin", hints=(colors, mask)), plain, rtol=0, atol=0)


def test_a_guide_is_a_pytree():
    from torch.utils import _pytree as pytree

    guide = Guide((Reference(torch.ones(1, 3, 2, 2), None, 2.0),), hints=torch.zeros(1, 3, 4, 4))
    leaves, spec = pytree.tree_flatten(guide)
    assert sum(isinstance(leaf, torch.Tensor) for leaf in leaves) == 2
    again = pytree.tree_unflatten([leaf if leaf is None else leaf + 1 for leaf in leaves], spec)
    assert again.references[0].weight == 2.0
    assert float(again.references[0].image.mean()) == 2.0
    assert float(again.hints.mean()) == 1.0


def test_repr_of_a_method_shows_its_settings():
    from recolor_torch.methods import build_method

    assert "mode='rgb'" in repr(build_method("histogram", mode="rgb"))

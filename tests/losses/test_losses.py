import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from recolor_torch.features import gram_matrix
from recolor_torch.losses import content_loss, luminance_loss, style_loss, total_variation, weighted_gram


@pytest.fixture
def features():
    """Features of two samples, and of two others."""
    return torch.randn(2, 2, 5, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def published_style_loss(x, target, weight):
    """As public codes have it: reshape, product, weight, mean squared error; sample by sample."""
    losses = []
    for one in x:
        flat = one.reshape(one.shape[0], -1)
        losses.append(F.mse_loss(weight * (flat @ flat.T) / flat.numel(), weight * target))
    return torch.stack(losses)


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
def test_style_equals_the_published_form(features, form, device):
    x = features[0].to(device).contiguous(memory_format=form).requires_grad_()
    target = gram_matrix(features[1].to(device))[:1]
    ours, theirs = style_loss(x, target, 300.0), published_style_loss(x, target[0], 300.0)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    share = torch.tensor([1.0, -2.0], dtype=x.dtype, device=device)
    gradients = [torch.autograd.grad(loss @ share, x)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


def test_gradients(features):
    x, y = features[:, :, :3, :3, :4].unbind()
    x = x.clone().requires_grad_()
    mask = torch.rand(2, 1, 3, 4, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    gram = gram_matrix(y)
    assert gradcheck(lambda x: style_loss(x, gram, 2.0), x)
    assert gradcheck(lambda x: style_loss(x, gram, 2.0, mask), x)
    assert gradcheck(lambda x: content_loss(x, y, 3.0), x)
    assert gradcheck(lambda x: luminance_loss(x, y, 3.0), x)
    assert gradcheck(lambda x: total_variation(x, 2.0), x)


def test_second_derivatives_of_the_style_loss(features):
    x, y = features[:, :, :3, :3, :4].unbind()
    x, gram = x.clone().requires_grad_(), gram_matrix(y).requires_grad_()
    mask = torch.rand(2, 1, 3, 4, dtype=x.dtype, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert gradgradcheck(lambda x: style_loss(x, gram.detach(), 2.0), x)
    assert gradgradcheck(lambda x: style_loss(x, gram.detach(), 2.0, mask.detach()), x)
    for check in (gradcheck, gradgradcheck):
        assert check(lambda *inputs: style_loss(inputs[0], inputs[1], 2.0, inputs[2]), (x, gram, mask))


def test_a_mask_counts_whole_positions(features):
    mask = torch.zeros(1, 1, 6, 7, dtype=torch.float64)
    mask[..., 1:4, 2:6] = 1
    x = features[0].clone().requires_grad_()
    gram = gram_matrix(features[1])
    torch.testing.assert_close(weighted_gram(x, mask), gram_matrix(x[..., 1:4, 2:6]))
    masked, cut = style_loss(x, gram, 5.0, mask).sum(), style_loss(x[..., 1:4, 2:6], gram, 5.0).sum()
    torch.testing.assert_close(masked, cut)
    torch.testing.assert_close(torch.autograd.grad(masked, x)[0], torch.autograd.grad(cut, x)[0])


def test_low_precision_features_have_a_float32_loss(features):
    x = features[0].bfloat16().requires_grad_()
    target = gram_matrix(features[1].float())
    loss = style_loss(x, target, 10.0)
    assert loss.dtype == torch.float32
    # The Gram matrix of the rounded features is exact to float32.
    wide = x.detach().double().requires_grad_()
    expected = style_loss(wide, target.double(), 10.0)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)
    gradient, wanted = torch.autograd.grad(loss.sum(), x)[0], torch.autograd.grad(expected.sum(), wide)[0]
    assert gradient.dtype == torch.bfloat16
    assert float((gradient - wanted).norm() / wanted.norm()) < 1e-2


def test_only_features_and_one_matrix_a_sample_are_kept(features):
    x = features[0].clone().contiguous(memory_format=torch.channels_last).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        style_loss(x, gram_matrix(features[1]), 10.0).sum()
    large = [t for t in kept if t.data_ptr() != x.data_ptr() and t.numel() > 2]
    assert [tuple(t.shape) for t in large] == [(2, 5, 5)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(0.1, 3))
def test_laws_of_the_gram_matrix(seed, scale, weight):
    x = torch.randn(1, 4, 5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    gram = weighted_gram(x)
    torch.testing.assert_close(weighted_gram(scale * x), scale**2 * gram)
    torch.testing.assert_close(weighted_gram(x.flip(-1)), gram)  # blind to places
    order = torch.randperm(15, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(weighted_gram(x.flatten(2)[..., order].view_as(x)), gram)
    assert float(style_loss(x, gram, weight)) < 1e-20
    assert float(torch.linalg.eigvalsh(gram).min()) > -1e-12


def test_losses_of_hand(device):
    ramp = torch.arange(4.0, device=device).view(1, 1, 1, 4)
    assert float(total_variation(ramp, 2.0, eps=0)) == pytest.approx(2 * 3 / 4)
    red = torch.tensor([1.0, 0, 0], device=device).view(1, 3, 1, 1)
    assert float(luminance_loss(red, torch.zeros_like(red), 2.0)) == pytest.approx((2 * 0.299) ** 2)


def test_wrong_shapes_are_named(features):
    x = features[0]
    with pytest.raises(ValueError, match=r"gram must have shape \(2 or 1, 5, 5\)"):
        style_loss(x, torch.ones(1, 4, 4))
    with pytest.raises(ValueError, match="mask must have shape"):
        style_loss(x, gram_matrix(x), 1.0, torch.ones(1, 1, 2, 2))
    with pytest.raises(ValueError, match="target must be 6 x 7"):
        content_loss(x, x[..., :3])
    with pytest.raises(TypeError, match="features must be a floating point tensor"):
        style_loss(x.long(), gram_matrix(x))

import pytest
import torch

from recolor_torch.losses.adversarial import discriminator_loss, generator_loss


def test_are_the_formulas():
    real, fake = torch.randn(2, 1, 3, 3, dtype=torch.float64), torch.randn(2, 1, 3, 3, dtype=torch.float64)
    sigmoid = torch.sigmoid
    expected = -(sigmoid(real).log().mean() + (1 - sigmoid(fake)).log().mean())
    torch.testing.assert_close(discriminator_loss(real, fake), expected)
    torch.testing.assert_close(generator_loss(fake), -sigmoid(fake).log().mean())


def test_the_generator_learns_from_a_sure_discriminator():
    verdict = torch.tensor([-40.0], requires_grad=True)
    loss = generator_loss(verdict)
    loss.backward()
    assert loss.item() == pytest.approx(40)
    assert verdict.grad.item() == pytest.approx(-1)
    assert discriminator_loss(torch.tensor([1e4]), torch.tensor([-1e4])).item() == 0


def test_wrong_kinds_are_named():
    with pytest.raises(TypeError, match="fake must be a floating point tensor"):
        generator_loss(torch.ones(3, dtype=torch.int64))

import pytest
import torch

from recolor_torch.hints.transfer_simulation import TransferSimulation


@pytest.fixture
def chroma():
    coarse = torch.rand(4, 2, 4, 4, generator=torch.Generator().manual_seed(0)) - 0.5
    return torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bilinear")


def generator():
    return torch.Generator().manual_seed(1)


def test_without_any_fault_it_is_nearly_the_truth(chroma):
    clean = TransferSimulation(displacement=0, wrong=0, unrelated=0, holes=0, coarseness=1)
    color, confidence = clean(chroma, generator())
    # Another exposure is left: a factor and a small tint for each picture.
    for found, true in zip(color.flatten(2), chroma.flatten(2)):
        for channel in range(2):
            correlation = torch.corrcoef(torch.stack((found[channel], true[channel])))[0, 1]
            assert correlation > 0.999
    assert confidence.min() >= 0.25
    assert confidence.max() <= 0.95


def test_wrong_places_are_less_sure(chroma):
    simulation = TransferSimulation(displacement=0, wrong=0.8, unrelated=0, holes=0, deceived=0)
    color, confidence = simulation(chroma.repeat(8, 1, 1, 1), generator())
    error = (color - chroma.repeat(8, 1, 1, 1)).norm(dim=1, keepdim=True)
    assert error[confidence < 0.25].mean() > 2 * error[confidence > 0.6].mean()


def test_holes_have_no_color(chroma):
    color, confidence = TransferSimulation(holes=1.0)(chroma, generator())
    assert (confidence == 0).any()
    assert (color.abs().amax(1, keepdim=True)[confidence == 0] == 0).all()


def test_same_draws_same_hints(chroma):
    first, second = (TransferSimulation()(chroma, generator()) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])

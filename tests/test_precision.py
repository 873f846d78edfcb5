import pytest
import torch

from recolor_torch.errors import UsageError
from recolor_torch.features import gram_matrix
from recolor_torch.filters.edges import edge_probability
from recolor_torch.filters.motion import optical_flow, phase_correlation
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods.levin import spread_chroma
from recolor_torch.methods.poisson import merge_poisson
from recolor_torch.precision import refuse_half, widened
from recolor_torch.resize import resize

HALVES = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])


@HALVES
def test_functions_compute_16_bits_in_32(dtype):
    x = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0)).to(dtype)
    y, mask = x[:, :1], (x[:, :1] > 0.9).to(dtype)
    calls = {
        "resize": lambda y, x, mask: resize(x, (9, 7)),
        "edges": lambda y, x, mask: edge_probability(y),
        "flow": lambda y, x, mask: optical_flow(y, x[:, 1:2]),
        "shift": lambda y, x, mask: phase_correlation(y, y.roll(2, -1)),
        "levin": lambda y, x, mask: spread_chroma(y, x[:, 1:], mask, prior=x[:, :2], confidence=y),
        "poisson": lambda y, x, mask: merge_poisson(x, x.flip(1), mask),
        "gram": lambda y, x, mask: gram_matrix(x),
    }
    for name, call in calls.items():
        out = call(y, x, mask)
        assert out.dtype == dtype, name
        assert torch.equal(out, call(y.float(), x.float(), mask.float()).to(dtype)), name


def test_gram_matrix_of_large_features_is_finite():
    features = torch.full((1, 4, 40, 40), 300.0, dtype=torch.float16)
    assert torch.equal(gram_matrix(features), torch.full((1, 4, 4), 22500.0, dtype=torch.float16))


def test_widened_reaches_what_is_inside():
    half = torch.ones(1, 3, 2, 2).half()
    guide = widened(Guide((Reference(half, half[:, :1], 2.0),), hints=half))
    assert guide.references[0].image.dtype == guide.references[0].mask.dtype == guide.hints.dtype == torch.float32
    assert guide.references[0].weight == 2.0
    assert widened("text") == "text"


@pytest.mark.parametrize("precision", ["16-true", "bf16-true"])
def test_pictures_and_weights_of_16_bits_are_refused(precision):
    with pytest.raises(UsageError, match=f"Training in {precision} would lose levels: use bf16-mixed"):
        refuse_half(precision, "Training")
    refuse_half("bf16-mixed", "Training")

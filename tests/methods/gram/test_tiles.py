from dataclasses import replace

import pytest
import torch

from recolor_torch.features import VGG19, find_vgg19, gram_matrix
from recolor_torch.guide import Reference
from recolor_torch.methods import GramTransfer
from recolor_torch.methods.gram.objective import GramObjective, LossWeights, layer_stride
from recolor_torch.methods.gram.tiles import TiledObjective, cut_tiles, reach, tiled_grams

WEIGHTS = LossWeights(
    {"conv_1": 30.0, "relu_2": 10.0, "conv_4": 20.0, "pool_5": 20.0, "conv_5": 5.0},
    {"conv_2": 2.0, "conv_5": 1.0},
    total_variation=1.0,
    luminance=3.0,
)


@pytest.fixture
def vgg(vgg19_path):
    return VGG19(find_vgg19(vgg19_path, depth=5), WEIGHTS.layers).double()


def picture(height, width, seed):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("match", ["picture", "color"])
@pytest.mark.parametrize("masked", [False, True])
def test_equal_to_the_whole(vgg, masked, match):
    weights = replace(WEIGHTS, match=match)
    target, reference, image = (picture(h, w, k) for k, (h, w) in enumerate([(75, 53), (41, 66), (75, 53)]))
    mask = reference_mask = None
    if masked:
        mask, reference_mask = (picture(h, w, 5)[:, :1].round() for h, w in ((75, 53), (41, 66)))
    references = (Reference(reference, reference_mask, 2.0), Reference(target.flip(-1)))
    whole = GramObjective(vgg, target, references, weights, mask).evaluate(image)
    tiled = TiledObjective(vgg, target, references, weights, mask, side=24)
    assert len(tiled.tiles) == 6
    parts = tiled.evaluate(image)
    assert parts.terms.keys() == whole.terms.keys()
    for name, loss in whole.terms.items():
        torch.testing.assert_close(parts.terms[name], loss, rtol=1e-9, atol=0)
    torch.testing.assert_close(parts.gradient, whole.gradient, rtol=1e-8, atol=1e-9)


def test_tiles_cover_each_pixel_once():
    for height, width, side in ((75, 53, 24), (16, 200, 16), (9, 9, 64), (129, 130, 64)):
        count = torch.zeros(height, width)
        for tile in cut_tiles(height, width, ["conv_5"], side):
            (top, bottom), (left, right) = tile.inner
            count[top:bottom, left:right] += 1
            assert tile.crop[0][0] % 4 == tile.crop[1][0] % 4 == 0
        assert torch.equal(count, torch.ones_like(count))


def test_strides_and_reach():
    strides = {"conv_2": 1, "pool_3": 2, "conv_3": 2, "relu_4": 2, "pool_5": 4, "conv3_1": 4, "conv_16": 16}
    assert {name: layer_stride(name) for name in strides} == strides
    assert reach(["conv_2"]) == 2
    assert reach(["conv_5"]) == 16


def test_grams_of_a_photograph(vgg, shared):
    from recolor_torch.pictures import read_picture
    from recolor_torch.resize import resize

    image = resize(read_picture(shared / "data/pairs/multi_view/hill_ref.jpg").image.float(), (192, 256)).clamp(0, 1)
    vgg = vgg.float()
    names = ["conv_1", "conv_4", "conv_5"]
    tiled, _ = tiled_grams(vgg, image, names, 96)
    whole = vgg(image)
    for name in names:
        gram = gram_matrix(whole[name])
        assert float((tiled[name] - gram).norm() / gram.norm()) < 1e-5


def test_large_pictures_are_tiled_by_the_method(vgg19_path):
    target = picture(150, 170, 1)
    settings = {"weights": str(vgg19_path), "optimize": "rgb", "levels": 1, "steps": 3, "tolerance": 0.0}
    whole, tiled = GramTransfer(**settings), GramTransfer(**settings, tile=64)
    problems = [method.solver.problem(target, (Reference(target.flip(-1)),)) for method in (whole, tiled)]
    assert isinstance(problems[0].objective, GramObjective)
    assert isinstance(problems[1].objective, TiledObjective)
    descents = [method.solver.solve(problem) for method, problem in zip((whole, tiled), problems)]
    assert descents[1].losses == pytest.approx(descents[0].losses, rel=1e-6)
    assert tiled.solver.pace.history_for(torch.empty(2 * 2048 * 1536)) == 5

import itertools

import pytest
import torch

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv, yuv_to_rgb
from recolor_torch.errors import WeightsMissing
from recolor_torch.features import VGG19, VggWeights, find_vgg19, gram_matrix
from recolor_torch.features.layers import CHANNELS, feature_index
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import GramTransfer
from recolor_torch.methods.gram.objective import GramObjective, LossWeights, has_fast_bfloat16, picture_terms
from recolor_torch.pipeline import recolor

WEIGHTS = LossWeights({"conv_1": 30.0, "conv_3": 20.0}, {"conv_2": 2.0}, total_variation=1.0, luminance=3.0)


@pytest.fixture
def small():
    """Weights of three convolutions, at random: enough where numbers are compared with numbers."""
    g = torch.Generator().manual_seed(0)
    state = {}
    for k in range(1, 4):
        shape = (CHANNELS[k - 1], 3 if k == 1 else CHANNELS[k - 2], 3, 3)
        scale = (2 / (shape[1] * 9)) ** 0.5
        state[f"features.{feature_index(k)}.weight"] = scale * torch.randn(shape, generator=g)
        state[f"features.{feature_index(k)}.bias"] = 0.1 * torch.randn(shape[0], generator=g)
    return VggWeights(state, 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "random")


@pytest.fixture
def weights_file(vgg19_path, monkeypatch):
    monkeypatch.setenv("RECOLOR_VGG19", str(vgg19_path))
    return vgg19_path


def test_the_gradient_is_that_of_the_losses(small, rgb):
    rgb = rgb.double()[..., :12, :14]
    vgg = VGG19(small, WEIGHTS.layers).to(rgb)
    mask = torch.ones_like(rgb[:1, :1])
    mask[..., 8:] = 0
    for own_mask in (None, mask):
        objective = GramObjective(vgg, rgb[:1], (Reference(rgb[1:]),), WEIGHTS, own_mask)
        evaluation = objective.evaluate(rgb[:1].flip(-1))
        names = {"style/conv_1", "style/conv_3", "content/conv_2", "total_variation", "luminance"}
        assert set(evaluation.terms) == names
        for direction in (torch.ones_like(rgb[:1]), torch.randn_like(rgb[:1])):
            direction = direction if own_mask is None else direction * own_mask
            step = 1e-6 * direction
            ahead, behind = (objective.evaluate(rgb[:1].flip(-1) + s).total for s in (step, -step))
            slope = (evaluation.gradient * direction).sum()
            torch.testing.assert_close((ahead - behind) / 2e-6, slope, rtol=1e-5, atol=1e-6)


def test_chroma_is_smooth_whatever_luminance_does(rgb):
    luminance = rgb_to_luminance(rgb[:1])
    flat = torch.cat((luminance, torch.full_like(luminance, 0.1), torch.full_like(luminance, -0.05)), 1)
    weights = LossWeights({"conv_1": 1.0}, total_variation=100.0, smooth="chroma")
    term = picture_terms(yuv_to_rgb(flat), rgb[:1], weights)["total_variation"]
    assert float(term) == pytest.approx(1e-3, rel=0.01)  # what rounding of its corner leaves
    assert float(picture_terms(rgb[:1], rgb[:1], weights)["total_variation"]) > 0.5
    assert GramTransfer().losses.total_variation > 0
    assert GramTransfer(optimize="rgb").losses.total_variation == 0
    assert GramTransfer(total_variation=0).losses.total_variation == 0


def test_several_references_share_by_weight(small, rgb):
    vgg = VGG19(small, WEIGHTS.layers).to(rgb)
    references = (Reference(rgb[:1], weight=3.0), Reference(rgb[1:].flip(-1)[..., :20], weight=1.0))
    grams = GramObjective(vgg, rgb[:1], references, WEIGHTS).grams
    first, second = (gram_matrix(vgg(r.image)["conv_3"]) for r in references)
    torch.testing.assert_close(grams["conv_3"], 0.75 * first + 0.25 * second, rtol=1e-4, atol=1e-5)


def test_masked_reference_is_what_is_not_masked(small, rgb):
    """Away from the border of the mask the features are those of the part alone."""
    vgg = VGG19(small, ["conv_1"]).to(rgb)
    weights = LossWeights({"conv_1": 1.0})
    mask = torch.zeros_like(rgb[:1, :1])
    mask[..., 4:20, 6:26] = 1
    grams = GramObjective(vgg, rgb[:1], (Reference(rgb[1:], mask),), weights).grams
    features = vgg(rgb[1:])["conv_1"][..., 4:20, 6:26]
    torch.testing.assert_close(grams["conv_1"], gram_matrix(features), rtol=1e-4, atol=1e-6)


def test_matching_color_asks_nothing_of_luminance(small, rgb):
    """Gray references ask for no color, whatever they show; a picture's own colors are reached by itself."""
    vgg = VGG19(small, WEIGHTS.layers).to(rgb)
    weights = LossWeights({"conv_1": 30.0, "conv_3": 20.0}, match="color")
    mask = torch.ones_like(rgb[:1, :1])
    mask[..., 16:] = 0
    gray = rgb_to_luminance(rgb).expand(-1, 3, -1, -1)
    elsewhere = Reference(gray[1:].flip(-1)[..., :20])
    for own_mask in (None, mask):
        without = GramObjective(vgg, gray[:1], (elsewhere,), weights, own_mask)
        assert float(without.evaluate(gray[:1]).total) < 1e-5
        assert float(without.evaluate(rgb[:1]).total) > 1e-2
    own = GramObjective(vgg, gray[:1], (Reference(rgb[:1]),), weights)
    assert float(own.evaluate(rgb[:1]).total) < 1e-5
    assert float(own.evaluate(gray[:1]).total) > 1e-2


def test_color_is_matched_where_chroma_alone_changes():
    assert GramTransfer().losses.match == "color"
    assert GramTransfer(optimize="rgb").losses.match == "picture"
    assert GramTransfer(match="picture").losses.match == "picture"
    assert GramTransfer(optimize="rgb", match="color").settings()["match"] == "color"
    with pytest.raises(ValueError, match=r"Unknown match 'luma'\. Known: picture, color"):
        GramTransfer(match="luma")


def losses_of(method):
    rows = [line.split(",") for line in method.stages["losses.csv"].splitlines()[1:]]
    return {key: [float(r[4]) for r in group] for key, group in itertools.groupby(rows, key=lambda r: (r[0], r[1]))}


def test_a_photograph_is_recolored(weights_file, shared):
    from recolor_torch.pictures import read_picture
    from recolor_torch.resize import resize

    pair = shared / "data" / "pairs" / "multi_view"
    target, reference = (
        resize(read_picture(pair / f"hill_{n}.jpg").image, (64, 96)).clamp(0, 1) for n in ("target", "ref")
    )
    method = GramTransfer(steps=15, coarse_steps=10, levels=2, tolerance=0)
    method.keep_stages = True
    told = []
    method.on_progress = told.append
    result = recolor(target, method, Guide((Reference(reference),)))
    # Luminance exactly, chroma near that of the reference, losses that only fall, progress that only grows.
    torch.testing.assert_close(rgb_to_luminance(result), rgb_to_luminance(target), atol=1e-6, rtol=0)
    spread, wanted = (rgb_to_yuv(x)[:, 1:].flatten(2).std(-1) for x in (result, reference))
    assert float((spread / wanted - 1).abs().max()) < 0.35
    for losses in losses_of(method).values():
        assert all(later <= earlier for earlier, later in itertools.pairwise(losses))
        assert losses[-1] < 0.5 * losses[0]
    assert told == sorted(told)
    assert told[-1] == 1
    assert method.stages["start"].shape == target.shape


def test_the_loss_that_is_reported_is_that_of_the_picture(weights_file, rgb):
    target, guide = rgb[:1].float(), Guide((Reference(rgb[1:].float()),))
    for optimize in ("rgb", "chroma"):
        method = GramTransfer(optimize=optimize, steps=8, precision="float32")
        method.keep_stages = True
        result = recolor(target, method, guide, keep="none" if optimize == "rgb" else "luma")
        gray = rgb_to_luminance(target).expand(-1, 3, -1, -1)
        objective = method.solver.problem(gray, guide.references).objective
        reported = losses_of(method)["0", "32"][-1]
        assert float(objective.evaluate(result).total) == pytest.approx(reported, rel=1e-3)


@pytest.mark.parametrize(
    "settings", [{"start": s} for s in ("target", "source", "average", "noise")] + [{"algorithm": "adam"}]
)
def test_every_start_and_algorithm_lowers_the_loss(weights_file, rgb, settings):
    rgb = rgb.float()
    method = GramTransfer(optimize="rgb", steps=12, **settings)
    problem = method.solver.problem(rgb_to_luminance(rgb[:1]).expand(-1, 3, -1, -1), (Reference(rgb[1:]),))
    first = float(problem.objective.evaluate(problem.region.to_rgb(method.solver.start_variable(problem))).total)
    descent = method.solver.solve(problem)
    # At the source itself all that is left is content.
    share = 1.0 if method.start == "source" else 0.5
    assert float(problem.objective.evaluate(descent.variable).total) < share * first
    assert descent.variable.min() >= 0
    assert descent.variable.max() <= 1


def test_only_the_mask_changes(weights_file, rgb):
    mask = torch.zeros_like(rgb[:, :1])
    mask[..., :, 10:] = 1
    out = recolor(rgb, GramTransfer(steps=3), Guide((Reference(rgb.flip(0)),), target_mask=mask), target="color")
    torch.testing.assert_close(out[..., :10], rgb[..., :10])
    assert float((out[..., 10:] - rgb[..., 10:]).abs().max()) > 0.02


def test_a_size_is_done_when_it_gains_little(weights_file, rgb):
    problem_rgb = rgb[:1].float()
    patient, hasty = GramTransfer(tolerance=0.0, steps=40), GramTransfer(tolerance=0.5, steps=40)
    lengths = []
    for method in (patient, hasty):
        problem = method.solver.problem(problem_rgb, (Reference(rgb[1:].float()),))
        lengths.append(len(method.solver.solve(problem).losses))
    assert lengths[0] == 40
    assert 10 < lengths[1] < 35


def test_sizes():
    assert GramTransfer(levels=3).solver.pace.sizes(256, 384) == [(64, 96), (128, 192), (256, 384)]
    assert GramTransfer(levels=9).solver.pace.sizes(140, 500) == [(35, 125), (70, 250), (140, 500)]
    assert GramTransfer(levels=1).solver.pace.sizes(1000, 1000) == [(1000, 1000)]


def test_precision_follows_picture_and_hardware(weights_file, rgb, device):
    low = GramTransfer().solver.problem(rgb[:1], (Reference(rgb[1:]),)).objective.low_precision
    assert low == (rgb.dtype == torch.float32 and has_fast_bfloat16(device))
    objective = (
        GramTransfer(precision="bfloat16").solver.problem(rgb[:1].float(), (Reference(rgb[1:].float()),)).objective
    )
    start = rgb[:1].float().flip(-1)
    rough, exact = objective.evaluate(start), objective.evaluate(start, low_precision=False)
    assert rough.gradient.dtype == torch.float32
    assert float(rough.total) == pytest.approx(float(exact.total), rel=0.02)
    assert float((rough.gradient - exact.gradient).norm() / exact.gradient.norm()) < 0.05


def test_missing_weights_are_missing(monkeypatch, tmp_path, rgb, weights_file):
    method = GramTransfer(style={"conv_9": 1.0})
    with pytest.raises(WeightsMissing, match="has only conv_1 to conv_5 of VGG-19, and conv_9 is needed"):
        method(rgb, Guide((Reference(rgb),)))
    monkeypatch.delenv("RECOLOR_VGG19")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(WeightsMissing, match="No VGG-19 weights were found"):
        method.prepare()
    assert set(GramTransfer().provenance()) == {"slim_vgg"}
    assert GramTransfer(weights=str(weights_file)).provenance() == {"vgg19": find_vgg19(weights_file, depth=5).digest}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"style": {"conv_17": 1.0}}, "Unknown layer 'conv_17'"),
        ({"style": {"conv_1": -1.0}}, "Loss weights must be 0 or more"),
        ({"style": {}, "content": {}}, "At least one layer"),
        ({"style": {"conv_5": 1.0, "conv3_1": 1.0}}, "A layer is named twice in conv_5, conv3_1"),
        ({"start": "middle"}, "Unknown start 'middle'"),
        ({"steps": 0}, "must be 1 or more"),
    ],
)
def test_wrong_settings_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        GramTransfer(**settings)

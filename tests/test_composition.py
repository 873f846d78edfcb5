"""Public operators and modules under the transforms of torch that other code puts around them.

One table of operators and one of modules; each row goes through copies, ``state_dict``, ``torch.compile`` in one graph,
``torch.func.vmap`` and forward derivatives, and what is left out says why. Compilation runs with the backend
``eager``: what can fail in this package is the tracing.
"""

import copy
import importlib
import inspect
import pickle
import pkgutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import recolor_torch
from recolor_torch.color import (
    fit_gamut,
    from_rgb,
    hsi_to_rgb,
    lab_to_rgb,
    rgb_to_hsi,
    rgb_to_lab,
    rgb_to_luminance,
    rgb_to_yuv,
    yuv_to_rgb,
)
from recolor_torch.color.bins import annealed_mean, soft_encode
from recolor_torch.color.histogram import histogram, order_distance, style_distance
from recolor_torch.color.tables import ChromaTable, LookUpTable
from recolor_torch.evaluation import ciede2000
from recolor_torch.evaluation.frechet import DeepFeatures
from recolor_torch.evaluation.lpips import Lpips
from recolor_torch.evaluation.recognition import Classifier
from recolor_torch.features import VGG19, VggWeights, gram_matrix
from recolor_torch.features.layers import CHANNELS, feature_index
from recolor_torch.filters import (
    amplify_contrast,
    blockiness,
    dwt2,
    edge_content_distance,
    edge_filter,
    edge_free,
    edge_probability,
    gauss_filter,
    idwt2,
    laplacian,
    mean_filter,
    soft_cdf,
    soft_histogram,
    stationary_bands,
)
from recolor_torch.gallery import Descriptor, make_spec
from recolor_torch.gallery.encoder import Encoders
from recolor_torch.guide import Guide, Reference
from recolor_torch.losses import content_loss, luminance_loss, style_loss, total_variation
from recolor_torch.losses.classification import distribution_loss
from recolor_torch.losses.perceptual import PerceptualLoss
from recolor_torch.methods import METHODS, build_method
from recolor_torch.methods.histogram import MODES
from recolor_torch.methods.histogram_soft import match_histograms_soft
from recolor_torch.networks import ColorUNet, Discriminator, EightBlockNet, UserGuidedNet
from recolor_torch.networks.attention import GlobalAttention
from recolor_torch.networks.efficientnet import Block, EfficientNetLite, SamePadConv2d
from recolor_torch.networks.finder import WordAttention, WordFinder
from recolor_torch.networks.folding import Folds
from recolor_torch.networks.multi_path import MultiPathNet
from recolor_torch.networks.near_infrared import NearInfraredNet
from recolor_torch.networks.unet import Join
from recolor_torch.resize import resize

# torch maps some operators one picture at a time, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")

# Older compilers break the graph at filters, counts and functions with own derivatives; 2.6 and 2.9 were tried.
WHOLE = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 14), reason="one graph takes torch 2.14 or newer"
)

# Differentiable in their picture.
SMOOTH = {
    "rgb_to_luminance": rgb_to_luminance,
    "rgb_to_lab": rgb_to_lab,
    "lab_to_rgb": lambda x: lab_to_rgb(torch.cat((100 * x[:, :1], 40 * x[:, 1:]), 1)),
    "rgb_to_yuv": rgb_to_yuv,
    "yuv_to_rgb": yuv_to_rgb,
    "rgb_to_hsi": rgb_to_hsi,
    "hsi_to_rgb": hsi_to_rgb,
    "fit_gamut": lambda x: fit_gamut(x[:, :1], x[:, 1:] - 0.5),
    "ciede2000": lambda x: ciede2000(60 * x, 60 * x.flip(-1)),
    "mean_filter": mean_filter,
    "gauss_filter": gauss_filter,
    "laplacian": laplacian,
    "edge_filter": edge_filter,
    "edge_probability": lambda x: edge_probability(x[:, :1]),
    "amplify_contrast": lambda x: amplify_contrast(x[:, :1]),
    "gram_matrix": gram_matrix,
    "total_variation": total_variation,
    "content_loss": lambda x: content_loss(x, x.flip(-1)),
    "luminance_loss": lambda x: luminance_loss(x, x.flip(-1)),
    "style_loss": lambda x: style_loss(x, gram_matrix(x.flip(-1).square())),
    "style_loss, target kept": lambda x: style_loss(x, gram_matrix(torch.linspace(0, 1, 90).to(x).view(1, 3, 5, 6))),
    "style_loss, mask": lambda x: style_loss(x, gram_matrix(x[:1]), mask=x[:, :1].square()),
    "edge_content_distance": lambda x: edge_content_distance(x[:, :1], x[:, 1:2]),
    "chroma table": lambda x: ChromaTable(torch.linspace(-0.3, 0.3, 64).to(x).view(1, 2, -1)).apply(x[:, :1]),
    "resize": lambda x: resize(x, (9, 7)),
    "wavelets": lambda x: idwt2(dwt2(x, "db2", 2), "db2"),
    "haar": lambda x: idwt2(dwt2(x, "haar", 2), "haar"),
    "stationary_bands": lambda x: torch.cat(stationary_bands(x), 1),
}
# Differentiable, and counted by scatter: not over mapped tensors.
COUNTED = {
    "soft_histogram": soft_histogram,
    "soft_cdf": soft_cdf,
    "soft matching": lambda x: match_histograms_soft(x, x.flip(-1)),
}
# Steps and counts.
STEPS = {
    "histogram": histogram,
    "histogram of levels": lambda x: histogram((255 * x).to(torch.int32), 256),
    "style_distance": lambda x: style_distance(x, x.flip(-1)),
    "order_distance": lambda x: order_distance(x, x.flip(-1)),
    "look-up table": lambda x: LookUpTable(torch.linspace(0, 1, 256).square().view(1, 1, -1)).apply(x),
    "edge_free": lambda x: edge_free(edge_probability(x[:, :1]), 0.2),
    "blockiness": lambda x: blockiness(x, 8),
    "soft_encode": lambda x: soft_encode(200 * x[:, 1:] - 100)[1],
    "annealed_mean": lambda x: annealed_mean(4 * x[:, :1].expand(-1, 313, -1, -1)),
    "distribution_loss": lambda x: distribution_loss(x[:, :1].expand(-1, 313, -1, -1), 50 * x[:, 1:]),
}


@pytest.fixture
def pictures():
    coarse = torch.rand(3, 3, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = torch.rand(3, 3, 16, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return 0.1 + 0.7 * nn.functional.interpolate(coarse, (16, 20), mode="bilinear") + 0.1 * noise


def check_mapped(operator, pictures, **tolerance):
    mapped = torch.func.vmap(lambda x: operator(x[None]))(pictures)
    torch.testing.assert_close(mapped, torch.stack([operator(x[None]) for x in pictures]), **tolerance)


def check_derivatives(operator, pictures):
    """<J v, w> = <v, J^T w>: forward and backward derivatives are of one function."""
    whole = operator(pictures)
    change = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1), dtype=pictures.dtype)
    _, forward = torch.func.jvp(operator, (pictures,), (change,))
    _, pull = torch.func.vjp(operator, pictures)
    seed = torch.randn(whole.shape, generator=torch.Generator().manual_seed(2), dtype=whole.dtype)
    expected = (pull(seed)[0] * change).sum()
    assert expected != 0
    torch.testing.assert_close((forward * seed).sum(), expected, rtol=1e-6, atol=1e-8)


def check_compiled(function, *inputs, **tolerance):
    torch.compiler.reset()
    found = torch.compile(function, backend="eager", fullgraph=True)(*inputs)
    torch.testing.assert_close(found, function(*inputs), **(tolerance or {"rtol": 0, "atol": 0}))


@pytest.mark.parametrize("name", SMOOTH)
def test_operators_can_be_mapped_and_differentiated_both_ways(name, pictures):
    check_mapped(SMOOTH[name], pictures)
    check_derivatives(SMOOTH[name], pictures)


@pytest.mark.parametrize("name", COUNTED)
def test_soft_counts_can_be_differentiated_by_transforms(name, pictures):
    def distance(x):
        return (COUNTED[name](x) - 0.1).square().sum()

    x = pictures.clone().requires_grad_()
    torch.testing.assert_close(torch.func.grad(distance)(pictures), torch.autograd.grad(distance(x), x)[0])


@WHOLE
@pytest.mark.parametrize("name", [*SMOOTH, *COUNTED, *STEPS])
def test_operators_are_one_graph(name, pictures):
    check_compiled((SMOOTH | COUNTED | STEPS)[name], pictures.float())


@WHOLE
def test_what_is_refused_is_refused_inside_of_a_graph_too():
    empty = torch.full((1, 3, 4, 4), float("nan"))
    method = build_method("histogram", mode="chroma")
    compiled = torch.compile(method, backend="eager", fullgraph=True)
    with pytest.raises(RuntimeError, match="reference has no pixel that counts"):
        compiled(torch.rand(1, 3, 4, 4), Guide((Reference(empty),)))


@dataclass
class Row:
    """A module, and how it is called with pictures, (B, 3, 16, 20) in [0, 1].

    Args:
        make: the module.
        call: (module, pictures) to a tensor.
    """

    make: Callable[[], nn.Module]
    call: Callable[[nn.Module, torch.Tensor], torch.Tensor]


def vgg19_weights(depth=4):
    generator, state = torch.Generator().manual_seed(0), {}
    for k in range(1, depth + 1):
        inputs, outputs = 3 if k == 1 else CHANNELS[k - 2], CHANNELS[k - 1]
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
        state[f"features.{feature_index(k)}.weight"] = weight
        state[f"features.{feature_index(k)}.bias"] = 0.1 * torch.randn(outputs, generator=generator)
    return VggWeights(state, 1.0, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "random")


def vgg16_state():
    generator, state, inputs = torch.Generator().manual_seed(0), {}, 3
    for number, outputs in zip((0, 2, 5, 7, 10, 12, 14, 17, 19, 21), (64, 64, 128, 128, 256, 256, 256, 512, 512, 512)):
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
        state |= {f"features.{number}.weight": weight, f"features.{number}.bias": torch.zeros(outputs)}
        inputs = outputs
    return state


def lpips():
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    state = {f"features.{k}": v for k, v in models.squeezenet1_1(weights=None).features.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        torch.save(state, Path(folder) / "squeeze.pth")
        return Lpips(Path(folder) / "squeeze.pth")


def lively(network):
    """Random weights where a new network has zeros, so that it answers something."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def unet():
    torch.manual_seed(0)
    return lively(ColorUNet("lite0", (8, 8, 8, 8, 8), attention=1))


def chroma(network, x):
    return network(x[:, :1], x[:, 1:] - 0.5, (x[:, 1:2] > 0.6).to(x)).chroma


def words_found(finder, x):
    return finder([x[..., ::2, ::2], x[..., ::4, ::4]])[0]


MODULES = {
    VGG19: Row(
        lambda: VGG19(vgg19_weights(), ["conv_2", "conv_4"]), lambda m, x: m(x)["conv_4"] + m(x)["conv_2"].mean()
    ),
    Descriptor: Row(
        lambda: Descriptor(vgg19_weights(), make_spec(vgg19_weights(), ["conv_2"])), lambda m, x: m(x[:, :1])
    ),
    PerceptualLoss: Row(lambda: PerceptualLoss(vgg16_state()), lambda m, x: m(x, x.flip(-1))),
    Lpips: Row(lpips, lambda m, x: m(resize(x, (24, 24)), resize(x.flip(-1), (24, 24)))),
    ColorUNet: Row(unet, chroma),
    EightBlockNet: Row(lambda: lively(EightBlockNet()), lambda m, x: m(x[:, :1]).logits),
    UserGuidedNet: Row(lambda: lively(UserGuidedNet()), chroma),
    Discriminator: Row(lambda: lively(Discriminator(4)), lambda m, x: m(x[:, :1], x[:, 1:] - 0.5)),
    Encoders: Row(lambda: Encoders(("encoder_16",)), lambda m, x: m(x[:, :1])["encoder_16"]),
    NearInfraredNet: Row(lambda: lively(NearInfraredNet("lite0", (8, 8, 8, 8, 8), 0)), chroma),
    MultiPathNet: Row(lambda: lively(MultiPathNet(("a", "b"), 8)), lambda m, x: m(x[:, :1]).chroma),
    WordFinder: Row(lambda: lively(WordFinder((3, 3), 4, 8, 1, 2, (8, 16))), words_found),
    WordAttention: Row(lambda: lively(WordAttention(4, 2)), lambda m, x: m(x[:, 0, :, :4], x[:, 1, :, 4:8])),
    GlobalAttention: Row(lambda: lively(GlobalAttention(6, 2)), lambda m, x: m(torch.cat((x, x.flip(-1)), 1))),
    EfficientNetLite: Row(lambda: lively(EfficientNetLite("lite0")), lambda m, x: m(resize(x, (32, 32)))[3]),
    Block: Row(lambda: lively(Block(3, 3, 5, 1, 2)), lambda m, x: m(x)),
    SamePadConv2d: Row(lambda: SamePadConv2d(3, 4, 5, 2), lambda m, x: m(x)),
    Join: Row(lambda: lively(Join(3, 3, 4)), lambda m, x: m(x[..., ::2, ::2], x, x.flip(-1))),
}


def module_classes():
    """Every public torch module of the package that is no method and no face of Lightning."""
    found = set()
    for item in pkgutil.walk_packages(recolor_torch.__path__, "recolor_torch."):
        if item.name.split(".")[1] in ("__main__", "cli", "lit", "training", "film", "studio"):
            continue
        for name, value in vars(importlib.import_module(item.name)).items():
            own = inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == item.name
            if own and not name.startswith("_") and not issubclass(value, recolor_torch.Recolorizer):
                found.add(value)
    return found


def test_every_module_has_its_row():
    judges = {Classifier, DeepFeatures}  # torchvision's networks, for measuring: they are not part of other models
    assert module_classes() - judges - {Folds} == set(MODULES)  # Folds is the base of some of them


@pytest.fixture(scope="module")
def built():
    """Each module is made once."""
    kept = {}

    def build(cls):
        if cls not in kept:
            kept[cls] = MODULES[cls].make()
        return kept[cls]

    return build


@pytest.fixture(params=MODULES, ids=lambda cls: cls.__name__)
def row(request, built):
    return built(request.param), MODULES[request.param]


def test_modules_are_copied_pickled_and_filled(row, pictures):
    module, this = row
    x = pictures[:1].float()
    with torch.no_grad():
        expected = this.call(module, x)
        for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
            assert torch.equal(this.call(other, x), expected)
            assert not {p.data_ptr() for p in other.parameters()} & {p.data_ptr() for p in module.parameters()}
            # Another state, and the module's own again.
            for value in other.state_dict().values():
                value.zero_()
            other.load_state_dict(module.state_dict(), strict=True)
            assert torch.equal(this.call(other, x), expected)


@WHOLE
def test_modules_are_one_graph(row, pictures):
    module, this = row
    with torch.no_grad():
        check_compiled(lambda x: this.call(module, x), pictures[:2].float())


def test_modules_can_be_mapped(row, pictures):
    module, this = row
    with torch.no_grad():
        check_mapped(lambda x: this.call(module, x), pictures[:2].float(), rtol=1e-3, atol=1e-4)


def test_modules_have_forward_derivatives(row, pictures):
    module, this = row
    if sum(p.numel() for p in module.parameters()) > 10_000_000:
        pytest.skip("the layers are those of the smaller networks, and float64 of these takes seconds")
    double = copy.deepcopy(module).double()
    with sdpa_kernel(SDPBackend.MATH):  # torch's other kernels of attention have no forward derivatives
        check_derivatives(lambda x: this.call(double, x), pictures[:1])


# What a method does in its own way, and why.
LOOKS_AT_VALUES = {
    "correspondence": "matches are sorted and counted",
    "gram": "an optimizer runs until it is done",
    "levin": "a solver runs until it is done",
    "network": "weights are loaded at the first call",
    "poisson": "a solver runs until it is done",
    "semi_interactive": "it is made of those above",
    "sliced": "as many pixels are sorted as count",
}
SIMPLE = [("wavelet", {}), *(("histogram", {"mode": mode}) for mode in MODES if mode not in LOOKS_AT_VALUES)]


def guide_for(method, x):
    """A reference and points, in the space of the method."""
    generator = torch.Generator().manual_seed(5)
    reference = from_rgb(torch.rand(1, 3, 16, 20, generator=generator, dtype=torch.float64).to(x), method.space)
    mask = torch.zeros_like(reference[:, :1])
    mask[..., 3::7, 4::9] = 1
    return Guide((Reference(reference),), hints=reference * mask, hint_mask=mask)


def test_every_method_is_simple_or_named():
    assert {name for name, _ in SIMPLE} | set(LOOKS_AT_VALUES) >= set(METHODS)


@WHOLE
@pytest.mark.parametrize(("name", "settings"), SIMPLE, ids=str)
def test_simple_methods_are_one_graph(name, settings, pictures):
    method = build_method(name, **settings)
    x = from_rgb(pictures, method.space).float()
    check_compiled(method, x, guide_for(method, x))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_methods_are_copied_and_pickled(name):
    method = build_method(name)
    for other in (copy.deepcopy(method), pickle.loads(pickle.dumps(method))):
        assert other.settings() == method.settings()
        assert other.load_state_dict(method.state_dict()).missing_keys == []

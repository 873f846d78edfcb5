"""Public operators and modules under the transforms of torch that other code puts around them."""

import copy
import pickle

import pytest
import torch

from recolor_torch.color import fit_gamut, hsi_to_rgb, lab_to_rgb, rgb_to_hsi, rgb_to_lab, rgb_to_yuv, yuv_to_rgb
from recolor_torch.features import VGG19, find_vgg19, gram_matrix
from recolor_torch.filters.edges import edge_filter
from recolor_torch.filters.smoothing import gauss_filter, laplacian, mean_filter
from recolor_torch.filters.soft_histogram import soft_histogram
from recolor_torch.filters.wavelet import dwt2, idwt2
from recolor_torch.losses.smoothness import total_variation
from recolor_torch.methods import METHODS, build_method
from recolor_torch.methods.histogram_soft import match_histograms_soft
from recolor_torch.networks import ColorUNet, Discriminator, EightBlockNet, UserGuidedNet
from recolor_torch.resize import resize

# torch maps some operators one picture at a time, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")

OPERATORS = {
    "rgb_to_lab": rgb_to_lab,
    "lab_to_rgb": lambda x: lab_to_rgb(torch.cat((100 * x[:, :1], 40 * x[:, 1:]), 1)),
    "rgb_to_yuv": rgb_to_yuv,
    "yuv_to_rgb": yuv_to_rgb,
    "rgb_to_hsi": rgb_to_hsi,
    "hsi_to_rgb": hsi_to_rgb,
    "fit_gamut": lambda x: fit_gamut(x[:, :1], x[:, 1:] - 0.5),
    "mean_filter": mean_filter,
    "gauss_filter": gauss_filter,
    "laplacian": laplacian,
    "edge_filter": edge_filter,
    "gram_matrix": gram_matrix,
    "total_variation": total_variation,
    "resize": lambda x: resize(x, (9, 7)),
    "wavelets": lambda x: idwt2(dwt2(x, "db2", 2), "db2"),
}


@pytest.fixture
def pictures():
    return 0.1 + 0.8 * torch.rand(3, 3, 16, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def check_transforms(operator, pictures):
    mapped = torch.func.vmap(lambda x: operator(x[None])[0])(pictures)
    torch.testing.assert_close(mapped, operator(pictures))
    check_derivatives(operator, pictures)


def check_derivatives(operator, pictures):
    whole = operator(pictures)
    change = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1), dtype=pictures.dtype)
    _, forward = torch.func.jvp(operator, (pictures,), (change,))
    _, pull = torch.func.vjp(operator, pictures)
    seed = torch.randn(whole.shape, generator=torch.Generator().manual_seed(2), dtype=whole.dtype)
    # <J v, w> = <v, J^T w>: forward and backward derivatives are of one function.
    torch.testing.assert_close((forward * seed).sum(), (pull(seed)[0] * change).sum(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_can_be_mapped_and_differentiated_both_ways(name, pictures):
    check_transforms(OPERATORS[name], pictures)


def test_the_features_of_vgg_too(pictures, vgg19_path):
    vgg = VGG19(find_vgg19(vgg19_path, depth=4), ["conv_4"]).double()
    check_derivatives(lambda x: vgg(x)["conv_4"], pictures)


def test_soft_histograms_can_be_differentiated_by_transforms(pictures):
    def distance(x):
        return (soft_histogram(x) - 0.1).square().sum() + match_histograms_soft(x, x.flip(-1)).square().sum()

    x = pictures.clone().requires_grad_()
    torch.testing.assert_close(torch.func.grad(distance)(pictures), torch.autograd.grad(distance(x), x)[0])


@pytest.mark.parametrize("name", sorted(METHODS))
def test_methods_are_copied_and_pickled(name):
    method = build_method(name)
    for other in (copy.deepcopy(method), pickle.loads(pickle.dumps(method))):
        assert other.settings() == method.settings()
        assert other.load_state_dict(method.state_dict()).missing_keys == []


@pytest.mark.parametrize(
    "make", [lambda: ColorUNet("lite0", (8, 8, 8, 8, 8)), EightBlockNet, UserGuidedNet, lambda: Discriminator(4)]
)
def test_networks_are_copied_and_pickled(make):
    network = make().eval()
    state = network.state_dict()
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert all(torch.equal(value, other.state_dict()[key]) for key, value in state.items())
        assert not {p.data_ptr() for p in other.parameters()} & {p.data_ptr() for p in network.parameters()}


def test_a_network_can_be_mapped_over_pictures(network_path):
    from recolor_torch.networks.loading import load_network

    network, _ = load_network("unet", network_path)
    pictures = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    mapped = torch.func.vmap(lambda x: network(x[None]))(pictures)
    torch.testing.assert_close(mapped.chroma[:, 0], network(pictures).chroma, atol=1e-5, rtol=1e-4)

"""Right on the device: functions in float32 there against float64 on the CPU."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from bench import Bench, Check, in_8_bits
from fast_gram import weights_of
from measure import difference, gradients, relative
from record import Row
from right_methods import batches, energies, methods, mixed, processor_waits, recordings, solve_gradients
from torch import Tensor

from recolor_torch import color, filters, losses
from recolor_torch.color import bins
from recolor_torch.color.ab import ab_to_chroma
from recolor_torch.evaluation import chroma_psnr, ciede2000, color_error, colorfulness, psnr, ssim
from recolor_torch.features import VGG19, find_vgg19, gram_matrix
from recolor_torch.guide import Reference
from recolor_torch.losses.adversarial import discriminator_loss, generator_loss
from recolor_torch.losses.classification import chroma_loss, distribution_loss
from recolor_torch.methods.gram.objective import GramObjective, LossWeights
from recolor_torch.methods.gram.tiles import TiledObjective
from recolor_torch.networks import Discriminator, EightBlockNet, UserGuidedNet
from recolor_torch.networks.loading import load_network

HALF_LEVEL = 0.5
# Largest share by which a loss or a gradient may differ: float32 over some thousand pixels.
SHARE = 1e-3


def compare(
    bench: Bench,
    name: str,
    function: Callable[..., Any],
    inputs: Sequence[Tensor],
    unit: float | None = 1.0,
    gradient: bool = False,
    limit: float | None = None,
) -> Row:
    """A row: ``function`` of float32 inputs on the device against float64 on the CPU, and against itself.

    Args:
        unit: what 255 levels are; None counts shares of the largest value.
        gradient: compare gradients of a fixed random sum of the result too, as shares.
        limit: of the difference; half a level, or a thousandth for shares.
    """
    exact = [x.double() for x in inputs]
    single = [x.float().to(bench.device) for x in inputs]
    wanted, found = function(*exact), function(*single)
    again = difference(function(*single), found)
    if unit is None:
        row: Row = {"name": name, "share": relative(found, wanted), "repeat": again}
        row["ok"] = row["share"] <= (SHARE if limit is None else limit)
    else:
        row = {"name": name, "levels": 255 / unit * difference(found, wanted), "repeat": 255 / unit * again}
        row["ok"] = row["levels"] <= (HALF_LEVEL if limit is None else limit)
    if gradient:
        parts = []
        for values in (single, exact):
            given = [x.clone().requires_grad_() for x in values]
            parts.append(gradients(function(*given), given))
        row["gradient share"] = relative(*parts)
        row["ok"] = row["ok"] and row["gradient share"] <= SHARE
    return row


def pair(bench: Bench) -> Tensor:
    """Two different small pictures, (2, 3, H, W), float64."""
    return bench.pictures.batch(2, *bench.pick((96, 128), (32, 48))).double()


def colors(bench: Bench) -> Iterator[Row]:
    rgb = pair(bench)
    gray = color.rgb_to_luminance(rgb)
    yuv, lab = color.rgb_to_yuv(rgb), color.rgb_to_lab(rgb)
    yield compare(bench, "rgb_to_yuv", color.rgb_to_yuv, [rgb], gradient=True)
    yield compare(bench, "yuv_to_rgb", color.yuv_to_rgb, [yuv], gradient=True)
    yield compare(bench, "rgb_to_lab", color.rgb_to_lab, [rgb], unit=100, gradient=True)
    yield compare(bench, "lab_to_rgb", color.lab_to_rgb, [lab])
    yield compare(bench, "hsi and back", lambda x: color.hsi_to_rgb(color.rgb_to_hsi(x)), [rgb])
    yield compare(bench, "fit_gamut", color.fit_gamut, [gray, 3 * yuv[:, 1:]])
    yield compare(bench, "ab_to_chroma", ab_to_chroma, [gray, lab[:, 1:]])
    yield compare(bench, "soft_encode", lambda x: bins.soft_encode(x)[1], [lab[:, 1:, ::4, ::4]], unit=None)
    logits = torch.randn(2, 313, 6, 8, generator=torch.Generator().manual_seed(0)).double()
    yield compare(bench, "annealed_mean", bins.annealed_mean, [logits], unit=100, gradient=True)
    yield compare(bench, "ciede2000", ciede2000, [lab[:1], lab[1:]], unit=100)
    for function in (psnr, ssim, chroma_psnr, color_error):
        yield compare(bench, function.__name__, function, [rgb, (0.9 * rgb + 0.05)], unit=None)
    yield compare(bench, "colorfulness", colorfulness, [rgb], unit=None)


def filtering(bench: Bench) -> Iterator[Row]:
    rgb = pair(bench)
    gray = color.rgb_to_luminance(rgb)
    plain: dict[str, Callable[[Tensor], Any]] = {
        "laplacian": filters.laplacian,
        "mean_filter": filters.mean_filter,
        "gauss_filter": filters.gauss_filter,
        "edge_filter": filters.edge_filter,
        "amplify_contrast": filters.amplify_contrast,
        "stationary_bands": filters.stationary_bands,
        "dwt2 and back": lambda x: filters.idwt2(filters.dwt2(x, "db2", 3), "db2", size=(x.shape[-2], x.shape[-1])),
        "dwt2": lambda x: [filters.dwt2(x, "db2", 2).approximation, *filters.dwt2(x, "db2", 2).details],
    }
    for name, function in plain.items():
        single = name in ("laplacian", "mean_filter", "gauss_filter", "edge_filter", "amplify_contrast")
        yield compare(bench, name, function, [gray], gradient=single)
    yield compare(bench, "edge_probability", filters.edge_probability, [gray], gradient=True)
    yield compare(bench, "soft_histogram", filters.soft_histogram, [gray], unit=None, gradient=True)
    yield compare(bench, "soft_cdf", filters.soft_cdf, [gray], unit=None, gradient=True)
    yield compare(bench, "blockiness", lambda x: filters.blockiness(x, 8), [gray], unit=None)
    yield compare(bench, "edge_content_distance", filters.edge_content_distance, [gray[:1], gray[1:]], unit=None)


def loss_functions(bench: Bench) -> Iterator[Row]:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(2, 16, 12, 16, generator=generator).double() for _ in range(2))
    rgb = pair(bench)
    grams = gram_matrix(y)
    lab = color.rgb_to_lab(rgb)[:, 1:, ::4, ::4]
    logits = torch.randn(2, 313, *lab.shape[-2:], generator=generator).double()
    yield compare(bench, "content_loss", losses.content_loss, [x, y], unit=None, gradient=True)
    yield compare(bench, "style_loss", lambda a: losses.style_loss(a, grams.to(a)), [x], unit=None, gradient=True)
    yield compare(bench, "total_variation", losses.total_variation, [rgb], unit=None, gradient=True)
    yield compare(bench, "luminance_loss", losses.luminance_loss, [rgb, rgb.flip(0)], unit=None, gradient=True)
    yield compare(
        bench, "distribution_loss", lambda a: distribution_loss(a, lab.to(a)), [logits], unit=None, gradient=True
    )
    yield compare(bench, "chroma_loss", chroma_loss, [x[:, :2], y[:, :2]], unit=None, gradient=True)
    yield compare(bench, "discriminator_loss", discriminator_loss, [x[:, :1], y[:, :1]], unit=None, gradient=True)
    yield compare(bench, "generator_loss", generator_loss, [x[:, :1]], unit=None, gradient=True)


def gram_objective(bench: Bench) -> Iterator[Row]:
    """Loss and gradient of Gram transfer, whole and by tiles; the same call twice has to give the same bits."""
    side = bench.pick(160, 64)
    images = [in_8_bits(bench.pictures.rgb(side, side, seed=i).double()) for i in range(3)]
    weights = LossWeights({f"conv_{k}": 500.0 for k in range(1, 6)}, {"conv_5": 1.0})
    for name, kind in (("whole", GramObjective), ("by tiles", partial(TiledObjective, side=side // 2))):

        def run(x: Tensor, target: Tensor, style: Tensor, kind: Callable[..., Any] = kind) -> Any:
            vgg = VGG19(weights_of(bench), weights.layers).to(x)
            found = kind(vgg, target, (Reference(style),), weights).evaluate(x)
            return [found.gradient / found.total, 1e-3 * found.total.log()]

        row = compare(bench, f"Gram objective, {name}", run, images, unit=None)
        yield {**row, "ok": row["ok"] and row["repeat"] == 0}


@contextmanager
def tensor_floats(allowed: bool) -> Iterator[None]:
    """Convolutions with TF32's ten bits on a GPU, as torch has it by default, or with all of float32's."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def networks(bench: Bench) -> Iterator[Row]:
    """Features and networks; those that have no published weights here with random ones."""
    torch.manual_seed(0)
    rgb = bench.pictures.batch(2, *bench.pick((96, 128), (64, 64))).double()
    gray = color.rgb_to_luminance(rgb)
    mask = bench.pictures.hint_mask(*gray.shape[-2:]).double().expand(2, -1, -1, -1)
    hints = color.rgb_to_yuv(rgb)[:, 1:] * mask
    vgg = VGG19(find_vgg19(None, depth=5), ("relu_2", "relu_4", "relu_5"))
    unet, _ = load_network("unet")
    random = {"EightBlockNet": EightBlockNet(), "UserGuidedNet": UserGuidedNet(), "Discriminator": Discriminator()}
    modules: dict[str, tuple[torch.nn.Module, list[Tensor]]] = {"features": (vgg, [rgb])}
    modules |= {"unet": (unet, [gray]), "unet with hints": (unet, [gray, hints, mask])}
    modules |= {"EightBlockNet": (random["EightBlockNet"], [gray[:1]])}
    modules |= {"UserGuidedNet": (random["UserGuidedNet"], [gray[:1], hints[:1], mask[:1]])}
    modules |= {"Discriminator": (random["Discriminator"], [gray, hints])}
    for name, (made, inputs) in modules.items():
        module = made.eval()
        for allowed in (False, True) if bench.device.type == "cuda" else (False,):

            def run(*given: Tensor, module: torch.nn.Module = module) -> Any:
                with torch.no_grad():
                    return module.to(given[0])(*given)

            with tensor_floats(allowed):
                row = compare(bench, f"{name}{', TF32' if allowed else ''}", run, inputs, unit=None)
            if allowed:
                del row["ok"]
            yield row


CHECKS: dict[str, Check] = {
    "recordings": recordings,
    "methods": methods,
    "energies": energies,
    "processor waits": processor_waits,
    "gradients of solves": solve_gradients,
    "batches": batches,
    "mixed precision": mixed,
    "networks": networks,
    "gram objective": gram_objective,
    "losses": loss_functions,
    "filters": filtering,
    "colors": colors,
}

"""Fast on the device: how long things take there, and where the time goes."""

from collections.abc import Iterator
from functools import partial

import torch
from bench import Bench, Check
from fast_gram import gram, tiles
from fast_solvers import batch_of_solves, counts, cycles, solver_peers, solver_profile, solves
from measure import copy_bandwidth, peak_memory, profile, seconds
from record import Row
from torch import Tensor

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.features import find_vgg19
from recolor_torch.gallery import Descriptor, make_spec
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import build_method
from recolor_torch.networks import ColorUNet
from recolor_torch.pipeline import recolor


def bandwidth(bench: Bench) -> Iterator[Row]:
    """What the device can do: a large copy, large matrix products."""
    yield {"name": "copy", "GB/s": copy_bandwidth(bench) / 1e9}
    n = bench.pick(8192, 256)
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(n, n, device=bench.device, dtype=dtype)
        yield {"name": f"product, {dtype}", "TFLOP/s": 2 * n**3 / seconds(bench, lambda a=a: a @ a) / 1e12}


def network(bench: Bench) -> Iterator[Row]:
    """Pictures a second from tensors to tensors, at the whole size, in batches."""
    side = bench.pick(512, 64)
    made = build_method("network")
    for count in bench.pick((1, 8, 32, 128), (1, 2)):
        rgb = bench.pictures.batch(min(count, 4), side, side)
        target = bench.pictures.gray(rgb).repeat(-(-count // len(rgb)), 1, 1, 1)[:count].to(bench.device)
        run = partial(recolor, target, made, Guide())
        took = seconds(bench, run, repeats=5)
        row: Row = {"name": f"{side}, batch {count}", "ms": 1e3 * took, "pictures a second": count / took}
        yield {**row, "peak MB": peak_memory(bench, run)}
    found = profile(bench, run, 30)
    yield {"name": "where the time goes", **found}


def histogram(bench: Bench) -> Iterator[Row]:
    """Histogram transfer of a large picture, and matching by sorting and torch.searchsorted as the peer."""
    height, width = bench.pick((3000, 4000), (64, 64))
    (rgb,) = bench.to(bench.pictures.rgb(height, width))
    (style,) = bench.to(bench.pictures.rgb(*bench.pick((1500, 2000), (48, 64)), seed=5))
    guide = Guide(references=(Reference(style),))
    for mode in ("chroma", "rgb", "yuv"):
        made = build_method("histogram", mode=mode)
        took = seconds(bench, lambda made=made: recolor(rgb, made, guide))
        yield {"name": f"{height * width / 1e6:.0f} MP, {mode}", "ms": 1e3 * took}
    yield {"name": "peer: sort and searchsorted", "ms": 1e3 * seconds(bench, lambda: match_by_sorting(rgb, style))}
    yield {"name": "where the time goes", **profile(bench, lambda: recolor(rgb, build_method("histogram"), guide), 10)}


def match_by_sorting(image: Tensor, style: Tensor) -> Tensor:
    """Histogram matching as it is usually written: ranks by sorting, quantiles by interpolation."""
    out = []
    for x, s in zip(image[0], style[0]):
        values = s.flatten().sort().values
        ranks = torch.searchsorted(x.flatten().sort().values, x.flatten()).double() / x.numel() * (values.numel() - 1)
        low = ranks.long().clamp(max=values.numel() - 2)
        out.append(torch.lerp(values[low], values[low + 1], (ranks - low).to(values)).view_as(x))
    return torch.stack(out)[None]


def correspondence(bench: Bench) -> Iterator[Row]:
    """Colors from a reference by correspondence, one picture and a batch."""
    side = bench.pick(512, 64)
    made = build_method("correspondence")
    (style,) = bench.to(bench.pictures.rgb(side, side, seed=5))
    guide = Guide(references=(Reference(style),))
    for count in bench.pick((1, 8), (1,)):
        (target,) = bench.to(bench.pictures.gray(bench.pictures.batch(count, side, side)))
        run = partial(recolor, target, made, guide)
        took = seconds(bench, run, repeats=3)
        yield {"name": f"{side}, batch {count}", "ms": 1e3 * took, "peak MB": peak_memory(bench, run)}
        if count == 1:
            yield {"name": "where the time goes", **profile(bench, run)}


def descriptors(bench: Bench) -> Iterator[Row]:
    """Gallery descriptors, with those of the mirror images, from pictures at their working size."""
    weights = find_vgg19(None, depth=5)
    made = Descriptor(weights, make_spec(weights)).to(bench.device)
    count = bench.pick(64, 2)
    gray = rgb_to_luminance(bench.pictures.batch(2, 120, 160)).repeat(count // 2, 1, 1, 1).to(bench.device)
    with torch.no_grad():
        took = seconds(bench, lambda: made.copies(gray))
    yield {"name": f"160 x 120, batch {count}", "pictures a second": count / took}


def training(bench: Bench) -> Iterator[Row]:
    """Steps of training the package's network: forward, backward, AdamW, without reading pictures."""
    from recolor_torch.losses.classification import chroma_loss, distribution_loss

    count, side = bench.pick((32, 128), (2, 32))
    rgb = bench.pictures.batch(2, side, side).repeat(count // 2, 1, 1, 1).to(bench.device)
    gray, chroma = rgb_to_luminance(rgb), rgb_to_yuv(rgb)[:, 1:]
    network = ColorUNet().to(bench.device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    for precision in (torch.float32, torch.bfloat16):

        def step(precision: torch.dtype = precision) -> None:
            with torch.autocast(bench.device.type, dtype=precision, enabled=precision != torch.float32):
                found = network(gray, None, None)
            loss = chroma_loss(found.chroma.float(), chroma)
            ab = torch.nn.functional.interpolate(100 * chroma, found.logits.shape[-2:])
            loss = loss + distribution_loss(found.logits.float(), ab)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        took = seconds(bench, step, repeats=10, warm=3)
        name = f"batch {count} of {side}, {str(precision).removeprefix('torch.')}"
        yield {"name": name, "steps a second": 1 / took, "pictures a second": count / took}


CHECKS: dict[str, Check] = {
    "bandwidth": bandwidth,
    "levin and poisson": solves,
    "cycle": cycles,
    "gram": gram,
    "network": network,
    "correspondence": correspondence,
    "batch of solves": batch_of_solves,
    "histogram": histogram,
    "training": training,
    "descriptors": descriptors,
    "where a solve's time goes": solver_profile,
    "gram by tiles": tiles,
    "launches": counts,
    "solver peers": solver_peers,
}

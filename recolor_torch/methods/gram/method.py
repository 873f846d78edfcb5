"""Gram transfer: the style of references by the statistics of VGG-19's features (report, section 4)."""

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from recolor_torch.checks import check_choice, check_image, check_mask
from recolor_torch.color import from_rgb, to_rgb
from recolor_torch.features import VGG19, Preprocessing, VggWeights, find_vgg19
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods.base import Recolorizer, TransferSettings
from recolor_torch.methods.gram.descent import Algorithm
from recolor_torch.methods.gram.objective import LossWeights, Match, network_precision
from recolor_torch.methods.gram.solver import Beginning, GramSolver, Pace
from recolor_torch.methods.gram.start import Preparation, Start

CHROMA_VARIATION = 10_000.0
"""Weight of smooth chroma: chosen on three pairs of video frames."""

REPORT_STYLE = {f"conv_{k}": 1000.0 for k in range(1, 6)}
REPORT_CONTENT = {"conv_5": 1.0}


class GramTransfer(Recolorizer):
    """Give the target the Gram matrices that the reference has in the layers of VGG-19.

    Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks" (2016), as the report recolors
    with it. By default only chroma changes and luminance is exact; it is solved coarse to fine. A color transfer by
    texture: a picture in its true colors has a higher loss than the optimum, so look at what it makes.

    Args:
        style: weight of each layer's Gram matrix, such as {"conv_1": 200}; inside of the square.
        content: weight of each layer's features, which hold the picture to the target.
        total_variation: weight of smoothness, of chroma alone where ``optimize`` is chroma; 0 leaves it out. Without it
            10000 for chroma, which would else be full of color noise, and 0 for rgb.
        luminance: weight of keeping luminance, for ``optimize`` rgb; 0 leaves it out.
        optimize: ``chroma`` (luminance stays exactly), or ``rgb``, all three channels freely, as the report.
        match: ``picture``, the Gram matrices of the reference, as the report; or ``color``, what its color adds to
            those of its luminance: what luminance alone would ask for is no matter of chroma. Without it color for
            chroma, and picture for rgb.
        start: ``rank-colour`` (the mean color of the same rank of luminance), ``target``, ``source`` (the reference),
            ``average`` of target and source (the report; leaves a ghost of the source) or ``noise``.
        algorithm: ``lbfgs``, projected and with a line search, or ``adam``.
        steps: most steps at the full size.
        levels: sizes that are worked through, each half of the next; 1 works at the full size only.
        coarse_steps: most steps at each smaller size.
        tolerance: a size is done when ten steps lower the loss by less than this share.
        history: steps that L-BFGS remembers.
        lr: step of Adam, in units of [0, 1].
        pooling: of the network, ``average`` or ``max``.
        preparation: ``shuffle`` or ``blur`` the references, to take their style without what they show; or ``none``.
        patch: side of the shuffled patches, or reach of the blur, in pixels of the size that is worked at.
        tile: side of the tiles, in pixels, in which pictures of more than six tiles are evaluated, so that
            memory for the network does not grow; Gram matrices are those of the whole picture.
        precision: of the convolutions; ``auto`` is bfloat16 where the hardware has it.
        seed: of noise and shuffling.
        weights: file of VGG-19 weights; without it RECOLOR_VGG19, torchvision's cache, or, where no layer after
            conv_5 is needed, the slim network of this package.
        download: let torchvision fetch its weights (550 MB) where there are none.
        vgg_preprocessing: how the network's input is made, in place of what the weights' file says.
    """

    needs = ("reference",)
    reports_progress = True
    bytes_per_pixel = 4000
    largest_side: ClassVar[int] = 384

    def __init__(
        self,
        style: dict[str, float] = REPORT_STYLE,
        content: dict[str, float] = REPORT_CONTENT,
        total_variation: float | None = None,
        luminance: float = 0.0,
        optimize: Literal["chroma", "rgb"] = "chroma",
        match: Match | None = None,
        start: Start = "rank-colour",
        algorithm: Algorithm = "lbfgs",
        steps: int = 40,
        levels: int = 3,
        coarse_steps: int = 10,
        tolerance: float = 0.01,
        history: int = 50,
        lr: float = 0.02,
        pooling: Literal["average", "max"] = "average",
        preparation: Preparation = "none",
        patch: int = 32,
        tile: int = 256,
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        seed: int = 0,
        weights: str | None = None,
        download: bool = False,
        vgg_preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__()
        self.whole_batches = True  # taken one by one inside
        check_choice(optimize, "optimize", ("chroma", "rgb"))
        if match is not None:
            check_choice(match, "match", ("picture", "color"))
        check_choice(pooling, "pooling", ("average", "max"))
        self.style, self.content = dict(style), dict(content)
        self.total_variation, self.luminance = total_variation, luminance
        if total_variation is None:
            self.total_variation = CHROMA_VARIATION if optimize == "chroma" else 0.0
        self.optimize, self.start, self.algorithm = optimize, start, algorithm
        self.match: Match = match or ("color" if optimize == "chroma" else "picture")
        self.steps, self.levels, self.coarse_steps, self.tolerance = steps, levels, coarse_steps, tolerance
        self.history, self.lr, self.pooling = history, lr, pooling
        self.preparation, self.patch, self.tile = preparation, patch, tile
        self.precision, self.seed = precision, seed
        self.weights, self.download, self.vgg_preprocessing = weights, download, vgg_preprocessing
        self.space = "yuv" if optimize == "chroma" else "rgb"
        self._found: VggWeights | None = None
        # Not a submodule: the weights belong to no checkpoint.
        self._networks: dict[tuple[torch.device, torch.dtype], VGG19] = {}
        _ = self.solver  # checks the settings

    @classmethod
    def for_transfer(cls, settings: TransferSettings) -> "GramTransfer":
        """The method with these of its settings."""
        s = settings
        return cls(weights=s.weights, download=s.download, vgg_preprocessing=s.vgg_preprocessing)

    @property
    def losses(self) -> LossWeights:
        """What is minimised."""
        assert self.total_variation is not None
        parts = self.style, self.content, self.total_variation, self.luminance, self.optimize, self.match
        return LossWeights(*parts)

    @property
    def solver(self) -> GramSolver:
        """What makes a problem of a picture, and solves it."""
        pace = Pace(self.algorithm, self.steps, self.levels, self.coarse_steps, self.tolerance, self.history, self.lr)
        beginning = Beginning(self.start, self.preparation, self.patch, self.seed)
        return GramSolver(self.losses, self.network, pace, beginning, self.tile, self.precision)

    def prepare(self) -> None:
        """Find and read the weights.

        Raises:
            WeightsMissing: there are none, or not of all the layers that are needed.
        """
        if self._found is None:
            self._found = find_vgg19(
                self.weights, depth=self.losses.depth, download=self.download, preprocessing=self.vgg_preprocessing
            )

    def provenance(self) -> dict[str, str]:
        """The digest of the network's weights."""
        self.prepare()
        assert self._found is not None
        return self._found.provenance()

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Transfer to ``image``, (B, 3, H, W) in ``space``, each picture by itself; off ``target_mask`` it stays."""
        self.require(guide)
        check_image(image, "image", channels=3)
        if guide.target_mask is not None:
            check_mask(guide.target_mask, "target_mask", image)
        # Under a Trainer's inference mode no gradient could be taken; under its autocast Gram matrices would overflow.
        with torch.inference_mode(False), torch.no_grad(), network_precision(image, False):
            targets = to_rgb(image.clone(), self.space).clamp(0, 1).split(1)
            guides = [self._guide_of(guide, i) for i in range(len(targets))]
            log: list[str] = ["sample,width,height,step,loss"]
            results = [self._transfer(i, len(targets), x, own, log) for i, (x, own) in enumerate(zip(targets, guides))]
            if self.keep_stages:
                self.stages["losses.csv"] = "\n".join(log) + "\n"
                starts = [self.solver.beginning.picture(x, g.references) for x, g in zip(targets, guides)]
                self.stages["start"] = torch.cat(starts)
            result = from_rgb(torch.cat(results), self.space)
            if self.optimize == "chroma":
                result = torch.cat((image[:, :1], result[:, 1:]), 1)
            return result if guide.target_mask is None else torch.lerp(image, result, guide.target_mask)

    def _transfer(self, index: int, count: int, target: Tensor, guide: Guide, log: list[str]) -> Tensor:
        """The picture for one target, coarse to fine."""
        sizes = self.solver.pace.sizes(*target.shape[-2:])
        most = [self.coarse_steps] * (len(sizes) - 1) + [self.steps]
        work = [steps * height * width for steps, (height, width) in zip(most, sizes)]

        def on_step(size: tuple[int, int], step: int, loss: float) -> None:
            height, width = size
            log.append(f"{index},{width},{height},{step},{loss:.9g}")
            if self.on_progress is not None:
                done = (sum(work[: sizes.index(size)]) + step * height * width) / sum(work)
                self.on_progress((index + done) / count)

        problem, descent = self.solver.transfer(target, guide, on_step)
        return problem.region.to_rgb(descent.variable)

    def network(self, like: Tensor) -> VGG19:
        """The network on the device and in the precision of ``like``."""
        self.prepare()
        assert self._found is not None
        key = (like.device, like.dtype)
        if key not in self._networks:
            with torch.inference_mode(False):
                network = VGG19(self._found, self.losses.layers, self.pooling)
                self._networks[key] = network.to(device=like.device, dtype=like.dtype)
        return self._networks[key]

    def _guide_of(self, guide: Guide, i: int) -> Guide:
        mask = guide.target_mask
        return Guide(self._rgb_references(guide, i), None if mask is None else _sample(mask, i))

    def _rgb_references(self, guide: Guide, i: int) -> tuple[Reference, ...]:
        return tuple(
            replace(
                r,
                image=to_rgb(_sample(r.image, i), self.space).clamp(0, 1),
                mask=None if r.mask is None else _sample(r.mask, i),
            )
            for r in guide.references
        )


def _sample(x: Tensor, i: int) -> Tensor:
    return x[i if x.shape[0] > 1 else 0][None].clone()

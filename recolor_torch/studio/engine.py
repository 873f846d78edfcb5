"""The mathematics of one open picture: what is the same for every stroke is computed once."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color import from_rgb, rgb_to_luminance
from recolor_torch.hints.links import LinkShape
from recolor_torch.methods import Guide
from recolor_torch.methods.base import Transferred
from recolor_torch.methods.correspondence import Correspondence, propagate_estimate
from recolor_torch.methods.judged import Judged, Prior, color_judged, judge, linked_region, read_beside
from recolor_torch.methods.levin.live import Cancelled, LiveSpread
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.methods.semi_interactive import spread_with_prior
from recolor_torch.methods.words import paint_words
from recolor_torch.networks import Estimate
from recolor_torch.resize import resize, working_size
from recolor_torch.studio.drawing import Reduction, StrokeRaster
from recolor_torch.studio.interrupt import Interrupted, Interruptible
from recolor_torch.studio.painted import Marks
from recolor_torch.studio.protocol import Recipe

# The longer side of the first, coarse answer is at least this, and less than twice as much.
LEAST_SIDE = 144
# Largest error of the solves, in 8-bit levels of chroma: of coarse answers, which are seen for a moment, and at rest.
# The estimate of the error is cautious, and three times as much is kept: the true one stays below a third of these.
MOVING_TOLERANCE, COARSE_TOLERANCE, FINAL_TOLERANCE = 9.0, 5.0, 0.4
# Automatic proposals, by number: settings of the network's method that differ from its defaults.
PROPOSALS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Most likely", {}),
    ("Vivid", {"vividness": 1.0}),
    ("Calm", {"vividness": 0.0}),
    ("Variation 1", {"head": "distribution", "samples": 3, "sample": 1}),
    ("Variation 2", {"head": "distribution", "samples": 3, "sample": 2}),
)
# Strength of a reference's prior that the trust of 1 stands for, once a person has set the trust.
REFERENCE_STRENGTH = 0.01

# Matches of references that are kept, each at the size of the finest stage.
MOST_MATCHED = 8

Stale = Callable[[], bool]
Key = tuple[tuple[str, ...], tuple[LinkShape, ...]]
"""Keys of references, and links."""


@dataclass(frozen=True)
class Answer:
    """Chroma for the page.

    Args:
        chroma: U and V, (2, H, W) float32.
        side: the longer side that it was solved at.
        final: nothing better follows.
        seconds: since the request was taken up.
    """

    chroma: np.ndarray
    side: int
    final: bool
    seconds: float


@dataclass(frozen=True)
class Matched:
    """What references say of the picture.

    Args:
        chroma: (1, 2, h, w), at the finest stage.
        confidence: (1, 1, h, w).
        belief: share of the references in the chroma, (1, 1, h, w).
        linked: (1, 1, h, w), 1 in the regions of links; None without links.
    """

    chroma: Tensor
    confidence: Tensor
    belief: Tensor
    linked: Tensor | None

    @property
    def transferred(self) -> Transferred:
        """All but the regions."""
        return Transferred(self.chroma, self.confidence, self.belief)


class Stage:
    """The picture at one working size."""

    def __init__(self, luminance: Tensor, coarser: "Stage | None") -> None:
        self.luminance = luminance
        self.size = (luminance.shape[-2], luminance.shape[-1])
        self.spread: LiveSpread = LiveSpread(luminance, coarser.spread if coarser else None)
        self.raster = StrokeRaster(self.size)

    @property
    def side(self) -> int:
        """The longer side, in pixels."""
        return max(self.size)

    def hints(self, marks: Marks) -> tuple[Tensor, Tensor]:
        """Chroma (1, 2, h, w) and mask (1, 1, h, w) of the marks, drawn at this size."""
        return hint_tensors(*self.raster.draw(marks.shapes))

    def fit(self, x: Tensor) -> Tensor:
        """A tensor of the finest stage at this size."""
        if tuple(x.shape[-2:]) == self.size:
            return x
        return F.interpolate(x, size=self.size, mode="bilinear", align_corners=False, antialias=True)


class Engine:
    """Colors one picture again and again, faster than it would from scratch.

    Its answer at rest is what ``recolor colorize`` computes at the same working size, to half a level.

    Args:
        image: sRGB, (1, 3, H, W).
        side: the longer side that the answer at rest is solved at.
        network: the automatic method, loaded or not; its weights are shared.
    """

    def __init__(self, image: Tensor, side: int, network: NetworkColorization) -> None:
        self.full = (image.shape[-2], image.shape[-1])
        size = working_size(*self.full, side)
        work = resize(image, size).clamp(0, 1)
        luminance = from_rgb(rgb_to_luminance(work).expand(-1, 3, -1, -1), "yuv")[:, :1]
        small = _halves(luminance)
        self.stages: list[Stage] = []
        for y in small:
            self.stages.append(Stage(y, self.stages[-1] if self.stages else None))
        self.whole = Reduction(self.full, size)
        self.network = network
        self.estimate: Estimate | None = None
        self.bare: Estimate | None = None
        # What references and links say, newest last.
        self.matched: dict[Key, Matched] = {}
        # What references and hints together were last found to say: coarse answers begin with it.
        self.chosen: dict[Key, Judged] = {}
        self._links: tuple[LinkShape, ...] = ()
        self._priors: dict[Recipe, tuple[Tensor, Tensor]] = {}
        self._latest: tuple[Recipe, tuple[Tensor, Tensor]] | None = None
        # What of a text was not understood or not found, a sentence each.
        self.notes: tuple[str, ...] = ()
        self._hinted = False
        self._known: tuple[Tensor | None, Tensor | None] = (None, None)
        self._finisher: LiveSpread | None = None

    @property
    def finest(self) -> Stage:
        """The stage whose answer is final."""
        return self.stages[-1]

    def prepare(self) -> None:
        """Make what the first stroke needs: the network's estimate, and the hierarchies of the coarse stages."""
        recipe = Recipe()
        self._look(None, None)
        prior = self._prior(recipe)
        for stage in self.stages[:-1]:
            none = torch.zeros_like(stage.luminance)
            none[..., 0, 0] = 1
            stage.spread.begin(tolerance=100.0)
            self._evaluate(recipe, stage, none.expand(-1, 2, -1, -1) * 0, none, prior)

    def solve(self, marks: Marks, recipe: Recipe, moving: bool, stale: Stale) -> Iterator[Answer]:
        """Coarse answers first; ends early where ``stale`` says that nobody waits any more.

        Args:
            marks: all strokes.
            recipe: what they correct.
            moving: the brush is down: the coarsest answer alone, from the estimate that there is.
            stale: asked often, from the thread that solves.
        """
        start = time.perf_counter()
        self._links = marks.links
        try:
            for chroma, stage, final in self._steps(marks, recipe, moving, stale):
                values = chroma[0].float().numpy()
                yield Answer(values, stage.side, final, time.perf_counter() - start)
        except Cancelled:
            return

    def _steps(self, marks: Marks, recipe: Recipe, moving: bool, stale: Stale) -> Iterator[tuple[Tensor, Stage, bool]]:
        if not marks.strokes:
            if self._hinted:
                self._look(None, None)
            yield self._without_hints(recipe), self.finest, True
            return
        first = self.stages[0]
        if len(self.stages) > 1:
            first.spread.begin(MOVING_TOLERANCE, stale)
            yield self._evaluate(recipe, first, *first.hints(marks), self._coarse(recipe), quick=True), first, False
            if moving:
                return
        hints, mask = self._exact_hints(marks)
        if stale():
            raise Cancelled
        judged = recipe.kind == "reference" and recipe.trust == 1
        if recipe.kind == "automatic" or judged:
            self._look(hints, mask)
        prior: Prior | Judged | None = self._prior(recipe)
        found = self.found(recipe) if judged else None
        if found is not None and self.estimate is not None:
            luminance = self.finest.luminance
            estimates = self.automatic(), self.estimate
            bare, hinted = (read_beside(e, luminance, mask, self._finish) for e in estimates)
            prior = judge(self.network, luminance, hints, mask, found.transferred, bare, hinted, found.linked)
            self.chosen = {(recipe.references, marks.links): prior}
        for stage in self.stages[:-1]:
            stage.spread.begin(COARSE_TOLERANCE, stale)
            yield self._evaluate(recipe, stage, *stage.hints(marks), prior), stage, False
        stage = self.finest
        stage.spread.begin(FINAL_TOLERANCE, stale)
        yield self._evaluate(recipe, stage, hints, mask, prior), stage, True

    def _coarse(self, recipe: Recipe) -> Prior | Judged | None:
        """The prior before the hints are looked at anew."""
        judged = recipe.kind == "reference" and recipe.trust == 1
        known: Prior | Judged | None = self.chosen.get((recipe.references, self._links)) if judged else None
        if recipe.kind == "automatic" and self._latest is not None and self._latest[0] == recipe:
            known = self._latest[1]
        return self._prior(recipe) if known is None else known

    def _evaluate(
        self,
        recipe: Recipe,
        stage: Stage,
        hints: Tensor,
        mask: Tensor,
        prior: Prior | Judged | None,
        quick: bool = False,
    ) -> Tensor:
        """Chroma at a stage. The very functions of the methods, with a spread that remembers.

        ``quick`` leaves out the second of two solves, which brings the corrected estimate to the edges once more.
        """
        luminance, spread = stage.luminance, stage.spread
        if recipe.kind == "plain" or prior is None:
            return spread(luminance, hints, mask)
        if isinstance(prior, Judged):
            return color_judged(self.network, luminance, hints, mask, prior.fit(stage.fit), spread, quick)
        chroma, confidence = (stage.fit(x) for x in prior)
        if recipe.kind == "automatic" or recipe.trust == 1:
            method = self.method(recipe) if recipe.kind == "automatic" else self.network
            solve = method.correct if quick else method.combine
            return solve(luminance, hints, mask, chroma, confidence, spread)
        strength = torch.full_like(luminance[:, :, :1, :1], REFERENCE_STRENGTH * recipe.trust)
        return spread_with_prior(luminance, hints, mask, chroma, confidence, strength, spread=spread)

    def _exact_hints(self, marks: Marks) -> tuple[Tensor, Tensor]:
        """The hints at the finest stage by the way that ``colorize`` takes: full size first."""
        hints, known = self.whole.draw(marks.shapes)
        return from_rgb(hints, "yuv")[:, 1:], known

    def _look(self, hints: Tensor | None, mask: Tensor | None) -> None:
        """Ask the network, which reads the hints too."""
        hinted = hints is not None
        self.estimate = self.network.estimate(self.finest.luminance, hints, mask) if hinted else self.automatic()
        self._hinted, self._known = hinted, (hints, mask)
        self._priors.clear()

    def automatic(self) -> Estimate:
        """The network's estimate without any hint."""
        if self.bare is None:
            self.bare = self.network.estimate(self.finest.luminance)
        return self.bare

    def _prior(self, recipe: Recipe) -> tuple[Tensor, Tensor] | None:
        """Chroma and confidence at the finest stage."""
        if recipe.kind == "plain":
            return None
        if recipe.kind == "reference":
            found = self.found(recipe)
            return (found.chroma, found.confidence) if found else None
        if self.estimate is None:
            self._look(None, None)
        assert self.estimate is not None
        if recipe not in self._priors:
            self._priors[recipe] = self._painted(recipe, self.read(recipe, self.estimate))
        self._latest = recipe, self._priors[recipe]
        return self._priors[recipe]

    def _painted(self, recipe: Recipe, prior: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The prior with the colors of the recipe's text in it."""
        self.notes = ()
        if not recipe.text:
            return prior
        painted = paint_words(self.method(recipe), self.finest.luminance, prior[0], recipe.text, self._known)
        self.notes = painted.notes[0]
        return painted.chroma, torch.maximum(prior[1], painted.share)

    def read(self, recipe: Recipe, estimate: Estimate) -> tuple[Tensor, Tensor]:
        """Chroma and confidence at the finest stage that a recipe takes from an estimate."""
        return self.method(recipe).read(estimate, self.finest.luminance, self._finish)

    def _finish(self, luminance: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The edge-aware finish of the network's method, whose ties are the same each time."""
        if self._finisher is None or self._finisher.luminance.shape != luminance.shape:
            self._finisher = LiveSpread(luminance)
        self._finisher.begin()
        return self._finisher(luminance, *args, **kwargs)

    def _without_hints(self, recipe: Recipe) -> Tensor:
        if recipe.kind == "plain":
            return torch.zeros_like(self.finest.luminance).expand(-1, 2, -1, -1)
        prior = self._prior(recipe)
        assert prior is not None
        return prior[0]

    def method(self, recipe: Recipe) -> NetworkColorization:
        """The automatic method with the settings of a recipe; ``network_settings`` names them."""
        method = NetworkColorization(**network_settings(recipe))
        self.network.prepare()
        method.loaded, method.digest = self.network.loaded, self.network.digest
        return method

    def knows(self, recipe: Recipe, links: tuple[LinkShape, ...] = ()) -> bool:
        """Whether a recipe can be solved at once; ``learn`` makes it so."""
        return recipe.kind != "reference" or (recipe.references, links) in self.matched

    def found(self, recipe: Recipe) -> "Matched | None":
        """What the references and the links say; without these links yet, what was last found of the references."""
        exact = self.matched.get((recipe.references, self._links))
        near = [found for (names, _), found in self.matched.items() if names == recipe.references]
        return exact or (near[-1] if near else None)

    def learn(self, key: Key, guide: Guide, weights: str | None = None, stale: Stale = lambda: False) -> None:
        """Match references; takes seconds, and may run beside ``solve``.

        Args:
            key: of the references and the links.
            guide: references in sRGB, and links on a target of the finest stage's size.
            weights: file of VGG-19 weights.
            stale: asked often; nothing is learned where it says that nobody waits any more.

        Raises:
            Cancelled: it was stale.
        """
        luminance = self.finest.luminance
        image = torch.cat((luminance, torch.zeros_like(luminance).expand(-1, 2, -1, -1)), 1)
        pictures = tuple(replace(r, image=from_rgb(r.image, "yuv")) for r in guide.references)
        guide = replace(guide, references=pictures)
        method = Correspondence(weights=weights)
        method.prepare()
        try:
            with torch.no_grad(), Interruptible(stale):
                found = method.believe(image, guide)
                result = propagate_estimate(luminance, found.chroma, found.confidence, tolerance=method.tolerance)
        except Interrupted as error:
            raise Cancelled from error
        assert found.belief is not None
        self.matched[key] = Matched(result, found.confidence, found.belief, linked_region(guide.links, luminance))
        for old in list(self.matched)[:-MOST_MATCHED]:
            self.matched.pop(old, None)


def network_settings(recipe: Recipe) -> dict[str, Any]:
    """Settings of ``NetworkColorization`` that differ from its defaults, for an automatic recipe."""
    settings = dict(PROPOSALS[min(recipe.sample, len(PROPOSALS) - 1)][1])
    if recipe.trust != 1:
        settings["trust"] = float(f"{NetworkColorization().trust * recipe.trust:.6g}")
    return settings


def hint_tensors(colors: np.ndarray, mask: np.ndarray) -> tuple[Tensor, Tensor]:
    """Chroma (1, 2, H, W) and mask (1, 1, H, W) of drawn pixels."""
    image = torch.from_numpy(colors).permute(2, 0, 1)[None].float() / 255
    return from_rgb(image, "yuv")[:, 1:], torch.from_numpy(mask)[None, None].float()


def _halves(luminance: Tensor) -> list[Tensor]:
    """The luminance at its own size and at halves of it, smallest first."""
    found = [luminance]
    while max(found[0].shape[-2:]) >= 2 * LEAST_SIDE:
        height, width = found[0].shape[-2:]
        found.insert(0, resize(found[0], ((height + 1) // 2, (width + 1) // 2)).clamp(0, 1))
    return found

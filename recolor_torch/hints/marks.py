"""Marked copies (Levin et al. 2004): which pixels of a picture with strokes on it are strokes."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_image
from recolor_torch.color import chroma_to_rgb_offset, rgb_to_luminance, rgb_to_yuv

Rule = Literal["difference", "chroma"]

# All in 8-bit levels. The clean thresholds keep the soft edges of brushes; the others stay clear of the
# halo that lossy compression and blurred brushes leave.
SAME_GRAY = 2.5
DIFFERENCE_CLEAN, DIFFERENCE_HALO = 5.0, 10.0
CHROMA_CLEAN, CHROMA_HALO = 12.0, 20.0
NEUTRAL = 10.0
HALO_SHARE = 0.01
# Grays over which the tint of a scan is taken to be one color.
TINT_STEP = 16
# Reach of a soft rim and of the bleeding of JPEG's halved chroma, as sides of squares in pixels.
WINDOW, LOSSY_WINDOW = 5, 13


@dataclass(frozen=True)
class FoundMarks:
    """What was understood of a marked copy.

    Args:
        mask: (1, 1, H, W), 1 at hints: marked pixels without the blended rims of strokes.
        marked: (1, 1, H, W), 1 at all pixels that the rule finds.
        rule: "difference" from the target, or "chroma" of the marked copy by itself.
        threshold: of that rule, in 8-bit levels.
        neutral: pixels of gray strokes, found beside the chroma rule by their difference from the tone curve.
        gap: median difference of luminance between target and marked copy, in levels; it decides the rule.
    """

    mask: Tensor
    marked: Tensor
    rule: Rule
    threshold: float
    neutral: int
    gap: float

    def __str__(self) -> str:
        what = "that differ from the target by" if self.rule == "difference" else "with chroma of"
        more = f", and {self.neutral} pixels of gray strokes" if self.neutral else ""
        rims = int((self.marked - self.mask).sum())
        rims_text = f", without {rims} pixels of blended rims" if rims else ""
        return f"rule {self.rule}: pixels {what} more than {self.threshold:g} levels{more}{rims_text}"


def find_marks(marked: Tensor, target: Tensor, lossy: bool = False) -> FoundMarks:
    """Find the strokes on a marked copy.

    The copy is one of the target as it is (a tinted scan, too) or of its gray: whichever it is nearer to. Where it
    is the same picture, pixels that differ are marked: this sees gray strokes too. Where it is not (another tone
    curve, another scan), pixels with color are marked, and patches of gray that the tone curve between the two
    does not explain: gray strokes of at least 3 pixels. Outlines drawn around strokes are thinner and are no hints.
    Of a copy that is tinted all over, color counts from its tint. A threshold is raised where the pixels that are
    not marked differ visibly (compression, soft brushes), and the blended rims of strokes are left out of the hints.

    Args:
        marked: sRGB, (1, 3, H, W).
        target: the picture without marks, sRGB, (1, 3, H, W).
        lossy: the marked copy comes from a JPEG file or the like, in which strokes bleed farther into what
            is around them.

    Returns:
        The mask with the rule that made it.
    """
    check_image(marked, "marked", channels=3)
    check_image(target, "target", channels=3)
    marked, target = marked * 255, (target * 255).round()
    gray = rgb_to_luminance(target).round()
    luminance = rgb_to_luminance(marked)
    difference = _difference(marked, gray)
    gap = float(median((luminance - gray).abs()))
    from_target = _difference(marked, target)
    if median(from_target) < median(difference):
        difference, gap = from_target, float(median((luminance - rgb_to_luminance(target)).abs()))
    if gap <= SAME_GRAY and median(difference) <= DIFFERENCE_CLEAN:
        threshold = _threshold(difference, DIFFERENCE_CLEAN, DIFFERENCE_HALO)
        marks = difference > threshold
        core = _core(difference, marks, lossy)
        return FoundMarks(core.to(target), marks.to(target), "difference", threshold, 0, gap)
    chroma = _chroma(marked, gray, luminance)
    threshold = _threshold(chroma, CHROMA_CLEAN, CHROMA_HALO)
    colored = chroma > threshold
    neutral = _neutral_strokes(gray, luminance, chroma) & ~colored
    core = _core(chroma, colored, lossy) | neutral
    return FoundMarks(core.to(target), (colored | neutral).to(target), "chroma", threshold, int(neutral.sum()), gap)


def _difference(marked: Tensor, ground: Tensor) -> Tensor:
    return (marked - ground).abs().amax(1, keepdim=True)


def _chroma(marked: Tensor, gray: Tensor, luminance: Tensor) -> Tensor:
    """How far the channels lie apart, counted from the copy's tint where most of it is tinted."""
    chroma = marked.amax(1, keepdim=True) - marked.amin(1, keepdim=True)
    if median(chroma) <= CHROMA_CLEAN / 2:
        return chroma
    # A tint changes slowly from gray to gray: over few levels strokes may be the most.
    level = gray // TINT_STEP * TINT_STEP
    rest = marked - luminance
    tint = [_tone_curve(level.flatten(), c.flatten(), 512)[level.long().clamp(0, 255)] for c in rest.split(1, 1)]
    rest = rest - torch.cat(tint, 1)
    return rest.amax(1, keepdim=True) - rest.amin(1, keepdim=True)


def draw_marks(colors: Tensor, mask: Tensor, target: Tensor) -> Tensor:
    """A marked copy from hints: the chroma of the hints under (nearly) the luminance of the target.

    Luminance moves where chroma would not fit into the gamut, and where a hint would differ too little
    from the target to be found again. Rounded to 8 bits, chroma comes back to half a level of R, G and B.

    Args:
        colors: sRGB, (1, 3, H, W).
        mask: (1, 1, H, W), 1 at hints.
        target: sRGB, (1, 3, H, W).

    Returns:
        sRGB, (1, 3, H, W); the gray of the target outside of the mask.
    """
    gray = (rgb_to_luminance(target) * 255).round() / 255
    offset = chroma_to_rgb_offset(rgb_to_yuv(colors)[:, 1:])
    low, high = -offset.amin(1, keepdim=True), 1 - offset.amax(1, keepdim=True)
    y = torch.minimum(gray.clamp(min=low), high)
    step = (DIFFERENCE_HALO + 6) / 255
    faint = ((y + offset) - gray).abs().amax(1, keepdim=True) < step
    # Away from the nearer end of the range, so that the step fits.
    y = torch.where(faint, torch.where(high - y > y - low, y + step, y - step), y)
    marked = (torch.minimum(y.clamp(min=low), high) + offset).clamp(0, 1)
    return torch.where(mask > 0.5, marked, gray)


def median(values: Tensor, most: int = 1_000_000) -> Tensor:
    """The median of (about) ``most`` values spread over the tensor; sorting all of a large picture is slow."""
    flat = values.flatten()
    return flat[:: max(1, flat.numel() // most)].median()


def _threshold(values: Tensor, clean: float, halo: float) -> float:
    """The threshold for a measure that is (nearly) constant where nothing is marked.

    The ground is clean where hardly any pixel lies between it and the strokes: a few are soft edges of
    brushes, and belong to the strokes.
    """
    ground = values[values <= clean]
    if ground.numel() == 0:
        return clean
    share = float((ground >= median(ground) + 2).float().mean())
    return halo if share > HALO_SHARE else clean


def _core(values: Tensor, marked: Tensor, lossy: bool) -> Tensor:
    """Marked pixels with at least half of the strongest value nearby.

    The rim of a soft or blurred stroke blends its color with the gray around it. Taken as hints, the
    rim's dull colors fence the stroke in: they spread, and its own color does not.
    """
    window = LOSSY_WINDOW if lossy else WINDOW
    strongest = F.max_pool2d(values, (window, 1), stride=1, padding=(window // 2, 0))
    strongest = F.max_pool2d(strongest, (1, window), stride=1, padding=(0, window // 2))
    return marked & (values >= 0.5 * strongest)


def _neutral_strokes(gray: Tensor, luminance: Tensor, chroma: Tensor) -> Tensor:
    """Patches without chroma whose luminance is not what the tone curve makes of the target's gray."""
    plain = chroma <= CHROMA_CLEAN
    curve = _tone_curve(gray[plain], luminance[plain])
    rest = (luminance - curve[gray.long()]).abs()
    noise = float(median(rest[plain])) if bool(plain.any()) else 0.0
    odd = ((rest > max(NEUTRAL, 6 * noise)) & plain).to(gray)
    # Opening with a 3 x 3 square: what is thinner is an outline or noise.
    core = -F.max_pool2d(-odd, 3, stride=1, padding=1)
    core[..., [0, -1], :] = 0
    core[..., :, [0, -1]] = 0
    return F.max_pool2d(core, 3, stride=1, padding=1) * odd > 0.5


def _tone_curve(gray: Tensor, luminance: Tensor, spread: float = 256.0) -> Tensor:
    """The median luminance for each of the 256 grays; levels that do not occur take the one below.

    ``spread`` is more than the luminance's largest and smallest lie apart.
    """
    order = torch.argsort(gray * spread + luminance)
    sorted_gray, values = gray[order].contiguous(), luminance[order]
    levels = torch.arange(256, device=gray.device, dtype=gray.dtype)
    start, end = torch.searchsorted(sorted_gray, levels), torch.searchsorted(sorted_gray, levels, right=True)
    curve = values[((start + end) // 2).clamp(max=values.numel() - 1)] if values.numel() else levels
    present = end > start
    last = torch.where(present, torch.arange(256, device=gray.device), -1).cummax(0).values
    return curve[last.clamp(min=0)]

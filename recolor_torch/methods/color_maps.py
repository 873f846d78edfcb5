"""Color to color: smooth maps that give a colored picture the color statistics of another.

A map is made from two pictures and is the same for every pixel, so it keeps gradients smooth, can be applied to other
pictures of the same roll, and can be written as a ``.cube`` file.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from recolor_torch.checks import check_choice, check_image, check_mask, require_all
from recolor_torch.color import lab_to_rgb, rgb_to_lab
from recolor_torch.color.tables import cube_grid, cube_text
from recolor_torch.guide import Reference, total_weight

Kind = Literal["moments", "monge", "sliced"]

CUBE_SIZE = 33
# Smallest variance of colors in a direction, for pictures in [0, 1] or Lab divided by 100: a flat picture stays finite.
_FLOOR = 1e-6
# Variance that is added to that of both pictures in every direction, for Lab divided by 100: where a picture has hardly
# any spread, noise and unlike contents would be stretched. Chosen on 48 held-out training pictures (5e-4 gave a mean
# CIEDE2000 of 5.21, 0 gave 5.59, 8e-3 gave 5.39).
_NOISE = 5e-4
# Rotations of the sliced transport, and points of each of its tables; more changed the result by under 0.2 levels.
_ROTATIONS = 16
_QUANTILES = 129


@dataclass(frozen=True)
class Moments:
    """Weighted mean and covariance of colors.

    Args:
        mean: (B, 3).
        covariance: (B, 3, 3).
    """

    mean: Tensor
    covariance: Tensor


def color_moments(references: tuple[Reference, ...]) -> Moments:
    """Mean and covariance of the pixels that count, of all references together by their weights. NaN does not count.

    Args:
        references: pictures of any size, (B or 1, 3, H, W).

    Raises:
        ValueError: there is no reference, a shape is wrong, or no pixel counts.
    """
    if not references:
        raise ValueError("A color map needs at least one reference, got none.")
    total = total_weight(references)
    means, squares = [], []
    for r in references:
        check_image(r.image, "reference", channels=3)
        counted = ~r.image.isnan().any(1, keepdim=True)
        if r.mask is not None:
            check_mask(r.mask, "reference mask", r.image, "its reference")
            counted = counted & (r.mask > 0.5)
        colors = r.image.nan_to_num(nan=0).flatten(2)
        weight = counted.to(colors).flatten(2)
        count = weight.sum(-1, keepdim=True)
        require_all(count > 0, "reference has no pixel that counts: its mask leaves none, or all of them are NaN.")
        weight = weight / count
        weighted = colors * weight
        means.append(weighted.sum(-1) * (r.weight / total))
        squares.append(weighted @ colors.transpose(1, 2) * (r.weight / total))
    mean, square = sum(means[1:], start=means[0]), sum(squares[1:], start=squares[0])
    return Moments(mean, square - mean[:, :, None] * mean[:, None, :])


@dataclass(frozen=True)
class AffineMap:
    r"""The map :math:`x \mapsto A (x - m) + n` of colors.

    Args:
        matrix: A, (B, 3, 3).
        center: m, (B, 3).
        target: n, (B, 3).
    """

    matrix: Tensor
    center: Tensor
    target: Tensor

    def apply(self, image: Tensor) -> Tensor:
        """Map (B, 3, H, W); the result may lie outside of the gamut."""
        check_image(image, "image", channels=3)
        colors = self.matrix @ (image.flatten(2) - self.center[..., None]) + self.target[..., None]
        return colors.view_as(image)


def moments_map(image: Reference, references: tuple[Reference, ...]) -> AffineMap:
    r"""Mean and spread of each channel: :math:`y_c = \sigma_c(r) / \sigma_c(s)\,(x_c - \mu_c(s)) + \mu_c(r)`.

    Reinhard et al., "Color Transfer between Images" (2001), for pictures in CIE Lab in place of their space.

    Args:
        image: the picture that is changed, with the pixels that count.
        references: pictures of any size in the same space.
    """
    ours, theirs = color_moments((image,)), color_moments(references)
    scale = (_spread(theirs) / _spread(ours)).expand(len(ours.mean), -1)
    return AffineMap(torch.diag_embed(scale), ours.mean, theirs.mean)


def monge_kantorovich_map(image: Reference, references: tuple[Reference, ...], noise: float = _NOISE) -> AffineMap:
    r"""The linear map that gives the mean and the covariance of the references and moves colors least.

    .. math:: A = \Sigma_s^{-1/2} (\Sigma_s^{1/2} \Sigma_r \Sigma_s^{1/2})^{1/2} \Sigma_s^{-1/2}

    Pitié and Kokaram, "The Linear Monge-Kantorovitch Linear Color Mapping for Example-Based Color Transfer" (2007).
    It is the optimal transport between two normal distributions.

    Args:
        image: the picture that is changed, with the pixels that count.
        references: pictures of any size in the same space.
        noise: added to the variances of both, which keeps the map near the identity where there is hardly any spread.
    """
    ours, theirs = color_moments((image,)), color_moments(references)
    identity = noise * torch.eye(3, dtype=image.image.dtype, device=image.image.device)
    root, inverse = _roots(ours.covariance + identity)
    middle, _ = _roots(root @ (theirs.covariance + identity) @ root)
    return AffineMap(inverse @ middle @ inverse, ours.mean, theirs.mean)


@dataclass(frozen=True)
class SlicedMap:
    """Rotations with a monotone table of each axis, one after the other.

    Args:
        rotations: (K, 3, 3), orthonormal.
        before, after: K tensors (B, 3, Q): increasing values of each axis and what they become.
    """

    rotations: Tensor
    before: tuple[Tensor, ...]
    after: tuple[Tensor, ...]

    def apply(self, image: Tensor) -> Tensor:
        """Map (B, 3, H, W); the result may lie outside of the gamut."""
        check_image(image, "image", channels=3)
        colors = image.flatten(2)
        for rotation, before, after in zip(self.rotations, self.before, self.after):
            turned = rotation @ colors
            colors = rotation.T @ _interpolated(turned, before, after)
        return colors.view_as(image)


def sliced_map(image: Reference, references: tuple[Reference, ...], seed: int = 0) -> SlicedMap:
    """The whole distribution of the references, by matching one axis after the other in many rotations.

    Pitié, Kokaram and Dahyot, "N-Dimensional Probability Density Function Transfer" (2005); tables of quantiles,
    which are smooth, in place of histograms. References count alike here, whatever their weights.

    Args:
        image: the picture that is changed, with the pixels that count.
        references: pictures of any size in the same space.
        seed: of the rotations.
    """
    source = [_counted(image, i) for i in range(len(image.image))]
    wanted = [torch.cat([_counted(r, min(i, len(r.image) - 1)) for r in references], 1) for i in range(len(source))]
    generator = torch.Generator().manual_seed(seed)
    like = image.image
    turns = torch.randn(_ROTATIONS, 3, 3, generator=generator, dtype=torch.float64)
    rotations = torch.linalg.qr(turns).Q.to(like)
    rotations[0] = torch.eye(3).to(like)
    levels = torch.linspace(0, 1, _QUANTILES, dtype=like.dtype, device=like.device)
    befores, afters = [], []
    for rotation in rotations:
        before = torch.stack([_quantiles(rotation @ colors, levels) for colors in source])
        after = torch.stack([_quantiles(rotation @ colors, levels) for colors in wanted])
        source = [
            rotation.T @ _interpolated((rotation @ colors)[None], before[i : i + 1], after[i : i + 1])[0]
            for i, colors in enumerate(source)
        ]
        befores.append(before)
        afters.append(after)
    return SlicedMap(rotations, tuple(befores), tuple(afters))


def map_colors(image: Tensor, references: tuple[Reference, ...], kind: Kind, mask: Tensor | None = None) -> Tensor:
    """Give an sRGB picture the color statistics of the references, by a map in CIE Lab.

    Args:
        image: sRGB, (B, 3, H, W), [0, 1].
        references: sRGB pictures of any size.
        kind: ``moments``, ``monge`` or ``sliced``.
        mask: pixels that are counted and changed, (B or 1, 1, H, W).

    Returns:
        sRGB, (B, 3, H, W), clipped to [0, 1].
    """
    return apply_map(image, fit_map(image, references, kind, mask), mask)


def apply_map(image: Tensor, color_map: AffineMap | SlicedMap, mask: Tensor | None = None) -> Tensor:
    """Apply a map of Lab colors (divided by 100) to an sRGB picture, (B, 3, H, W), where ``mask`` is over one half."""
    mapped = lab_to_rgb(100 * color_map.apply(rgb_to_lab(image) / 100))
    return mapped if mask is None else torch.where(mask > 0.5, mapped, image)


def fit_map(
    image: Tensor, references: tuple[Reference, ...], kind: Kind, mask: Tensor | None = None
) -> AffineMap | SlicedMap:
    """The map of Lab colors (divided by 100) that ``map_colors`` applies; the arguments are the same."""
    check_choice(kind, "kind", KINDS)
    ours = Reference(rgb_to_lab(image) / 100, mask)
    theirs = tuple(replace(r, image=rgb_to_lab(r.image) / 100) for r in references)
    return MAPS[kind](ours, theirs)


MAPS: dict[Kind, Callable[[Reference, tuple[Reference, ...]], AffineMap | SlicedMap]] = {
    "moments": moments_map,
    "monge": monge_kantorovich_map,
    "sliced": sliced_map,
}
KINDS = tuple(MAPS)


def lab_cube(color_map: AffineMap | SlicedMap) -> str:
    """The text of a 3-D ``.cube`` file of a map of Lab colors (divided by 100), the first of its batch."""
    grid = cube_grid(CUBE_SIZE).to(_first(color_map))
    rgb = lab_to_rgb(100 * _first_map(color_map).apply(rgb_to_lab(grid) / 100)).clamp(0, 1)
    return cube_text(f"LUT_3D_SIZE {CUBE_SIZE}", rgb[0, :, 0].T.tolist())


def _first(color_map: AffineMap | SlicedMap) -> Tensor:
    return color_map.matrix if isinstance(color_map, AffineMap) else color_map.rotations


def _first_map(color_map: AffineMap | SlicedMap) -> AffineMap | SlicedMap:
    if isinstance(color_map, AffineMap):
        return AffineMap(color_map.matrix[:1], color_map.center[:1], color_map.target[:1])
    before, after = (tuple(t[:1] for t in tables) for tables in (color_map.before, color_map.after))
    return SlicedMap(color_map.rotations, before, after)


def _spread(moments: Moments) -> Tensor:
    return moments.covariance.diagonal(dim1=1, dim2=2).clamp(min=_FLOOR).sqrt()


def _roots(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """The square root of a symmetric matrix and its inverse, with a floor under the eigenvalues."""
    values, vectors = torch.linalg.eigh(covariance)
    root = values.clamp(min=_FLOOR).sqrt()
    turned = vectors.transpose(1, 2)
    return vectors @ (root[..., None] * turned), vectors @ (turned / root[..., None])


def _counted(reference: Reference, number: int) -> Tensor:
    """Colors of the pixels that count of one picture of a batch, (3, N)."""
    check_image(reference.image, "image", channels=3)
    colors = reference.image[number].flatten(1)
    counted = ~colors.isnan().any(0)
    if reference.mask is not None:
        counted = counted & (reference.mask[min(number, len(reference.mask) - 1)].flatten() > 0.5)
    require_all(counted.any(), "reference has no pixel that counts: its mask leaves none, or all of them are NaN.")
    return colors[:, counted]


def _quantiles(values: Tensor, levels: Tensor) -> Tensor:
    """Quantiles of each row of (3, N), (3, Q), by sorting: ``torch.quantile`` refuses large inputs."""
    ordered = values.sort(dim=1).values
    place = levels * (ordered.shape[1] - 1)
    low = place.floor().long().clamp(max=max(ordered.shape[1] - 2, 0))
    high = (low + 1).clamp(max=ordered.shape[1] - 1)
    return torch.lerp(ordered[:, low], ordered[:, high], (place - low).to(values))


def _interpolated(values: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Piecewise linear map of each row of (B, 3, N); beyond the ends it moves by as much as the ends do."""
    count = before.shape[-1]
    place = torch.searchsorted(before.contiguous(), values.contiguous()).clamp(1, count - 1)
    low, high = before.gather(2, place - 1), before.gather(2, place)
    width = high - low
    part = torch.where(width > 0, (values - low) / torch.where(width > 0, width, 1), 0.5).clamp(0, 1)
    moved = torch.lerp(after.gather(2, place - 1), after.gather(2, place), part)
    outside = (values - before[..., :1]).clamp(max=0) + (values - before[..., -1:]).clamp(min=0)
    return moved + outside

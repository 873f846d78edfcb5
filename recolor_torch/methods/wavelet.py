"""Wavelet merging: coarse colors from the reference at the same place, fine ones from the target (report, 2.2)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_batch, check_choice, check_image, check_mask, check_same_size
from recolor_torch.color import from_rgb, to_rgb
from recolor_torch.filters import Boundary, dwt2, filter_bank, idwt2, stationary_bands, weigh_stationary_bands
from recolor_torch.filters.contrast import amplify_contrast
from recolor_torch.filters.wavelet import Pyramid
from recolor_torch.filters.wavelet_bank import check_boundary
from recolor_torch.guide import Guide, Reference, total_weight
from recolor_torch.methods.base import Recolorizer
from recolor_torch.methods.histogram import match_in_space
from recolor_torch.methods.histogram_chroma import transfer_chroma
from recolor_torch.methods.histogram_tables import match_histograms
from recolor_torch.methods.wavelet_schedule import check_weights, read_schedule, schedule_weights

Transform = Literal["dwt", "stationary"]
Channels = Literal["rgb", "yuv", "uv"]
Match = Literal["none", "rgb", "yuv", "chroma"]


def merge_wavelets(
    target: Tensor,
    source: Tensor,
    weights: Sequence[float] | Tensor,
    wavelet: str = "haar",
    mode: Boundary = "symmetric",
    transform: Transform = "dwt",
) -> Tensor:
    r"""Mix the wavelet coefficients of two pictures, level by level.

    .. math::
        I = W^{-1}(\lambda_k h_1(T) + (1 - \lambda_k) h_1(S), \dots, \lambda_1 h_k(T) + (1 - \lambda_1) h_k(S),
        \lambda_0 l_k(T) + (1 - \lambda_0) l_k(S))

    with :math:`h_1` the finest details and :math:`l_k` the approximation. The transform is linear, so this is
    :math:`S + W^{-1}(\lambda W(T - S))`: one transform in place of two.

    Args:
        target: T, (B, C, H, W).
        source: S, (B or 1, C, H, W), of the same size.
        weights: λ, the approximation's first, then from the coarsest details to the finest: numbers in [0, 1], or a
            tensor (not checked for its range, differentiable). A single one mixes the pictures as they are.
        wavelet: a discrete wavelet of PyWavelets by name.
        mode: how pictures go on past their borders.
        transform: ``dwt`` is the report's, whose changed coefficients show the squares they stand for;
            ``stationary`` treats all pixels alike (``stationary_bands``).

    Returns:
        (B, C, H, W). All ones return the target, all zeros the source. It is not clipped.

    Raises:
        TypeError: a picture is not a floating point tensor.
        ValueError: wrong shapes, weights outside [0, 1], an unknown name, or more levels than the size allows.

    Example:
        >>> target, source = torch.tensor([[[[1.0, 3], [1, 3]]]]), torch.full((1, 1, 2, 2), 10.0)
        >>> merge_wavelets(target, source, (0, 1)).round(decimals=4)[0, 0]
        tensor([[ 9., 11.],
                [ 9., 11.]])
    """
    _check_pair(target, source, transform)
    if not isinstance(weights, Tensor):
        weights = check_weights(weights)
    if len(weights) == 1:
        return source + (target - source) * weights[0]
    if transform == "stationary":
        return source + weigh_stationary_bands(target - source, weights, wavelet, mode)
    pyramid = dwt2(target - source, wavelet, len(weights) - 1, mode)
    details = tuple((h * w, v * w, d * w) for (h, v, d), w in zip(pyramid.details, weights[1:]))
    weighed = Pyramid(pyramid.approximation * weights[0], details)
    return source + idwt2(weighed, wavelet, mode, size=(target.shape[-2], target.shape[-1]))


def splice_wavelets(
    target: Tensor,
    source: Tensor,
    mask: Tensor,
    weights: Sequence[float],
    wavelet: str = "haar",
    mode: Boundary = "symmetric",
    transform: Transform = "stationary",
) -> Tensor:
    r"""Set a region of the target into the source and merge the two in it (report, figure 15).

    .. math:: I = S + W^{-1}(\lambda_k \, m_k \, W_k(T - S))

    with :math:`m_k` the mask brought to the resolution of level k. So coarse levels pass the border of the region
    gently and fine ones sharply, as in Burt and Adelson, "A Multiresolution Spline With Application to Image Mosaics"
    (1983); merging a picture that was cut and pasted would keep the cut as one of its details.

    Args:
        target: T, (B, C, H, W).
        source: S, (B or 1, C, H, W), of the same size.
        mask: the region, (B or 1, 1, H, W), 1 inside.
        weights: as in ``merge_wavelets``.
        wavelet: a discrete wavelet of PyWavelets by name.
        mode: how pictures go on past their borders.
        transform: as in ``merge_wavelets``.

    Returns:
        (B, C, H, W), not clipped; a mask of ones gives ``merge_wavelets``, of zeros the source.

    Raises:
        TypeError: an argument is not a floating point tensor.
        ValueError: as ``merge_wavelets``.
    """
    _check_pair(target, source, transform)
    check_mask(mask, "mask", target, "target")
    weights = check_weights(weights)
    levels, gap = len(weights) - 1, target - source
    if levels == 0:
        return source + gap * mask * weights[0]
    if transform == "dwt":
        pyramid = dwt2(gap, wavelet, levels, mode)

        def weigh(x: Tensor, w: float) -> Tensor:
            return x * (w * F.interpolate(mask, (x.shape[-2], x.shape[-1]), mode="area"))

        details = tuple((weigh(h, w), weigh(v, w), weigh(d, w)) for (h, v, d), w in zip(pyramid.details, weights[1:]))
        weighed = Pyramid(weigh(pyramid.approximation, weights[0]), details)
        return source + idwt2(weighed, wavelet, mode, size=(target.shape[-2], target.shape[-1]))
    bands = stationary_bands(gap, wavelet, levels, mode)
    mask, *finer = stationary_bands(mask, wavelet, levels, mode)
    merged = source + bands[0] * mask * weights[0]
    for band, w, more in zip(bands[1:], weights[1:], finer):
        merged = merged + band * mask * w
        mask = mask + more
    return merged


def place_references(target: Tensor, references: tuple[Reference, ...]) -> Tensor:
    """The references resized to the target and averaged by their weights and masks; the target where no mask counts.

    Args:
        target: (B, 3, H, W).
        references: pictures of any size in the same space.

    Returns:
        (B, 3, H, W).
    """
    total_weight(references)
    size = (target.shape[-2], target.shape[-1])
    colors, shares = torch.zeros_like(target), torch.zeros_like(target[:, :1])
    for r in references:
        check_image(r.image, "reference", channels=3)
        check_batch(r.image, "reference", target)
        share = torch.full_like(r.image[:, :1], r.weight) if r.mask is None else r.mask * r.weight
        colors = colors + _resize(r.image * share, size)
        shares = shares + _resize(share.expand(r.image.shape[0], -1, -1, -1), size)
    # Bicubic resizing rings around masks: a share near 0 would blow its color up.
    covered = shares > 1e-3 * total_weight(references)
    return torch.where(covered, colors / torch.where(covered, shares, 1), target)


def _check_pair(target: Tensor, source: Tensor, transform: str) -> None:
    check_image(target, "target")
    check_image(source, "source", channels=target.shape[1])
    check_batch(source, "source", target, "target")
    check_same_size(source, "source", target, "target")
    check_choice(transform, "transform", ("dwt", "stationary"))


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(x.shape[-2:]) == size:
        return x
    return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)


class WaveletMerging(Recolorizer):
    """Take coarse colors from the reference at the same place of the picture, fine ones from the target.

    Meant for references with the layout of the target: another frame or view of a scene.

    Args:
        schedule: share of the target in each level, coarsest first: numbers in [0, 1], or ``hard:d`` (d components,
            the first 0, the rest 1), or ``linear:a,s`` (a + i s, at most 1).
        channels: what is merged: ``rgb``, all of Y, U and V, or ``uv`` alone, which leaves the target's luminance.
        match: color the target by histogram before merging: ``chroma`` (mean chroma of each luminance), ``rgb`` (the
            report's look-up table), ``yuv`` (RGB and then Y, U, V), or ``none``.
        transform: ``stationary`` treats all pixels alike; ``dwt`` is the report's and shows squares.
        wavelet: a discrete wavelet of PyWavelets by name, such as haar, db2, sym4 or bior2.2.
        boundary: how pictures go on past their borders.
        contrast: the most by which the target's local contrast is raised before merging; 1 leaves it.
        tiles: tiles of the contrast statistics along each side.
    """

    needs = ("reference",)
    bytes_per_pixel = 120
    # Of larger pictures the chroma is found at this size; luminance comes from the picture itself.
    largest_side: ClassVar[int | None] = 2048

    def __init__(
        self,
        schedule: str | list[float] = "linear:0.3,0.2",
        channels: Channels = "uv",
        match: Match = "chroma",
        transform: Transform = "stationary",
        wavelet: str = "haar",
        boundary: Boundary = "symmetric",
        contrast: float = 1.0,
        tiles: int = 8,
    ) -> None:
        super().__init__()
        check_choice(channels, "channels", ("rgb", "yuv", "uv"))
        check_choice(match, "match", ("none", "rgb", "yuv", "chroma"))
        check_choice(transform, "transform", ("dwt", "stationary"))
        check_boundary(boundary)
        filter_bank(wavelet)
        if isinstance(schedule, str):
            read_schedule(schedule)
        else:
            check_weights(schedule)
        if contrast < 1 or tiles < 1:
            raise ValueError(f"contrast must be 1 or more and tiles 1 or more, got {contrast} and {tiles}.")
        self.schedule, self.channels, self.match, self.transform = schedule, channels, match, transform
        self.wavelet, self.boundary, self.contrast, self.tiles = wavelet, boundary, contrast, tiles
        self.space = "rgb" if channels == "rgb" else "yuv"

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Merge ``image``, (B, 3, H, W) in ``space``, with the references; outside of ``target_mask`` it stays."""
        self.require(guide)
        check_image(image, "image", channels=3)
        target = self._match(self._amplify(image), guide)
        source = place_references(target, guide.references)
        weights = schedule_weights(self.schedule, (image.shape[-2], image.shape[-1]), self.wavelet)
        skip = 1 if self.channels == "uv" else 0
        merged = merge_wavelets(
            target[:, skip:], source[:, skip:], weights, self.wavelet, self.boundary, self.transform
        )
        merged = torch.cat((image[:, :skip], merged), 1)
        if self.keep_stages:
            self.stages |= {"matched": to_rgb(target, self.space), "source": to_rgb(source, self.space)}
        if guide.target_mask is None:
            return merged
        check_mask(guide.target_mask, "target_mask", image)
        return torch.lerp(image, merged, guide.target_mask)

    def _amplify(self, image: Tensor) -> Tensor:
        if self.contrast == 1:
            return image
        yuv = image if self.space == "yuv" else from_rgb(image, "yuv")
        y = amplify_contrast(yuv[:, :1], self.contrast, self.tiles)
        # In RGB the change of luminance is added to all three channels: chroma stays.
        return torch.cat((y, image[:, 1:]), 1) if self.space == "yuv" else image + (y - yuv[:, :1])

    def _match(self, image: Tensor, guide: Guide) -> Tensor:
        mask = guide.target_mask
        if self.match == "none":
            return image
        wanted = "yuv" if self.match == "chroma" else "rgb"
        picture = _change_space(image, self.space, wanted)
        references = tuple(replace(r, image=_change_space(r.image, self.space, wanted)) for r in guide.references)
        if self.match == "chroma":
            picture = transfer_chroma(picture, references, mask)
        elif self.match == "rgb":
            picture = match_histograms(picture, references, mask)
        else:
            picture = match_in_space(picture, references, "yuv", mask)
        return _change_space(picture, wanted, self.space)


def _change_space(image: Tensor, space: str, wanted: str) -> Tensor:
    return image if space == wanted else from_rgb(to_rgb(image, space), wanted)

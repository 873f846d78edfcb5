"""Asking a gallery for pictures."""

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recolor_torch.checks import check_image
from recolor_torch.color import rgb_to_luminance
from recolor_torch.errors import UsageError
from recolor_torch.features import VGG19, VggWeights, find_vgg19, layer_depth
from recolor_torch.gallery import index as indexes
from recolor_torch.gallery.descriptor import Descriptor, first_layers, scaled_luminance
from recolor_torch.gallery.encoder import encoders_of
from recolor_torch.gallery.header import GalleryDamaged, Header
from recolor_torch.gallery.raw import RawStore
from recolor_torch.gallery.store import State, open_state
from recolor_torch.gallery.table import Row
from recolor_torch.gallery.vectors import vector_chunks
from recolor_torch.gallery.whitening import to_vectors
from recolor_torch.gallery.words import Found, search_words
from recolor_torch.paths import as_path


@dataclass(frozen=True)
class Match:
    """A picture of the gallery that is like a query.

    Args:
        id: its number in its gallery, which stays.
        path: the file, absolute.
        score: cosine in [-1, 1], or, after ``rerank``, minus the distance; the higher, the more alike.
        mirrored: the query is more like the picture's mirror image.
        shard: which of several galleries it is from.
    """

    id: int
    path: Path
    score: float
    mirrored: bool
    shard: int = 0


class Gallery:
    """A gallery opened for reading, or several with the same features as one; the files are memory-mapped.

    A writer may change the gallery meanwhile: this one stays as it was when it was opened.

    Example:
        >>> gallery = Gallery.open("photos.gallery")  # doctest: +SKIP
        >>> gallery.query(image, k=3)[0][0].path  # doctest: +SKIP
        PosixPath('/photos/2019/beach.jpg')
    """

    def __init__(self, states: Sequence[State]) -> None:
        self.states = tuple(states)
        self._indexes = [_open_index(state) for state in states]
        self._descriptor: Descriptor | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> "Gallery":
        """Open the gallery in a folder, or those in several folders as one.

        Raises:
            UsageError: there is no gallery, it is damaged, holds no pictures yet, or several do not fit together.
        """
        names = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        if not names:
            raise UsageError("Name a gallery, or several; got none.")
        states = [open_state(as_path(name)) for name in names]
        for state in states:
            if not state.header.pictures:
                raise UsageError(
                    f"{state.folder} holds no pictures yet; go on with recolor gallery update {state.folder}."
                )
        first = states[0]
        for state in states[1:]:
            difference = first.header.spec.difference(state.header.spec)
            if difference:
                raise UsageError(
                    f"{state.folder} and {first.folder} cannot be searched as one: {difference}. Rebuild one with the "
                    f"settings of the other, as {rebuild_command(state)}"
                )
            if (state.whitening is None) != (first.whitening is None):
                raise UsageError(
                    f"{state.folder} and {first.folder} cannot be searched as one, because one has too few pictures "
                    "to be whitened; join them with recolor gallery merge."
                )
        return cls(states)

    @property
    def header(self) -> Header:
        """What the gallery is; of several, the first."""
        return self.states[0].header

    def __len__(self) -> int:
        return sum(state.header.pictures for state in self.states)

    def query(
        self,
        images: Tensor | Sequence[Tensor],
        k: int = 5,
        vgg: VggWeights | None = None,
        words: str | None = None,
    ) -> list[list[Match]]:
        """The ``k`` pictures that are most like each query, the best first; ties by id.

        Args:
            images: sRGB in [0, 1], (B, 3, H, W), or a sequence of (3, H, W) or (1, 3, H, W) of any sizes. Color is
                not looked at.
            k: how many; fewer where the gallery is smaller.
            vgg: weights of VGG-19; found by ``find_vgg19`` where there are none.
            words: of the pictures that these words fit alone, see ``search_words``.

        Raises:
            ValueError: a shape is wrong, or k is below 1.
            UsageError: the weights are not those that the gallery was made with.
            WeightsMissing: there are none.
        """
        if k < 1:
            raise ValueError(f"k must be 1 or more, got {k}.")
        batches = _as_batches(images)
        descriptor = self._describe_with(vgg)
        with torch.inference_mode():
            raw = [descriptor.to(x.device)(scaled_luminance(x.float(), self.header.spec.side)).cpu() for x in batches]
        return self.query_raw(torch.cat(raw).numpy(), k, words) if raw else []

    def query_raw(self, raw: np.ndarray, k: int = 5, words: str | None = None) -> list[list[Match]]:
        """As ``query``, of raw descriptors, (Q, D)."""
        if words is not None:
            return self._query_among(raw, k, self.find_words(words))
        found: list[list[Match]] = [[] for _ in range(len(raw))]
        for shard, (state, index) in enumerate(zip(self.states, self._indexes)):
            queries = to_vectors(raw, state.whitening)
            for matches, new in zip(found, self._search(shard, state, index, queries, k)):
                matches.extend(new)
        return [_best(matches, k) for matches in found]

    def find_words(self, words: str) -> list[Found]:
        """The pictures of each gallery whose names, captions or keywords have the words, the best first.

        Raises:
            UsageError: there are no words in ``words``, or none of them is in any gallery.
        """
        found = []
        for state in self.states:
            entry = state.header.words
            path = None if entry is None else state.folder / entry.name
            found.append(search_words(path, state.table, words))
        if not any(f.ids for f in found):
            raise UsageError(f"No picture of the gallery has {words!r} in its name, caption or keywords.")
        # Where one gallery has pictures with all the words, those of the others that have some do not count.
        most = min(len(f.missing) for f in found if f.ids and f.all) if any(f.ids and f.all for f in found) else None
        kept = [f if most is None or (f.all and len(f.missing) == most) else replace(f, ids=()) for f in found]
        return kept

    def named(self, words: str, k: int = 5) -> list[Match]:
        """The ``k`` pictures that the words fit best; the score is 1, 1/2, 1/3 and so on."""
        matches = []
        for shard, (state, found) in enumerate(zip(self.states, self.find_words(words))):
            for place, picture in enumerate(found.ids[:k]):
                matches.append(Match(picture, self._path(state, picture), 1 / (1 + place), False, shard))
        return _best(matches, k)

    def rerank(
        self,
        images: Tensor | Sequence[Tensor],
        matches: Sequence[Sequence[Match]],
        read: Callable[[Path], Tensor],
        vgg: VggWeights | None = None,
        layer: str = "conv_5",
        side: int = 160,
    ) -> list[list[Match]]:
        r"""Order matches by the report's rule, :math:`\arg\min_X \|F^l(X) - F^l(T)\|_F`.

        Both pictures are luminance, squeezed to ``side`` x ``side`` pixels, so that features lie over each other;
        of a picture and its mirror image the nearer one counts (where the gallery has mirrored copies).

        Args:
            images: the queries, as for ``query``.
            matches: what ``query`` found for each.
            read: gives the sRGB picture of a path, (1, 3, H, W). Pictures that it raises ``OSError`` for are left out.
            vgg: as for ``query``; it may be deeper than the gallery's.
            layer: l.
            side: the fixed size.

        Returns:
            The same matches, the nearest first; ``score`` is minus the root mean squared difference of features.
        """
        weights = _weights_of(vgg, layer_depth(layer))
        network = VGG19(weights, [layer], self.header.spec.network_pooling)
        ranked = []
        with torch.inference_mode():
            for image, found in zip(_as_batches(images), matches, strict=True):
                network = network.to(image.device)
                target = network(_squeeze(image.float(), side))[layer]
                nearer = []
                for match in found:
                    try:
                        picture = _squeeze(read(match.path).to(image.device, torch.float32), side)
                    except OSError:
                        continue
                    copies = torch.cat((picture, picture.flip(-1)) if self.header.spec.mirrored else (picture,))
                    distance = (network(copies)[layer] - target).square().mean((1, 2, 3)).sqrt()
                    nearest = int(distance.argmin())
                    nearer.append(replace(match, score=-float(distance[nearest]), mirrored=nearest == 1))
                ranked.append(_best(nearer, len(nearer)))
        return ranked

    def _describe_with(self, vgg: VggWeights | None) -> Descriptor:
        if self._descriptor is not None and vgg is None:
            return self._descriptor
        weights = _weights_of(vgg, self.header.spec.depth)
        try:
            self._descriptor = Descriptor(weights, self.header.spec)
        except ValueError as error:
            raise UsageError(
                f"{self.states[0].folder} cannot be asked with these weights: {error} To use these, rebuild it: "
                f"{rebuild_command(self.states[0])}"
            ) from error
        return self._descriptor

    def _search(self, shard: int, state: State, index: Any, queries: np.ndarray, k: int) -> list[list[Match]]:
        """For each query the ``k`` best pictures of one shard, and all that tie with the last of them."""
        copies, total = state.header.spec.copies, index.ntotal
        done: list[list[Match]] = [[] for _ in range(len(queries))]
        open_, count = np.arange(len(queries)), copies * k + 1
        while len(open_):
            scores, labels = indexes.search(index, queries[open_], count)
            again = []
            for query, s, found in zip(open_, scores, labels):
                best: dict[int, tuple[float, bool]] = {}
                for score, label in zip(s[found >= 0].tolist(), found[found >= 0].tolist()):
                    best.setdefault(label // 2, (score, bool(label % 2)))
                ordered = sorted(((score, i, m) for i, (score, m) in best.items()), key=lambda x: (-x[0], x[1]))
                # More may be needed where all that was found is of few pictures, or ties with the last that is wanted.
                full = len(found) and found[-1] >= 0 and count < total
                if full and (len(ordered) < k or s[-1] >= ordered[k - 1][0]):
                    again.append(query)
                    continue
                done[query] = [
                    Match(i, self._path(state, i), score, mirrored, shard) for score, i, mirrored in ordered[:k]
                ]
            open_, count = np.array(again, np.int64), 4 * count
        return done

    def _query_among(self, raw: np.ndarray, k: int, among: Sequence[Found]) -> list[list[Match]]:
        """As ``query_raw``, comparing with some pictures alone, each of them."""
        found: list[list[Match]] = [[] for _ in range(len(raw))]
        for shard, (state, few) in enumerate(zip(self.states, among)):
            rows = [state.table[state.table.position(i)] for i in few.ids]
            queries = to_vectors(raw, state.whitening)
            store = RawStore(state.folder, state.header.raw)
            start = 0
            for vectors, labels in vector_chunks(rows, store, state.whitening):
                copies = state.header.spec.copies
                scores = (queries @ vectors.T).reshape(len(raw), -1, copies)
                inside = rows[start : start + len(labels) // copies]
                start += len(inside)
                for matches, best, which in zip(found, scores.max(2), scores.argmax(2)):
                    for j in np.argsort(-best, kind="stable")[:k]:
                        row, path = inside[j], absolute(state.folder, inside[j].path)
                        matches.append(Match(row.id, path, float(best[j]), bool(which[j]), shard))
        return [_best(matches, k) for matches in found]

    def _path(self, state: State, picture: int) -> Path:
        try:
            row: Row = state.table[state.table.position(picture)]
        except KeyError as error:
            raise GalleryDamaged(
                f"{state.folder}: the index and the table disagree; the gallery is damaged."
            ) from error
        return absolute(state.folder, row.path)


def rebuild_command(state: State) -> str:
    """What makes a gallery anew, from what it was made of."""
    sources = (str(absolute(state.folder, source)) for source in state.header.sources)
    layers = state.header.spec.layers
    chosen = ["--layers", ",".join(layers)] if "imagenet" in encoders_of(layers) else []
    return shlex.join(["recolor", "gallery", "build", str(state.folder), *sources, *chosen, "--overwrite"])


def absolute(folder: Path, path: str) -> Path:
    """A path of the table, which is relative to the gallery's folder, as an absolute one."""
    return Path(os.path.abspath(folder / path))


def relative(folder: Path, path: str | os.PathLike[str]) -> str:
    """A path as the table has it: relative to the gallery's folder, so that both may be moved together."""
    try:
        return Path(os.path.relpath(os.path.abspath(path), os.path.abspath(folder))).as_posix()
    except ValueError:  # another drive
        return Path(os.path.abspath(path)).as_posix()


def _open_index(state: State) -> Any:
    assert state.header.index is not None
    path = state.folder / state.header.index.name
    index = indexes.read_index(path)
    indexes.set_nprobe(index, state.header.nprobe)
    return index


def _weights_of(vgg: VggWeights | None, depth: int) -> VggWeights:
    weights = find_vgg19(depth=depth) if vgg is None else vgg
    return first_layers(weights, min(depth, weights.depth))


def _as_batches(images: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Each query as (1, 3, H, W)."""
    items = list(images) if not isinstance(images, Tensor) or images.ndim == 4 else [images]
    batches = [x[None] if isinstance(x, Tensor) and x.ndim == 3 else x for x in items]
    for x in batches:
        check_image(x, "images", channels=3)
    return batches


def _squeeze(image: Tensor, side: int) -> Tensor:
    y = rgb_to_luminance(image)
    return F.interpolate(y, (side, side), mode="bicubic", antialias=True).clamp(0, 1).expand(-1, 3, -1, -1)


def _best(matches: list[Match], k: int) -> list[Match]:
    """The best by score, ties by shard and id; a picture that is in several shards counts once."""
    best: dict[Path, Match] = {}
    for match in sorted(matches, key=lambda m: (-m.score, m.shard, m.id)):
        best.setdefault(match.path, match)
    return list(best.values())[:k]

"""Color clips from their own luminance; measure the error by distance from what was given, and flicker.

Each clip is colored with nothing, with hints (patches of true color) on two frames, and with one, two and five of its
own frames in color as references. Compared ways:

    film            what `recolor colorize clip.mp4` does: sources joined over time
    frame by frame  each frame by itself: the network, with the hints of hinted frames; or correspondence where
                    references are given
    sequence        Levin propagation along the motion alone (`methods.levin.sequence`), from the same hints, or from
                    the references as hints on all of their pixels

Error is the mean CIEDE2000 against the truth, over the first ten frames after the nearest given frame, and around 10,
50 and 100 frames from it. Flicker is the mean change of chroma along the motion between two frames, as a share of the
truth's own; motion is estimated on the luminance, and pixels where it cannot be believed are left out. The slow ways
are measured on every tenth frame and the one after it, and all ways are measured on these.

    python -m scripts.evaluations.eval_film ../shared/data/film/carphone.mp4 [--photo PICTURE]... [--side 192]

With --text, films are colored by these words, with --clothing, old films (grain, light that changes) that are made by
moving a window over held-out clothing pictures, each with the name of its largest garment and a color that it does not
have. Columns: the share of frames on which the mean hue in the named region is within 30 degrees of the word's; the
mean change of a and b by the words, in the region and outside; and flicker as above, of the words' result and of that
without, in the region and in all. The region is the true one, or for films where the finder sees it in that very frame.

    python -m scripts.evaluations.eval_film FILM --text "red dress" [--given 1]
    python -m scripts.evaluations.eval_film --clothing photographs/train [--tune] [--limit 12]
"""

import argparse
import math
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color import fit_gamut, rgb_to_lab, rgb_to_luminance, rgb_to_yuv
from recolor_torch.color.difference import ciede2000
from recolor_torch.film import probe_film, read_frames
from recolor_torch.film.joining import ShotColors, relate
from recolor_torch.film.planes import planes_to_chroma
from recolor_torch.film.sources import GivenFrames, Sources
from recolor_torch.filters.motion import warp
from recolor_torch.methods import Correspondence, Guide, LevinColorization, NetworkColorization, Reference
from recolor_torch.methods.kriging import joined
from recolor_torch.methods.words import find_words
from recolor_torch.pictures import read_picture
from recolor_torch.resize import working_size
from recolor_torch.text_guidance.phrases import parse
from scripts.evaluations.eval_sequence import SIZE, layers, pan
from scripts.evaluations.eval_words import counter, tunes
from scripts.training.word_pictures import INDEX, clothing

EVERY, POINTS = 10, 30
# The side at which the command searches references.
SEARCH = Correspondence().side
# Ties below this are no motion to measure flicker along, in 1 / chroma².
SURE = 1e5
# Least share of a clothing picture that its garment has, which is one of these.
LEAST_GARMENT = 0.06
GARMENTS = ("dress", "coat", "jacket", "sweater", "shirt")


@dataclass
class Clip:
    """Luminance and true chroma, (T, 1, H, W) and (T, 2, H, W); and the side at which references are searched.

    Of words: the text, and the true region of its one thing, (T, 1, H, W).
    """

    name: str
    luminance: Tensor
    truth: Tensor
    search: int
    text: str | None = None
    region: Tensor | None = None

    @property
    def frames(self) -> int:
        return len(self.truth)

    def image(self, t: int) -> Tensor:
        """YUV of a frame, (1, 3, H, W)."""
        return torch.cat((self.luminance[t : t + 1], self.truth[t : t + 1]), 1)


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path, nargs="*", help="films in true colors")
    parser.add_argument("--photo", type=Path, action="append", default=[], help="a pan over a photograph; repeatable")
    parser.add_argument("--side", type=int, default=192, help="longer side of the frames")
    parser.add_argument("--search", type=int, default=SEARCH, help="longer side for the search of references")
    parser.add_argument("--frames", type=int, default=121, help="most frames of a clip")
    parser.add_argument("--given", default="nothing,hints,1,2,5", help="what is given, with commas")
    parser.add_argument("--ways", default="film,frame by frame,sequence")
    parser.add_argument("--text", help="words that films are colored by")
    parser.add_argument("--clothing", type=Path, help="folder of training pictures with their masks")
    parser.add_argument("--tune", action="store_true", help="clothing pictures that were trained on")
    parser.add_argument("--limit", type=int, default=12, help="of clothing pictures")
    args = parser.parse_args()
    if args.text or args.clothing:
        by_words(args)
        return
    clips = [read_clip(path, args.side, args.frames, args.search) for path in args.films]
    for i, path in enumerate(args.photo):
        picture = read_picture(path).image
        other = read_picture(args.photo[i - 1]).image
        moved = layers(picture, other, args.frames)[0] if i % 2 else pan(picture, args.frames)[0]
        yuv = rgb_to_yuv(moved)
        kind = "layers" if i % 2 else "pan"
        clips.append(Clip(f"{kind} {path.stem}", rgb_to_luminance(moved), yuv[:, 1:], args.search))
    sizes = f"frames of at most {args.side} pixels (pans {SIZE[1]} x {SIZE[0]}), searched at {args.search}"
    print(f"{sizes}; errors are mean CIEDE2000")
    heads = " ".join(f"{x:>6}" for x in ("1-10", "10", "50", "100", "all"))
    print(f"{'clip':22} {'given':8} {'way':15} {heads} {'flicker':>8} {'s':>5}")
    for clip in clips:
        for given in args.given.split(","):
            for way in args.ways.split(","):
                if way == "sequence" and given == "nothing":
                    continue
                start = time.process_time()
                found = WAYS[way](clip, given)
                row = measure(clip, found, given_frames(clip, given))
                numbers = " ".join(f"{x:6.2f}" if x == x else "     -" for x in row[:5])
                seconds = (time.process_time() - start) / max(len(found), 1)
                print(f"{clip.name:22} {given:8} {way:15} {numbers} {row[5]:8.2f} {seconds:5.2f}", flush=True)


def by_words(args: argparse.Namespace) -> None:
    """The table of colors by words."""
    clips = [replace(read_clip(path, args.side, args.frames, args.search), text=args.text) for path in args.films]
    clips += [] if args.clothing is None else clothing_clips(args)
    given = "nothing" if "," in args.given else args.given
    heads = " ".join(f"{x:>8}" for x in ("hue", "inside", "outside", "flicker", "without", "all", "without"))
    print(f"{'clip':24} {'text':20} {'way':15} {heads}")
    rows: dict[str, list[Tensor]] = {}
    for clip in clips:
        for way in [way for way in args.ways.split(",") if way != "sequence"]:
            found, plain = (WAYS[way](c, given) for c in (clip, replace(clip, text=None)))
            row = measure_words(clip, found, plain)
            rows.setdefault(way, []).append(row)
            print(f"{clip.name:24} {clip.text:20} {way:15} {' '.join(f'{x:8.2f}' for x in row.tolist())}", flush=True)
    for way, all_rows in rows.items():
        mean = torch.stack(all_rows).nanmean(0).tolist()
        print(f"{'mean':24} {'':20} {way:15} {' '.join(f'{x:8.2f}' for x in mean)}")


def clothing_clips(args: argparse.Namespace) -> list[Clip]:
    """Windows that move over clothing pictures, with the grain and the changing light of old films."""
    clips: list[Clip] = []
    for picture in clothing(args.clothing):
        if len(clips) == args.limit:
            break
        if not (tunes(picture) if args.tune else picture.held_out):
            continue
        garments = {t: float((picture.labels == INDEX[t]).mean()) for t in GARMENTS}
        thing = max(garments, key=lambda t: garments[t])
        if garments[thing] < LEAST_GARMENT:
            continue
        image = torch.from_numpy(picture.pixels.copy()).permute(2, 0, 1)[None].float() / 255
        mask = torch.from_numpy(picture.labels == INDEX[thing])[None, None].float()
        word = counter(rgb_to_lab(image)[0][:, mask[0, 0] > 0].mean(1).numpy(), picture.name + thing)
        moved = moving_window(torch.cat((image, mask), 1), args.side, args.frames)
        luminance, region = old(rgb_to_luminance(moved[:, :3])), (moved[:, 3:] > 0.5).float()
        truth = rgb_to_yuv(moved[:, :3])[:, 1:]
        clips.append(Clip(Path(picture.name).stem, luminance, truth, args.search, f"{word} {thing}", region))
    return clips


def moving_window(picture: Tensor, side: int, frames: int) -> Tensor:
    """A window of 0.8 of a picture that goes around in it and comes nearer, (T, C, h, w)."""
    size = working_size(round(0.8 * picture.shape[-2]), round(0.8 * picture.shape[-1]), side)
    y, x = (torch.linspace(-1, 1, n) for n in size)
    views = []
    for t in range(frames):
        scale, turn = 0.8 - 0.1 * t / frames, torch.tensor(2 * torch.pi * t / 60)
        ys, xs = y * scale + 0.15 * turn.sin(), x * scale + 0.15 * turn.cos()
        grid = torch.stack((xs.expand(len(ys), -1), ys[:, None].expand(-1, len(xs))), -1)[None]
        views.append(F.grid_sample(picture, grid, mode="bilinear", padding_mode="reflection", align_corners=False))
    return torch.cat(views)


def old(luminance: Tensor) -> Tensor:
    """A clip with grain (3 % of white) and light that changes by 4 % from frame to frame."""
    generator = torch.Generator().manual_seed(0)
    light = 1 + 0.04 * torch.randn(len(luminance), 1, 1, 1, generator=generator)
    return (luminance * light + 0.03 * torch.randn(luminance.shape, generator=generator)).clamp(0, 1)


def measure_words(clip: Clip, found: dict[int, Tensor], plain: dict[int, Tensor]) -> Tensor:
    """The columns of ``by_words``."""
    assert clip.text is not None
    (phrase,) = parse(clip.text).phrases
    wanted = math.atan2(phrase.color[2], phrase.color[1])
    regions, hits, inside, outside = {}, [], [], []
    for t in measured(clip):
        here = clip.luminance[t : t + 1]
        region = find_words(here, clip.text).shares.sum(1) > 0.5 if clip.region is None else clip.region[t] > 0.5
        regions[t] = region = region.reshape(here.shape[-2:])
        colored, before = (rgb_to_lab(fit_gamut(here, c[t]))[0, 1:] for c in (found, plain))
        change = (colored - before).norm(dim=0)
        outside.append(float(change[~region].mean()))
        if int(region.sum()) > 20:
            a, b = colored[:, region].mean(1).tolist()
            away = math.degrees(math.atan2(b, a) - wanted)
            hits.append(float(abs((away + 180) % 360 - 180) <= 30))
            inside.append(float(change[region].mean()))
    columns = [sum(x) / len(x) if x else float("nan") for x in (hits, inside, outside)]
    for where in (regions, {t: torch.ones_like(r) for t, r in regions.items()}):
        columns += [flicker(clip, result, where) for result in (found, plain)]
    return torch.tensor(columns)


def flicker(clip: Clip, found: dict[int, Tensor], where: dict[int, Tensor]) -> float:
    """Mean change of chroma along the motion between two frames, as a share of the truth's on all of the frame."""
    change = torch.zeros(2, 2)
    for t in [t for t in measured(clip) if t + 1 in found and t % EVERY == 0]:
        flow, _, tie, _ = relate(clip.luminance[t + 1 : t + 2], clip.luminance[t : t + 1])
        sure = (tie > SURE).float()
        for i, (a, b, inside) in enumerate(
            (
                (found[t], found[t + 1], sure * where[t + 1]),
                (clip.truth[t : t + 1], clip.truth[t + 1 : t + 2], sure),
            )
        ):
            change[i] += torch.stack((((b - warp(a, flow)[0]).abs() * inside).sum(), inside.sum()))
    mean = change[:, 0] / change[:, 1]
    return float(mean[0] / mean[1])


def read_clip(path: Path, side: int, most: int, search: int) -> Clip:
    """The first frames of a film, small."""
    info = probe_film(path)
    size = working_size(*info.upright, side)
    luminance, truth = [], []
    for frame in read_frames(info):
        if len(truth) == most:
            break
        luminance.append(frame.luminance(info, size))
        truth.append(planes_to_chroma(frame.planes, info, size))
    return Clip(path.stem, torch.cat(luminance), torch.cat(truth), search)


def given_frames(clip: Clip, given: str) -> list[int]:
    """Frames with colors: for hints the first and the middle; references spread over the clip, from the first."""
    if given == "nothing":
        return []
    if given == "hints":
        return [0, clip.frames // 2]
    count = int(given)
    return [round(i * (clip.frames - 1) / max(count - 1, 1)) for i in range(count)]


def draw_hints(clip: Clip, frames: list[int]) -> Tensor:
    """Masks of patches of 4 x 4 pixels, (T, 1, H, W)."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros_like(clip.luminance)
    for t in frames:
        for _ in range(POINTS):
            y, x = (int(torch.randint(0, n - 4, (1,), generator=generator)) for n in mask.shape[-2:])
            mask[t, :, y : y + 4, x : x + 4] = 1
    return mask


def measured(clip: Clip) -> list[int]:
    """Every tenth frame and the one after it."""
    return sorted({t + d for t in range(0, clip.frames - 1, EVERY) for d in (0, 1)})


def by_film(clip: Clip, given: str) -> dict[int, Tensor]:
    """The sources joined over time."""
    frames, hinted = given_frames(clip, given), given == "hints"
    references = () if hinted else tuple(Reference(clip.image(t)) for t in frames[:3])
    if given == "5":
        references = tuple(Reference(clip.image(frames[i])) for i in (0, 2, 4))
    sources = Sources(NetworkColorization(), Correspondence(side=clip.search) if references else None, text=clip.text)
    mask = draw_hints(clip, frames) if hinted else torch.ones_like(clip.luminance)
    own = {t: GivenFrames(clip.truth[t : t + 1], mask[t : t + 1], not hinted) for t in frames}
    size = (clip.truth.shape[-2], clip.truth.shape[-1])
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        names = sources.names(bool(references), bool(frames))
        lacks = (sources.lacking(clip.luminance[t : t + 1], given) for t, given in own.items())
        lacking = joined([found for found in lacks if found is not None])
        with ShotColors(Path(folder), size, names) as colors:
            for t in range(clip.frames):
                here = clip.luminance[t : t + 1]
                last = t == clip.frames - 1
                colors.forward(here, sources.say(t, here, references, own.get(t), last, lacking))
            for _ in colors.backward():
                pass
            return {t: colors.get(t) for t in range(clip.frames)}


def frame_by_frame(clip: Clip, given: str) -> dict[int, Tensor]:
    """Each frame by itself."""
    frames, found = given_frames(clip, given), {}
    mask = draw_hints(clip, frames)
    network, match = NetworkColorization(), Correspondence(side=clip.search)
    references = () if given == "hints" else tuple(Reference(clip.image(t)) for t in frames)
    for t in measured(clip):
        hints = mask[t : t + 1] if given == "hints" and t in frames else None
        guide = Guide(references, hints=None if hints is None else clip.image(t), hint_mask=hints, text=clip.text)
        with torch.no_grad():
            here = clip.luminance[t : t + 1]
            # Correspondence keeps a target's own color where it knows no better: the true color may not be in sight.
            gray = torch.cat((here, torch.zeros_like(here).expand(-1, 2, -1, -1)), 1)
            found[t] = (match if references else network)(gray, guide)[:, 1:]
    return found


def by_sequence(clip: Clip, given: str) -> dict[int, Tensor]:
    """Levin propagation along the motion, in windows of 16 frames."""
    frames = given_frames(clip, given)
    mask = draw_hints(clip, frames)
    if given != "hints":
        mask[frames] = 1
    method, found = LevinColorization(sequence=True), []
    image = torch.cat((clip.luminance, clip.truth), 1)
    with torch.no_grad():
        for t in range(0, clip.frames, 16):
            guide = Guide(hints=image[t : t + 16], hint_mask=mask[t : t + 16])
            found.append(method(image[t : t + 16], guide)[:, 1:])
    return dict(enumerate(torch.cat(found).split(1)))


WAYS = {"film": by_film, "frame by frame": frame_by_frame, "sequence": by_sequence}


def measure(clip: Clip, found: dict[int, Tensor], given: list[int]) -> list[float]:
    """Errors near, at 10, 50, 100 frames and over all, and flicker as a share of the truth's."""
    errors: dict[int, list[float]] = {}
    for t in measured(clip):
        here = clip.luminance[t : t + 1]
        pictures = [rgb_to_lab(fit_gamut(here, c)) for c in (found[t], clip.truth[t : t + 1])]
        distance = min((abs(t - g) for g in given), default=t)
        errors.setdefault(distance, []).append(float(ciede2000(*pictures).mean()))

    def mean(low: int, high: int) -> float:
        inside = [e for d, es in errors.items() if low <= d <= high for e in es]
        return sum(inside) / len(inside) if inside else float("nan")

    change = torch.zeros(2)
    for t in measured(clip):
        if t + 1 not in found or t % EVERY:
            continue
        flow, _, tie, _ = relate(clip.luminance[t + 1 : t + 2], clip.luminance[t : t + 1])
        sure = (tie > SURE).float()
        for i, (a, b) in enumerate(((found[t], found[t + 1]), (clip.truth[t : t + 1], clip.truth[t + 1 : t + 2]))):
            change[i] += ((b - warp(a, flow)[0]).abs() * sure).sum()
    return [mean(1, 11), mean(9, 11), mean(49, 51), mean(99, 101), mean(0, 10**6), float(change[0] / change[1])]


if __name__ == "__main__":
    main()

"""The one door to films for the rest of the package: a film file in, the film in color out."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from recolor_torch import __version__
from recolor_torch.files import file_hash
from recolor_torch.film.coloring import FilmReport, color_film, seconds_a_frame
from recolor_torch.film.encoding import FRAMES, Encoding, choose_encoding
from recolor_torch.film.guidance import FilmGuidance
from recolor_torch.film.meter import Progress
from recolor_torch.film.numbered import fit_pictures, frames_of, input_hash, probe_pictures
from recolor_torch.film.opening import FilmError, show
from recolor_torch.film.probing import FilmInfo, probe_film
from recolor_torch.film.scan import FilmScan, load_scan, save_scan, scan_film
from recolor_torch.film.settings import FilmSettings
from recolor_torch.film.sinks import FilmSink, FrameSink, Sink
from recolor_torch.film.sources import Sources
from recolor_torch.film.work_folder import WorkFolder
from recolor_torch.resize import working_size

# How often all frames are read: for the shots, for their colors, and to be written.
READINGS = 3


@dataclass(frozen=True)
class FilmPlan:
    """What coloring a film will take, said before it starts.

    Args:
        info: of the film.
        encoding: of the output.
        scan: its frames and shots.
        working_size: (height, width).
        memory: bytes, about.
        disk: bytes for what comes and goes beside the output, about.
        seconds: that the work takes here, about; 0 where it was not tried.
    """

    info: FilmInfo
    encoding: Encoding
    scan: FilmScan
    working_size: tuple[int, int]
    memory: int
    disk: int
    seconds: float = 0.0


def plan_film(
    path: Path,
    output: Path,
    sources: Sources,
    guidance: FilmGuidance,
    settings: FilmSettings,
    pictures: tuple[Path, ...] = (),
) -> FilmPlan:
    """Look through a film once, and try how long a frame takes; arguments as of ``colorize_film``.

    Raises:
        FilmError: it cannot be read.
        UsageError: the settings do not go together.
    """
    info, encoding = _probe(path, output, settings, pictures)
    start = time.perf_counter()
    scan = scan_film(info, guidance.shots)
    reading = READINGS * (time.perf_counter() - start)
    plan = _plan(info, encoding, scan, settings)
    references = bool(guidance.references) or guidance.find is not None
    coloring = len(plan.scan.times) * seconds_a_frame(sources, plan.working_size, references)
    return replace(plan, seconds=coloring + reading)


def _probe(path: Path, output: Path, settings: FilmSettings, pictures: tuple[Path, ...]) -> tuple[FilmInfo, Encoding]:
    """The film as it is written, and how."""
    if not pictures:
        info = probe_film(path)
        return info, choose_encoding(info, output, settings.codec, settings.quality)
    info = probe_pictures(path, pictures, settings.frame_rate, settings.strength < 1)
    if settings.rate is None:
        note = f"{info.rate} frames a second were taken, as none were given (--film.rate)."
        info = replace(info, notes=(note, *info.notes))
    return fit_pictures(info, output, settings.codec, settings.quality)


def _plan(info: FilmInfo, encoding: Encoding, scan: FilmScan, settings: FilmSettings) -> FilmPlan:
    size = working_size(*info.upright, settings.side)
    pixels, work = info.width * info.height, size[0] * size[1]
    longest = min(400, max((len(s) for s in scan.shots), default=1))
    # The interpreter with torch and the network, frames in the decoder and encoder, and the solve.
    # Pictures are read as floats (measured at 6 megapixels: 87 bytes a pixel, 123 where FFV1 is of 16 bits).
    full = 60 if not info.pictures else 90 if info.depth < 16 else 125
    memory = 600_000_000 + full * pixels + 1200 * work
    # Records of a part at half precision, of all sources; encoded frames at about half a bit a pixel, lossless ones at
    # about 6 bits where they have 8.
    disk = longest * work * 76 + len(scan.times) * pixels * (info.depth - 2 if encoding.lossless else 1) // 8
    return FilmPlan(info, encoding, scan, size, memory, disk)


def colorize_film(
    path: Path,
    output: Path,
    sources: Sources,
    guidance: FilmGuidance,
    settings: FilmSettings,
    *,
    pictures: tuple[Path, ...] = (),
    key: str = "",
    device: torch.device | str = "cpu",
    on_plan: Callable[[FilmPlan], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[FilmReport, dict[str, Any]]:
    """Color a film file; the output appears when it is whole, and a run that was stopped goes on where it was.

    Args:
        path: the film, or the folder of ``pictures``.
        output: .mp4, .mov, .mkv or .webm, or a folder of pictures.
        sources: who says something of the colors.
        guidance: references, hints, shots.
        settings: of reading and writing.
        pictures: the frames in order, where the film is no file.
        key: hash of all else that the result depends on, so that parts of another run are not taken up.
        device: for the work.
        on_plan: called when the film was looked through.
        on_progress: called with each step of a frame.

    Returns:
        What was done, and facts for the run record.

    Raises:
        FilmError: the film cannot be read or written.
        PictureError: a reference or hints cannot be read.
        UsageError: the settings or the guidance do not fit.
    """
    info, encoding = _probe(path, output, settings, pictures)
    hashes = [file_hash(f) for name in guidance.files() for f in (sorted(name.iterdir()) if name.is_dir() else [name])]
    film_hash = input_hash(path, pictures)
    facts_key = (key, film_hash, settings.recipe(), encoding, guidance.first_number, hashes, __version__)
    parts_key = hashlib.sha256(repr(facts_key).encode()).hexdigest()
    try:
        with WorkFolder(output, parts_key) as folder:
            scan = load_scan(folder / "scan.pt") or scan_film(info, guidance.shots)
            save_scan(folder / "scan.pt", scan)
            if on_plan is not None:
                on_plan(_plan(info, encoding, scan, settings))
            report = color_film(
                frames_of(info, len(scan.times)),
                scan.shots,
                sources,
                guidance,
                _sink(info, encoding, folder, output, settings),
                folder,
                side=settings.side,
                device=device,
                processes=settings.processes,
                on_progress=on_progress,
            )
    except OSError as error:
        raise FilmError(f"{show(output)}: cannot be written ({error.strerror or error}).") from error
    report.notes[:0] = [*info.notes, *encoding.notes]
    facts = {
        "frames": report.frames,
        "rate": str(info.rate),
        **({"first_frame": pictures[0].name, "last_frame": pictures[-1].name} if pictures else {}),
        "shots": [{"first": s.start, "last": s.end - 1, "begins": s.begins} for s in scan.shots],
        "parts": report.shots,
        "codec": encoding.codec,
        "pixel_format": encoding.format,
        "matrix": info.matrix_name,
        "full_range": info.full_range,
        "working_size": working_size(*info.upright, settings.side),
        "seconds_by_step": report.seconds,
        "notes": report.notes,
    }
    return report, facts


def _sink(info: FilmInfo, encoding: Encoding, folder: Path, output: Path, settings: FilmSettings) -> Sink:
    if encoding.container == FRAMES:
        return FrameSink(info, folder, output, settings.strength, settings.first_number)
    return FilmSink(info, encoding, folder, output, settings.strength)

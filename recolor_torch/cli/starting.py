"""From the flags of ``recolor colorize`` to a method and a device."""

import sys
import time
from inspect import signature
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from recolor_torch.cli.colorize import make_parser, refuse_other_settings
from recolor_torch.cli.config import defaults_from_config
from recolor_torch.cli.devices import lightning_device
from recolor_torch.cli.terminal import clear_start
from recolor_torch.errors import UsageError
from recolor_torch.film.settings import FILM_SUFFIXES
from recolor_torch.methods import METHODS, Recolorizer, build_method, choose_method, find_method, name_of
from recolor_torch.paths import as_path, is_file, is_folder, show_path
from recolor_torch.pictures.folders import natural_key
from recolor_torch.run.description import Guidance, Targets
from recolor_torch.run.film_targets import common_folder, split_films
from recolor_torch.run.linked import holds_links
from recolor_torch.run.planning import find_targets_of
from recolor_torch.run.targets import read_pairs


def color(args: Namespace, argv: list[str], start: float) -> int:
    """What ``recolor colorize`` does once its flags are read; returns the exit code."""
    trainer_settings = _take_config(args, argv)
    references, hints = _kinds_given(args)
    name = name_of(_find(args.method)) if args.method else choose_method(references, hints)
    refuse_other_settings(argv, name)
    device = lightning_device(args.device)

    args.targets, films = split_films(args.targets, as_path(args.output))
    pictures = _frames_of_a_film(args, films)
    single = len(films) == 1 and not args.targets and not args.list and Path(films[0][0]).name == films[0][1].name
    if pictures:
        films, single = [(common_folder(pictures), Path(as_path(args.output).name))], True
        args.targets, args.list = [], None
    method = _build(name, args)
    try:
        method.require_kinds(references, hints)
        method.require_text(args.text)
        method.expect(references, hints)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if not args.quiet:
        _say_unread(name, args)
    code = _color_films(films, method, args, device, single, start, pictures) if films else 0
    if films and not (args.targets or args.list or args.pairs):
        return code
    from recolor_torch.cli.running import colorize

    return code if code == 130 else max(code, colorize(method, args, device, trainer_settings, start))


def _frames_of_a_film(args: Namespace, films: list[tuple[Path, Path]]) -> tuple[Path, ...]:
    """The frames in order, where several pictures go to a file that is called like a film; else none."""
    output = as_path(args.output)
    named = output.suffix.lower() in FILM_SUFFIXES and not args.output.endswith(("/", "\\")) and not is_folder(output)
    several = len(args.targets) > 1 or args.list or args.sequence or not all(map(is_file, map(as_path, args.targets)))
    if not (named and several and (args.targets or args.list)):
        if args.film.rate is not None and not (films or args.sequence):
            raise UsageError("--film.rate is for pictures that become a film: name it, as -o film.mkv.")
        return ()
    films = [film for film in films if film[0].absolute() != output.absolute()]  # what an earlier run has made
    if films:
        raise UsageError(f"{show_path(output)} would be a film of pictures, and {show_path(films[0][0])} is a film.")
    names = tuple(args.targets)
    if len(names) > 1 and all(map(is_file, map(as_path, names))):  # the shell puts frame_10 before frame_2
        names = tuple(sorted(names, key=lambda name: natural_key(Path(name))))
    hints = Guidance(hints=None if args.hints is None else as_path(args.hints))
    found, closed = find_targets_of(Targets(names, args.list and as_path(args.list)), hints, output)
    if closed:
        raise UsageError(f"{show_path(closed[0])}: no permission to look into this folder.")
    return tuple(target.path for target in found)


def _say_unread(name: str, args: Namespace) -> None:
    """What was given and the method does not read is said: the result is no answer to it."""
    cls = METHODS.get(name)
    if cls is None:  # one's own: what it reads is not known
        return
    given = {"references": bool(args.reference or args.gallery), "hints": bool(args.hints)}
    reads = {"references": "reference" in cls.needs, "hints": "reference" not in cls.needs or cls.follows_links}
    for kind in (kind for kind, there in given.items() if there and not reads[kind]):
        others = sorted(other for other, c in METHODS.items() if set(c.needs) & {kind.removesuffix("s"), kind})
        sys.stderr.write(f"{name} does not read {kind}: they are left out. {', '.join(others)} need them.\n")


def own_method(name: str) -> dict[str, type[Recolorizer]]:
    """A method of the user's, by the name under which its settings are flags.

    Raises:
        UsageError: there is no such class.
    """
    cls = _find(name)
    return {name_of(cls): cls}


def _take_config(args: Namespace, argv: list[str]) -> dict[str, Any]:
    """Take a config's values as the defaults of the flags; returns its settings of the Trainer."""
    if not args.config:
        return {}
    defaults, trainer_settings = defaults_from_config(Path(args.config))
    method = defaults.get("method", "")
    parser = make_parser(own_method(method) if "." in method else None)
    parser.set_defaults(defaults)
    again = parser.parse_args(argv)
    again.config = args.config
    args.__dict__.update(again.__dict__)
    return trainer_settings


def _color_films(
    films: list[tuple[Path, Path]], method: Recolorizer, args: Namespace, device: tuple[str, Any], single: bool,
    start: float, pictures: tuple[Path, ...],
) -> int:  # fmt: skip
    from recolor_torch.cli.films import colorize_films
    from recolor_torch.cli.running import quiet_lightning
    from recolor_torch.cli.terminal import print_json

    quiet_lightning()
    clear_start()
    counts = colorize_films(films, method, args, device, single, pictures)
    interrupted = counts.pop("interrupted")
    kept = counts.pop("kept")
    seconds = round(time.perf_counter() - start, 1)
    if interrupted:
        sys.stderr.write("Interrupted; the same command goes on from here.\n")
    if args.json:
        print_json({"summary": {**counts, "seconds": seconds}})
    elif not args.quiet and not args.dry_run:
        done = ", ".join(f"{count} {name}" for name, count in counts.items()) + (f", {kept} kept" if kept else "")
        print(f"{done} of {len(films)} film{'' if len(films) == 1 else 's'}, {seconds} s, in {args.output}")
    return 130 if interrupted else 3 if counts["failed"] else 0


def _find(name: str) -> type[Recolorizer]:
    try:
        return find_method(name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _build(name: str, args: Namespace) -> Recolorizer:
    try:
        return build_method(args.method or name, **_settings(name, args))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _settings(name: str, args: Namespace) -> dict[str, Any]:
    """The method's settings from its flags, and from the flags that set one whatever the method."""
    settings = args[name].as_dict()
    for flag in ("weights", "download", "vgg_preprocessing"):
        if args[flag]:
            if flag not in settings and not args.gallery:
                can = ", ".join(m for m, cls in METHODS.items() if flag in signature(cls).parameters)
                raise UsageError(f"{name} has no use for --{flag.replace('_', '-')}, which is for {can or 'none yet'}.")
            if flag in settings:
                settings[flag] = args[flag]
    return settings


def _kinds_given(args: Namespace) -> tuple[bool, bool]:
    """Whether there are references, and whether there are hints."""
    pairs = read_pairs(Path(args.pairs)) if args.pairs else []
    hints = [*filter(None, (p.hints for p in pairs)), *([Path(args.hints)] if args.hints else [])]
    references = bool(args.reference or args.gallery) or any(p.references for p in pairs)
    references = references or any(map(holds_links, hints))
    return references, bool(hints)

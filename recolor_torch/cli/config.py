"""Descriptions of runs in YAML, as ``recolor predict`` has them: one reader and one check for every verb.

``colorize --config`` takes the values as defaults of its flags; ``predict`` gives the checked file to LightningCLI.
"""

from inspect import signature
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_type_hints

import yaml

from recolor_torch.cli.type_words import is_of_type, type_words
from recolor_torch.errors import UsageError
from recolor_torch.methods import METHODS, Recolorizer, find_method, name_of
from recolor_torch.paths import show_path
from recolor_torch.run.description import Coloring, Extension, Preprocessing
from recolor_torch.text import read_text, short

MODEL: dict[str, Any] = get_type_hints(Coloring)
DATA: dict[str, tuple[str, Any]] = {
    "targets": ("targets", list[str] | None),
    "output": ("output", str | None),
    "references": ("reference", list[str] | None),
    "reference_weights": ("reference_weights", list[float] | None),
    "reference_masks": ("reference_mask", list[str] | None),
    "each_reference": ("each_reference", bool),
    "target_mask": ("target_mask", str | None),
    "hints": ("hints", str | None),
    "text": ("text", str | None),
    "sequence": ("sequence", bool),
    "target_list": ("list", str | None),
    "pairs": ("pairs", str | None),
    "suffix": ("suffix", str),
    "ext": ("ext", Extension),
    "overwrite": ("overwrite", bool),
    "batch_size": ("batch_size", int),
    "batch_megapixels": ("batch_megapixels", float),
    "workers": ("workers", int),
    "max_pixels": ("max_pixels", int),
    "gallery": ("gallery", list[str] | None),
    "gallery_count": ("gallery_count", int),
    "words": ("words", str | None),
    "weights": ("weights", str | None),
    "download": ("download", bool),
    "vgg_preprocessing": ("vgg_preprocessing", Preprocessing | None),
}
"""The flag of colorize, and the type, of each key of ``data``."""

TRAINER: dict[str, Any] = {
    "accelerator": Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu", "hpu"],
    "devices": int | str | list[int],
    "num_nodes": int,
    "precision": str | int | None,
    "strategy": str | dict[str, Any],
}
"""Types of the Trainer's settings that are checked here; Lightning checks the rest."""

MODEL_CLASSES = ("RecolorModule",)
DATA_CLASSES = ("PictureDataModule",)
WRITERS = ("recolor_torch.lit.PictureWriter", "recolor_torch.lit.writer.PictureWriter")
# The writer's path until version 0.1.
OLD_WRITERS = ("recolor_torch.output" + ".writer.PictureWriter",)

MOST_VALUES = 100_000
"""Of a config."""

_LEAST = {"batch_size": 1, "workers": -1, "max_pixels": 1, "gallery_count": 1, "max_side": 1, "num_nodes": 1}


def defaults_from_config(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Defaults for ``colorize``'s flags, and settings for the Trainer.

    Raises:
        UsageError: the file cannot be read, is not of this schema, or has an unknown key or a value of a wrong type.
    """
    config = check_config(path)
    known = {"model", "data", "trainer", "seed_everything", "return_predictions"}
    _only(config, known, path, "")
    defaults: dict[str, Any] = {}
    model = dict(_init_args(config.get("model"), path, "model", MODEL_CLASSES))
    method = model.pop("method", None)
    if method is not None:
        cls, settings = _method(method, path)
        name = name_of(cls)
        defaults["method"] = name if name in METHODS else f"{cls.__module__}.{cls.__qualname__}"
        defaults |= {f"{name}.{key}": value for key, value in settings.items()}
    defaults |= model
    for key, value in _init_args(config.get("data"), path, "data", DATA_CLASSES).items():
        listed = key == "reference_weights" and value
        defaults[DATA[key][0]] = ",".join(str(v) for v in value) if listed else value
    seed = config.get("seed_everything")
    if isinstance(seed, int) and not isinstance(seed, bool):
        defaults["seed"] = seed
    trainer = dict(config.get("trainer") or {})
    for callback in _as_list(trainer.pop("callbacks", None)):
        if callback.get("class_path") not in (*WRITERS, *OLD_WRITERS):
            raise UsageError(
                f"{show_path(path)}: colorize takes no other callback than {WRITERS[0]}; use recolor predict."
            )
        save_stages = (callback.get("init_args") or {}).get("save_stages")
        if save_stages is not None:
            defaults["save_stages"] = save_stages
    return defaults, trainer


def check_config(path: Path) -> dict[str, Any]:
    """A config, with every value of a known key checked.

    Raises:
        UsageError: the file cannot be read, is no config, or a value has a wrong type; with the file and the key.
    """
    config = _load(path)
    _check_seed(config.get("seed_everything"), path)
    model = _section(config.get("model"), path, "model", MODEL_CLASSES)
    _check_all({k: v for k, v in model.items() if k != "method"}, MODEL, path, "model.init_args.")
    if model.get("method") is not None:
        cls, settings = _method(model["method"], path)
        types = get_type_hints(cls.__init__)
        where = "model.init_args.method.init_args."
        _check_all(settings, {name: types.get(name, Any) for name in signature(cls).parameters}, path, where)
    data = _section(config.get("data"), path, "data", DATA_CLASSES)
    _check_all(data, {key: kind for key, (_, kind) in DATA.items()}, path, "data.init_args.")
    _check_trainer(config.get("trainer"), path)
    return config


def _check_trainer(trainer: Any, path: Path) -> None:
    trainer = {} if trainer is None else trainer
    if not isinstance(trainer, dict):
        raise UsageError(f"{show_path(path)}: trainer must be a table of settings, got {short(trainer)}.")
    for key in sorted(set(map(str, trainer)) & set(TRAINER)):
        _check(trainer[key], TRAINER[key], key, path, f"trainer.{key}")
    devices = trainer.get("devices", 1)
    if devices in (0, [], "0") or (isinstance(devices, int) and devices < -1):
        known = "1 or more, a list of numbers, auto or -1"
        raise UsageError(f"{show_path(path)}: trainer.devices must be {known}, got {short(devices)}.")
    for callback in _as_list(trainer.get("callbacks")):
        if not isinstance(callback, dict) or not isinstance(callback.get("class_path"), str):
            known = "a list, each of it with class_path and init_args"
            raise UsageError(f"{show_path(path)}: trainer.callbacks must be {known}, got {short(callback)}.")


def _load(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(read_text(path))
    except FileNotFoundError as error:
        raise UsageError(f"No such config: {show_path(path)}.") from error
    except RecursionError as error:
        raise UsageError(f"Cannot read the config {show_path(path)}: it is nested too deeply.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UsageError(f"Cannot read the config {show_path(path)}: {reason}.") from error
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise UsageError(f"{show_path(path)} is not a config: it has no keys model, data, trainer.")
    _refuse_unfolding(config, path)
    return config


def check_size(path: Path) -> None:
    """Refuse a file that a few lines of aliases make too large to be read; what else is wrong, its reader says.

    Raises:
        UsageError: it unfolds to too many values.
    """
    try:
        config = yaml.safe_load(read_text(path))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return
    _refuse_unfolding(config, path)


def _refuse_unfolding(config: Any, path: Path) -> None:
    left, count = [config], 0
    while left:
        value = left.pop()
        count += 1
        if count > MOST_VALUES:
            raise UsageError(f"{show_path(path)}: its aliases unfold to more than {MOST_VALUES} values.")
        if isinstance(value, (dict, list)):
            left += value.values() if isinstance(value, dict) else value


def _section(part: Any, path: Path, name: str, classes: tuple[str, ...]) -> dict[str, Any]:
    """The ``init_args`` of a section whose class is known here; nothing of another class's."""
    if isinstance(part, dict) and str(part.get("class_path", classes[0])).rpartition(".")[2] not in classes:
        return {}
    return _init_args(part, path, name, classes)


def _init_args(part: Any, path: Path, name: str, classes: tuple[str, ...]) -> dict[str, Any]:
    if part is None or isinstance(part, str):
        return {}
    if not isinstance(part, dict):
        raise UsageError(f"{show_path(path)}: {name} must have the keys class_path and init_args, got {short(part)}.")
    _only(part, {"class_path", "init_args"}, path, f"{name}.")
    class_path = part.get("class_path", classes[0])
    if not isinstance(class_path, str) or class_path.rpartition(".")[2] not in classes:
        raise UsageError(
            f"{show_path(path)}: {name}.class_path must be {' or '.join(classes)}, got {short(class_path)}."
        )
    settings = part.get("init_args")
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise UsageError(f"{show_path(path)}: {name}.init_args must be a table of settings, got {short(settings)}.")
    return settings


def _method(part: Any, path: Path) -> tuple[type[Recolorizer], dict[str, Any]]:
    class_path = part.get("class_path") if isinstance(part, dict) else part
    settings = part.get("init_args") if isinstance(part, dict) else {}
    where = f"{show_path(path)}: model.init_args.method"
    if not isinstance(class_path, str):
        raise UsageError(f"{where} must have a class_path, got {short(part)}.")
    if not isinstance(settings, dict | NoneType):
        raise UsageError(f"{where}.init_args must be a table of settings, got {short(settings)}.")
    for cls in METHODS.values():
        if class_path.rpartition(".")[2] == cls.__name__:
            return cls, settings or {}
    try:
        return find_method(class_path), settings or {}
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _check_seed(seed: Any, path: Path) -> None:
    if seed is None or isinstance(seed, bool):
        return
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise UsageError(f"{show_path(path)}: seed_everything must be a whole number of 0 or more, got {short(seed)}.")


def _check_all(values: dict[str, Any], types: dict[str, Any], path: Path, where: str) -> None:
    _only(values, set(types), path, where)
    for key, value in values.items():
        _check(value, types[key], key, path, f"{where}{key}")


def _check(value: Any, kind: Any, key: str, path: Path, where: str) -> None:
    """Check one value against its type, and say what it should be where it is not of it."""
    if kind is Any:
        return
    if not is_of_type(value, kind):
        raise UsageError(f"{show_path(path)}: {where} must be {type_words(kind)}, got {short(value)}.")
    least = _LEAST.get(key)
    if least is not None and isinstance(value, int) and value < least and (key, value) != ("batch_size", -1):
        raise UsageError(f"{show_path(path)}: {where} must be {least} or more, got {value}.")
    if key == "strength" and not 0 <= value <= 1:
        raise UsageError(f"{show_path(path)}: {where} must be in [0, 1], got {value}.")


def _only(part: dict[str, Any], known: set[str], path: Path, where: str) -> None:
    unknown = sorted(str(key) for key in set(part) - known)
    if unknown:
        raise UsageError(f"{show_path(path)}: unknown key {where}{unknown[0]}. Known keys: {', '.join(sorted(known))}.")


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]

"""``--config FILE``: the YAML of ``recolor predict``, read as defaults for the flags of ``colorize``."""

from inspect import signature
from pathlib import Path
from typing import Any

import yaml

from recolor_torch.errors import UsageError
from recolor_torch.methods import METHODS
from recolor_torch.paths import show_path

MODEL = {"target", "keep", "strength", "max_side"}
DATA = {
    "targets": "targets",
    "output": "output",
    "references": "reference",
    "reference_weights": "reference_weights",
    "reference_masks": "reference_mask",
    "target_mask": "target_mask",
    "hints": "hints",
    "sequence": "sequence",
    "target_list": "list",
    "pairs": "pairs",
    "suffix": "suffix",
    "ext": "ext",
    "overwrite": "overwrite",
    "batch_size": "batch_size",
    "workers": "workers",
    "max_pixels": "max_pixels",
    "gallery": "gallery",
    "gallery_count": "gallery_count",
    "weights": "weights",
    "download": "download",
    "vgg_preprocessing": "vgg_preprocessing",
}
_WRITER = "recolor_torch.lit.PictureWriter"
# The writer's path until version 0.1.
_OLD_WRITER = "recolor_torch.lit.PictureWriter"


def defaults_from_config(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Defaults for ``colorize``'s flags, and settings for the Trainer.

    Raises:
        UsageError: the file cannot be read, is not of this schema, or has an unknown key.
    """
    config = _load(path)
    _only(config, {"model", "data", "trainer", "seed_everything", "return_predictions"}, path, "")
    defaults: dict[str, Any] = {}
    model = dict(_init_args(config.get("model"), path, "model"))
    method = model.pop("method", None)
    if method is not None:
        name, settings = _method(method, path)
        defaults["method"] = name
        defaults |= {f"{name}.{key}": value for key, value in settings.items()}
    _only(model, MODEL, path, "model.init_args.")
    defaults |= model
    data = _init_args(config.get("data"), path, "data")
    _only(data, set(DATA), path, "data.init_args.")
    for key, value in data.items():
        if key == "reference_weights" and value:
            value = ",".join(str(v) for v in value)
        defaults[DATA[key]] = value
    if isinstance(config.get("seed_everything"), int) and not isinstance(config["seed_everything"], bool):
        defaults["seed"] = config["seed_everything"]
    trainer = dict(config.get("trainer") or {})
    for callback in _as_list(trainer.pop("callbacks", None)):
        if callback.get("class_path") not in (_WRITER, _OLD_WRITER):
            raise UsageError(
                f"{show_path(path)}: colorize takes no other callback than {_WRITER}; use recolor predict."
            )
        save_stages = (callback.get("init_args") or {}).get("save_stages")
        if save_stages is not None:
            defaults["save_stages"] = save_stages
    return defaults, trainer


def _load(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"No such config: {path}.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"Cannot read the config {path}: {' '.join(str(error).split())}.") from error
    if not isinstance(config, dict):
        raise UsageError(f"{show_path(path)} is not a config: it has no keys model, data, trainer.")
    return config


def _init_args(part: Any, path: Path, name: str) -> dict[str, Any]:
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise UsageError(f"{show_path(path)}: {name} must have the keys class_path and init_args.")
    _only(part, {"class_path", "init_args"}, path, f"{name}.")
    return part.get("init_args") or {}


def _method(part: Any, path: Path) -> tuple[str, dict[str, Any]]:
    class_path = part if isinstance(part, str) else (part or {}).get("class_path", "")
    settings = {} if isinstance(part, str) else part.get("init_args") or {}
    for name, cls in METHODS.items():
        if class_path.rpartition(".")[2] == cls.__name__:
            _only(settings, set(signature(cls).parameters), path, "model.init_args.method.init_args.")
            return name, settings
    known = ", ".join(f"recolor_torch.methods.{cls.__name__}" for cls in METHODS.values())
    raise UsageError(f"{show_path(path)}: unknown method {class_path!r}. Known methods: {known}.")


def _only(part: dict[str, Any], known: set[str], path: Path, where: str) -> None:
    unknown = sorted(set(part) - known)
    if unknown:
        raise UsageError(f"{show_path(path)}: unknown key {where}{unknown[0]}. Known keys: {', '.join(sorted(known))}.")


def _as_list(value: Any) -> list[dict[str, Any]]:
    return [] if value is None else [value] if isinstance(value, dict) else list(value)

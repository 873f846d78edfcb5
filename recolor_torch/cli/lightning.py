"""``recolor fit``, ``predict`` and the other verbs of LightningCLI: their help, and mistakes that need no torch."""

import sys
from collections.abc import Iterator
from typing import Any

from recolor_torch.cli.config_files import find_config
from recolor_torch.cli.help import full_help, wrapped
from recolor_torch.cli.parser import Parser, guess
from recolor_torch.cli.signatures import classes_below, known_methods, outline
from recolor_torch.cli.terminal import say_start
from recolor_torch.errors import UsageError

_TRAIN = """
  recolor {verb} --config train/unet --data.sources '[photographs/]' --ckpt_path last.ckpt"""

DESCRIPTIONS = {
    "fit": """Train a network, or optimise a picture, from a config under Lightning's Trainer.

  recolor fit --config train/unet --data.sources '[photographs/]'
  recolor fit --config train/unet --data.sources '[photographs/]' --ckpt_path training/unet/last.ckpt
  recolor fit --config gram/report-fig31 --data.target old.jpg --data.references '[style.jpg]'""",
    "predict": """Recolor pictures with a method from a config, under Lightning's Trainer, on any number of devices.
recolor colorize --config takes the same file.

  recolor predict --config methods/histogram --data.targets '[scans/]' --data.references '[color.jpg]'
      --data.output colored/ --trainer.devices 2""",
    "test": f"""Measure a network from a config, on pictures for tests that it was not trained on.
{_TRAIN.format(verb="test")}""",
    "validate": f"""Measure a network from a config, on the pictures for validation.
{_TRAIN.format(verb="validate")}""",
}

_COMMON = {
    "-c, --config CONFIG": "what to run: a YAML file, or a config of the package by name; flags come before it",
    "--trainer.devices N": "GPUs (or, with --trainer.accelerator cpu, processes) that share the work",
    "--trainer.accelerator A": "auto, cpu, gpu, cuda or mps",
    "--trainer.precision P": "32-true, 16-mixed or bf16-mixed: half precision is faster on GPUs",
    "--seed_everything N": "make what is random repeatable",
}
_TRAINING = {
    "--data.sources '[A,B]'": "folders and archives of color photographs",
    "--data.batch_size N": "pictures in a step: less where memory is short",
}
_CHECKPOINT = {"--ckpt_path FILE": "checkpoint of a network whose numbers are taken"}
MAIN: dict[str, dict[str, str]] = {
    "fit": {
        **_COMMON,
        **_TRAINING,
        "--model.learning_rate X": "size of a step of the optimiser",
        "--trainer.max_steps N": "when to stop",
        "--ckpt_path FILE": "go on from this checkpoint",
    },
    "predict": {
        **_COMMON,
        "--data.targets '[A,B]'": "pictures, folders or globs to color",
        "--data.output OUT": "a file for one target, else a folder",
        "--data.references '[A,B]'": "pictures whose colors are wanted",
        "--data.hints PATH": "given colors: a file for one target, or a folder with one for each",
        "--model.method CLASS": "method, where the config does not name one",
        "--model.strength 0..1": "0 returns the input, 1 the full result",
        "--data.overwrite true": "replace existing outputs, and do finished targets again",
    },
    "test": {**_COMMON, **_TRAINING, **_CHECKPOINT},
    "validate": {**_COMMON, **_TRAINING, **_CHECKPOINT},
}
"""Flags that the help of a verb shows."""

_HEADS = (
    *("-c", "--config", "--print_config", "--seed_everything", "--trainer", "--model", "--data", "--optimizer"),
    *("--lr_scheduler", "--ckpt_path", "--verbose", "--weights_only", "--return_predictions"),
)
_TRAINER = ("lightning.pytorch.trainer.trainer", "Trainer")
_PLACES = ("recolor_torch.lit", "recolor_torch.training", "recolor_torch.networks")


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    verb, words = argv[0], list(argv[1:])
    asked = next((i for i, word in enumerate(words) if word in ("-h", "--help")), None)
    if asked is not None:
        topic = words[asked + 1] if asked + 1 < len(words) else ""
        if topic != "all":
            sys.stdout.write(_help(verb, topic))
            return 0
        words = ["--help"]
    else:
        words = _with_files(words)
        _check(verb, words)
        if not any(word.partition("=")[0] in ("-c", "--config", "--model", "--print_config") for word in words):
            example = "methods/histogram" if verb == "predict" else "train/unet"
            raise UsageError(
                f"Say what to run: --config {example}, another config of the package, or a file of your own. "
                f"recolor {verb} --help has examples."
            )
        say_start()
    from recolor_torch.cli.lightning_run import run

    return run([verb, *words])


def named_configs(words: list[str]) -> Iterator[str]:
    """The files that ``--config`` names."""
    for i, word in enumerate(words):
        if word in ("-c", "--config") and i + 1 < len(words):
            yield words[i + 1]
        elif word.startswith("--config="):
            yield word.partition("=")[2]


def _with_files(words: list[str]) -> list[str]:
    """The words with the files of all configs in front, so that flags win, and know the classes that these name."""
    configs: list[str] = []
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in ("-c", "--config"):
            name = next(rest, None)
            configs += [word] if name is None else [word, str(find_config(name))]
        elif word.startswith("--config="):
            configs.append(f"--config={find_config(word.partition('=')[2])}")
        else:
            others.append(word)
    return [*configs, *others]


def _check(verb: str, words: list[str]) -> None:
    """Raise ``UsageError`` for flags that do not exist."""
    configs = [_load(file) for file in named_configs(words)]
    for word in words:
        flag = word.partition("=")[0]
        if not flag.startswith("-") or _is_number(flag):
            continue
        head, _, rest = flag.partition(".")
        if head not in _HEADS:
            raise UsageError(
                f"unrecognized arguments: {word}.{guess([head], _HEADS)} recolor {verb} --help lists the flags."
            )
        setting = rest.removeprefix("init_args.").partition(".")[0].rstrip("+")
        if not setting or setting in ("help", "class_path", "dict_kwargs"):
            continue
        known = _settings(head[2:], configs, words)
        if known and setting not in known:
            near = guess([setting], known).replace("Did you mean ", f"Did you mean {head}.")
            raise UsageError(
                f"unrecognized arguments: {word}.{near} recolor {verb} --help {_owner(head[2:], configs, words)} "
                "lists the settings."
            )


def _settings(part: str, configs: list[dict[str, Any]], words: list[str]) -> list[str]:
    """Names of the settings below ``--trainer``, ``--data`` or ``--model``; none where the class is not known here."""
    try:
        if part == "trainer":
            return _parameters(outline(*_TRAINER))
        owner = _owner(part, configs, words)
        return _parameters(outline(*_class_of(owner))) if owner else []
    except LookupError:
        return []


def _owner(part: str, configs: list[dict[str, Any]], words: list[str]) -> str:
    """The class whose settings these are: what a flag names, else what a config names."""
    if part == "trainer":
        return "trainer"
    for i, word in enumerate(words):
        if word in (f"--{part}", f"--{part}.class_path") and i + 1 < len(words):
            return words[i + 1].rpartition(".")[2]
        for flag in (f"--{part}=", f"--{part}.class_path="):
            if word.startswith(flag):
                return word.removeprefix(flag).rpartition(".")[2]
    for config in reversed(configs):
        section = config.get(part)
        if isinstance(section, dict) and isinstance(section.get("class_path"), str):
            return str(section["class_path"]).rpartition(".")[2]
    return ""


def _class_of(name: str) -> tuple[str, str]:
    found = {cls: module for place in _PLACES for module, cls in classes_below(place)}
    if name not in found:
        raise LookupError(name)
    return found[name], name


def _load(file: str) -> dict[str, Any]:
    """A config, or nothing where it cannot be read: that is said when it is read for good."""
    import yaml

    from recolor_torch.text import read_text

    try:
        config = yaml.safe_load(read_text(find_config(file)))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _help(verb: str, topic: str) -> str:
    if not topic or topic.startswith("-"):
        lines = [f"usage: recolor {verb} --config CONFIG [--data.X VALUE]... [--trainer.X VALUE]...", ""]
        lines += [DESCRIPTIONS[verb], ""]
        for flag, text in MAIN[verb].items():
            indented = wrapped(text, 30)
            lines += [f"  {flag:<28}{indented[0].strip()}" if len(flag) < 28 else f"  {flag}\n{indented[0]}"]
            lines += indented[1:]
        more = f"recolor {verb} --help all lists every flag; --help CLASS the settings of a class, as PictureDataModule"
        return "\n".join([*lines, "", *wrapped(f"{more}, or of a method; --help trainer those of the Trainer.")]) + "\n"
    methods = known_methods()
    if topic in methods:
        cls, part = methods[topic], "model.method.init_args"
    else:
        try:
            cls = outline(*(_TRAINER if topic == "trainer" else _class_of(topic.rpartition(".")[2])))
        except LookupError as error:
            known = ["all", "trainer", *sorted({name for place in _PLACES[:2] for _, name in classes_below(place)})]
            near = guess([topic], [*known, *methods])
            raise UsageError(f"there is no help on {topic!r}.{near} Known: {', '.join(known)}.") from error
        part = "trainer" if topic == "trainer" else "data" if "Data" in topic else "model"
    parser = Parser(prog=f"recolor {verb}", usage=f"recolor {verb} --config CONFIG [--{part}.X VALUE]...")
    parser.add_class_arguments(cls, part)
    return full_help(parser)


def _parameters(cls: type) -> list[str]:
    import inspect

    return list(inspect.signature(cls).parameters)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True

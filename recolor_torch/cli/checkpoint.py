"""Checkpoints that a run under Lightning is to go on from: looked at before the run, and never run as code."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from types import TracebackType

import torch
from torch import Tensor

from recolor_torch.errors import UsageError
from recolor_torch.features.state_dicts import load_torch, what_is_wrong
from recolor_torch.paths import is_file, show_path

# Words of Lightning's that stand for a file which it looks for by itself.
WORDS = ("best", "last", "hpc")

_RESUMED = {
    "state_dict": Mapping,
    "loops": Mapping,
    "optimizer_states": list,
    "lr_schedulers": list,
    "epoch": int,
    "global_step": int,
    "pytorch-lightning_version": str,
}


def check_checkpoint(path: str, training: bool) -> None:
    """See that a file can be gone on from.

    Args:
        path: as given to ``--ckpt_path``.
        training: the state of optimisers and loops is needed too.

    Raises:
        UsageError: there is no such file, or it is no whole checkpoint of Lightning.
    """
    if path in WORDS:
        return
    file = Path(path)
    if not is_file(file):
        raise UsageError(f"{show_path(path)}: there is no such checkpoint.")
    try:
        checkpoint = load_torch(file)
    except Exception as error:  # whatever is wrong with the bytes, their reader has an error of its own for it
        raise UsageError(f"{show_path(path)} cannot be read as a checkpoint: {what_is_wrong(error)}.") from error
    needed = _RESUMED if training else {"state_dict": Mapping}
    for key, kind in needed.items():
        value = checkpoint.get(key) if isinstance(checkpoint, Mapping) else None
        if not isinstance(value, kind) or (key == "optimizer_states" and not value):
            raise UsageError(f"{show_path(path)} is no checkpoint to go on from: it has no {key.replace('_', ' ')}.")
    for name, value in checkpoint["state_dict"].items():  # type: ignore[index]
        if isinstance(value, Tensor) and value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise UsageError(
                f"{show_path(path)} is no checkpoint to go on from: {name} has values that are not finite."
            )


@contextmanager
def restoring(path: str | None) -> Iterator[None]:
    """Errors of Lightning while it takes a checkpoint as ``UsageError``; any other passes."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        if path is None or not _in_connector(error.__traceback__):
            raise
        reason = f"it lacks {error}" if isinstance(error, KeyError) else what_is_wrong(error)
        raise UsageError(f"{show_path(path)} is no checkpoint of this model: {reason}.") from error


def _in_connector(traceback: TracebackType | None) -> bool:
    files = [frame.f_code.co_filename for frame, _ in walk_tb(traceback)]
    return any(Path(f).name == "checkpoint_connector.py" for f in files)

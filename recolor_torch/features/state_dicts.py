"""State dicts as people have them: safetensors, and torch files of every age, wrapped or not."""

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from recolor_torch.errors import UsageError

# Names under which training scripts put the weights of a checkpoint. Averaged ones come first: they are for use.
_WRAPPERS = (
    *("params_ema", "ema_state_dict", "model_ema", "ema", "state_dict", "model_state_dict", "model_state"),
    *("params", "model", "network", "net", "generator", "weights"),
)
_DEEPEST = 4


def read_state(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The named tensors of a safetensors or torch file, and its metadata; no code of the file runs.

    Torch files may be zip archives, which are mapped into memory, or of the format from before PyTorch 1.6, which
    are read. A checkpoint of training gives the state dict inside it (``state_dict``, ``model``, ``params_ema``
    and the like); what is no tensor is left out.

    Raises:
        UsageError: the file is neither, or holds tensors that are not dense numbers.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(9)
        if head[:4] != b"PK\x03\x04" and (file.suffix == ".safetensors" or head[8:] == b"{"):
            with safe_open(file, "pt") as f:
                names = list(f.keys())
                return _checked({k: f.get_tensor(k) for k in names}, file), dict(f.metadata() or {})
        loaded = load_torch(file)
    except UsageError:
        raise
    except Exception as error:  # whatever is wrong with the bytes, their reader has an error of its own for it
        raise UsageError(
            f"{file} cannot be read as weights, safetensors or a torch state dict: {what_is_wrong(error)}."
        ) from error
    if not isinstance(loaded, Mapping):
        raise UsageError(f"{file} holds a {type(loaded).__name__}, not a state dict.")
    return _checked(_unwrap(loaded, file), file), {}


def load_torch(file: Path) -> object:
    """What a torch file holds, on the CPU; mapped into memory where the format allows that."""
    mapped = False
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            mapped = all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    with warnings.catch_warnings(), file.open("rb") as opened:
        warnings.simplefilter("ignore")  # torch warns of formats and tensor kinds that are then refused in one sentence
        # By its name torch takes a file for safetensors; an open file has none, and cannot be mapped.
        named = file.suffix != ".safetensors"
        return torch.load(file if named else opened, map_location="cpu", weights_only=True, mmap=mapped and named)


def strip_prefix(state: Mapping[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """The tensors of ``state`` without the prefix (``module.``, ``model.``) under which most of ``wanted`` stand.

    Tensors without the prefix belong to something else, such as a second network, and are left out. With no prefix
    the state comes back as it is.

    Example:
        >>> list(strip_prefix({"module.a": torch.zeros(1), "module.b": torch.zeros(1)}, ["a", "b"]))
        ['a', 'b']
    """
    names = list(wanted)
    found = {k[: -len(name)] for name in names[:1] for k in state if k == name or k.endswith(f".{name}")}
    best = max(sorted(found), key=lambda prefix: sum(prefix + name in state for name in names), default="")
    return {k.removeprefix(best): v for k, v in state.items() if k.startswith(best)}


def _unwrap(loaded: Mapping[object, object], file: Path) -> dict[str, Tensor]:
    """The state dict in a checkpoint, however many wrappers are around it."""
    level = _holder(loaded, _DEEPEST) or {}
    for key in level:
        if not isinstance(key, str):
            raise UsageError(f"{file} is not the state dict of a network: {key!r} is no name of a layer.")
    tensors = {str(k): v for k, v in level.items() if isinstance(v, Tensor)}
    if not tensors:
        raise UsageError(f"{file} is not the state dict of a network: it holds no named tensors.")
    return tensors


def _holder(level: Mapping[object, object], depth: int) -> Mapping[object, object] | None:
    """The mapping of tensors in nested ones: that under a known name, else this one, else the only one there is."""
    inner = {k: v for k, v in level.items() if isinstance(v, Mapping)} if depth else {}
    for name in _WRAPPERS:
        if name in inner and (found := _holder(inner[name], depth - 1)):
            return found
    if any(isinstance(v, Tensor) for v in level.values()):
        return level
    holders = [found for v in inner.values() if (found := _holder(v, depth - 1))]
    return holders[0] if len(holders) == 1 else None


def _checked(state: dict[str, Tensor], file: Path) -> dict[str, Tensor]:
    for name, tensor in state.items():
        kind = _not_dense(tensor)
        if kind:
            raise UsageError(f"{file}: {name} is {kind}; save the weights as dense floating point tensors.")
    return {k: v.detach() for k, v in state.items()}


def _not_dense(tensor: Tensor) -> str:
    if tensor.is_quantized:
        return "quantized"
    if tensor.layout != torch.strided:
        return "sparse"
    if tensor.is_meta:
        return "without values"
    return "complex" if tensor.is_complex() else ""


def what_is_wrong(error: Exception) -> str:
    """Why a file could not be read, in one line without a full stop."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    if isinstance(error, pickle.UnpicklingError) and re.search(r"(?i)unsupported (global|class)", text):
        return "it holds Python objects beside tensors, and these are never run (save the state_dict() of the network)"
    if "TorchScript" in text:
        return "it is a TorchScript program, and programs are never run (save the state_dict() of the network)"
    if isinstance(error, (pickle.UnpicklingError, LookupError, EOFError)) or "central directory" in text:
        return "it is no torch file, or a damaged one"
    return text[:120].rstrip(".") or type(error).__name__

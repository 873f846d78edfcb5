"""Networks by name, with weights from a file."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recolor_torch.checks import check_choice
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.features.state_dicts import read_state, strip_prefix
from recolor_torch.networks.efficientnet import STAGES
from recolor_torch.networks.multi_path import MultiPathNet
from recolor_torch.networks.near_infrared import NearInfraredNet, adapter_state, is_trained, with_adapter
from recolor_torch.networks.published import EightBlockNet, UserGuidedNet
from recolor_torch.networks.unet import ColorUNet
from recolor_torch.paths import as_path, is_file

NETWORKS: dict[str, type[nn.Module]] = {
    "eccv16": EightBlockNet,
    "multi_path": MultiPathNet,
    "near_infrared": NearInfraredNet,
    "siggraph17": UserGuidedNet,
    "unet": ColorUNet,
}
SHIPPED = Path(__file__).with_name("unet.safetensors")
# What makes of the U-Net that comes with this package a network for near infrared.
INFRARED = Path(__file__).with_name("near_infrared.safetensors")
VARIABLE = "RECOLOR_NETWORK"

# Keys of the metadata of a file: the digest of the U-Net that an adapter goes with, and names of scenes as JSON.
BASE, SCENES = "base", "scenes"

_AVERAGED = "averaged.module."


def load_network(name: str, path: str | Path | None = None) -> tuple[nn.Module, str]:
    """A network for use, and the digest of its weights.

    Args:
        name: one of ``NETWORKS``.
        path: safetensors, a torch state dict, or a checkpoint of training, whose averaged network is taken. Without
            one, for the unet: the file that the environment variable ``RECOLOR_NETWORK`` names, else the one that
            comes with this package; for near infrared the one that comes with it.

    Raises:
        WeightsMissing: there is no such file.
        UsageError: the file does not hold this network.
    """
    check_choice(name, "network", tuple(NETWORKS))
    file = _find(name, path)
    state, notes = _read(file, () if file in (SHIPPED, INFRARED) else _names(name))
    if name == "near_infrared" and BASE in notes:
        state = _on_base(state, notes[BASE], file)
    network = _empty(name, state, notes)
    _fill(network, state, file, name)
    return network.eval().requires_grad_(False), state_digest(state)


def load_into(network: nn.Module, path: str | Path) -> None:
    """Give ``network`` the weights of a file that ``load_network`` would read.

    Raises:
        WeightsMissing: there is no such file.
        UsageError: the file does not hold this network.
    """
    file = as_path(path)
    if not is_file(file):
        raise WeightsMissing(f"{file}: there is no such file of weights.")
    state, _ = _read(file, network.state_dict())
    if isinstance(network, NearInfraredNet) and not any(k.startswith("tone.") for k in state):
        # A U-Net, which knows no luminance: that begins as the infrared intensity.
        state |= {k: v for k, v in network.state_dict().items() if k.startswith("tone.")}
    _fill(network, state, file, type(network).__name__)


def save_network(network: nn.Module, path: str | Path, base: str | Path | None = None) -> None:
    """Write the weights as safetensors, in half the bits, as ``load_network`` reads them.

    Of a network for near infrared that began as the U-Net in ``base`` (the one of this package) only what is its own is
    written.
    """
    from safetensors.torch import save_file

    notes = {"format": "pt"}
    if isinstance(network, NearInfraredNet) and (digest := _base_of(network, Path(base or SHIPPED))):
        save_file(adapter_state(network), path, {**notes, BASE: digest})
        return
    if isinstance(network, MultiPathNet):
        notes[SCENES] = json.dumps(network.scenes)
    state = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    save_file({k: v.contiguous().cpu() for k, v in state.items()}, path, notes)


def _base_of(network: NearInfraredNet, base: Path) -> str:
    """The digest of the U-Net of a file, where the network has all of it but what an adapter holds; else nothing."""
    if not is_file(base):
        return ""
    state, _ = _read(base, _names("unet"))
    own = network.state_dict()
    fixed = {k: v for k, v in state.items() if v.is_floating_point() and not is_trained(k)}
    same = all(k in own and own[k].shape == v.shape and torch.equal(own[k].cpu().float(), v) for k, v in fixed.items())
    return state_digest(state) if same else ""


def _on_base(adapter: Mapping[str, Tensor], digest: str, file: Path) -> dict[str, Tensor]:
    """An adapter's weights on those of the U-Net that comes with this package, which must be the one it was made on."""
    state, _ = _read(_find("unet", SHIPPED), ())
    if state_digest(state) != digest:
        raise UsageError(f"{file} goes with another U-Net than the one that comes with this version of recolor_torch.")
    return with_adapter(state, adapter)


def _find(name: str, path: str | Path | None) -> Path:
    if path is None and name in ("eccv16", "siggraph17"):
        raise WeightsMissing(f"The network {name} needs its published weights: name the file with --weights.")
    if path is None and name == "multi_path":
        raise WeightsMissing(
            "The network multi_path comes without weights: train one with configs/train/multi_path.yaml, and name the "
            "file with --weights."
        )
    named = path or (os.environ.get(VARIABLE) if name == "unet" else None)
    file = as_path(named) if named else SHIPPED if name == "unet" else INFRARED
    if not is_file(file):
        if named:
            raise WeightsMissing(f"{file}: there is no such file of weights.")
        raise WeightsMissing(
            "This copy of recolor_torch comes without weights for its network: "
            f"name a file with --weights or {VARIABLE}, or train one with recolor fit."
        )
    return file


def _read(file: Path, wanted: Iterable[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a state dict, or of the averaged network in a checkpoint of training, in float32; and metadata."""
    state, notes = read_state(file)
    averaged = {k.removeprefix(_AVERAGED): v for k, v in state.items() if k.startswith(_AVERAGED)}
    own = averaged or strip_prefix(state, wanted)
    return {k: v.float() if v.is_floating_point() else v for k, v in own.items()}, notes


def _names(name: str) -> list[str]:
    with torch.device("meta"):
        return list(NETWORKS[name]().state_dict())


def _fill(network: nn.Module, state: Mapping[str, Tensor], file: Path, name: str) -> None:
    own = network.state_dict()
    # Files from before PyTorch 0.4.1 do not count the batches that a normalisation has seen. Only training reads it.
    counts = {
        k: torch.zeros(v.shape, dtype=v.dtype)
        for k, v in own.items()
        if k.endswith(".num_batches_tracked") and k not in state
    }
    problem = _difference(own, {**counts, **state})
    if problem:
        raise UsageError(f"{file} holds no {name} network: {problem}.")
    # Assigned where there is nothing to copy into: a start that is overwritten costs a tenth of a second.
    empty = any(p.is_meta for p in network.parameters())
    network.load_state_dict({**counts, **state}, assign=empty)


def _empty(name: str, state: Mapping[str, Tensor], notes: Mapping[str, str]) -> nn.Module:
    """The network that the shapes in ``state`` belong to, with tensors that have no memory yet."""
    with torch.device("meta"):
        return _shaped(name, state, notes)


def _shaped(name: str, state: Mapping[str, Tensor], notes: Mapping[str, str]) -> nn.Module:
    if name == "multi_path":
        return _shaped_multi_path(state, notes)
    if name not in ("unet", "near_infrared"):
        return NETWORKS[name]()
    make = NearInfraredNet if name == "near_infrared" else ColorUNet
    names = ["bottom.conv.weight", *(f"ups.{i}.conv.weight" for i in range(4))]
    widths: Any = tuple(len(state[n]) for n in names if n in state and state[n].ndim)
    if len(widths) < len(names):
        return make()
    layers = {key.split(".")[1] for key in state if key.startswith("attention.")}
    deepest = state.get("encoder.blocks.15.bn2.weight")
    small = deepest is not None and len(deepest) == STAGES[-1][-1]
    return make("lite0" if small else "lite2", widths, len(layers))


def _shaped_multi_path(state: Mapping[str, Tensor], notes: Mapping[str, str]) -> MultiPathNet:
    """With the names of its scenes, where the file has them."""
    first, last = state.get("low.0.0.weight"), state.get("tells.1.weight")
    if first is None or last is None or not first.ndim or not last.ndim:
        return MultiPathNet()
    names = json.loads(notes.get(SCENES, "[]"))
    if len(names) != len(last):
        names = [f"scene {number}" for number in range(1, len(last) + 1)]
    return MultiPathNet(names, len(first))


def _difference(wanted: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> str:
    """What sets a state dict apart from the one that is wanted; empty where nothing does."""
    for name, tensor in wanted.items():
        if name not in got:
            return f"{name} is missing"
        if got[name].shape != tensor.shape:
            sizes = ["x".join(map(str, t.shape)) for t in (got[name], tensor)]
            return f"{name} is {sizes[0]} in place of {sizes[1]}"
        if got[name].is_floating_point() != tensor.is_floating_point():
            return f"{name} is {got[name].dtype} in place of {tensor.dtype}"
        # The sum first, which holds no other tensor: it is finite, or large, or the sum of something that is not.
        if not bool(got[name].sum().isfinite()) and not bool(got[name].isfinite().all()):
            return f"{name} has values that are not finite"
    extra = [name for name in got if name not in wanted]
    return f"{extra[0]} is not part of it" if extra else ""


def state_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names and values of weights."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()

"""The device that ``--device`` names, in torch's words and in Lightning's."""

from typing import TYPE_CHECKING, Any

from recolor_torch.errors import UsageError

if TYPE_CHECKING:
    import torch

KNOWN = "auto, cpu, cuda, cuda:N, mps"


def check_device(name: str) -> tuple[str, str]:
    """Kind and number of a device; whether this machine has it is not looked at.

    Raises:
        UsageError: there is no such kind of device.
    """
    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdecimal())):
        raise UsageError(f"Unknown device {name!r}. Known devices: {KNOWN}.")
    return kind, index


def lightning_device(name: str) -> tuple[str, Any]:
    """Lightning's accelerator and devices.

    Raises:
        UsageError: there is no such kind of device, or this machine has none.
    """
    import torch

    kind, index = check_device(name)
    if kind == "cuda":
        count = torch.cuda.device_count()
        if not count:
            raise UsageError("No CUDA device was found; use --device cpu.")
        if index and int(index) >= count:
            raise UsageError(f"There is no device {name}; CUDA devices here: {count}.")
        return "gpu", [int(index)] if index else 1
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("No MPS device was found; use --device cpu.")
    return kind, 1


def torch_device(name: str) -> "torch.device":
    """torch's device: auto takes the accelerator that there is; raises as ``lightning_device`` does."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    lightning_device(name)
    return torch.device(name)

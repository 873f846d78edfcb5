"""Tensors of the frames of a shot on the disk: memory stays that of a frame, however long the shot is."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recolor_torch.files import write_bytes_atomically


def save_tensors(path: Path, value: dict[str, Any]) -> None:
    """Keep what ``torch.load(weights_only=True)`` reads; the file appears when it is whole.

    Raises:
        OSError: it cannot be written.
    """
    data = io.BytesIO()
    torch.save(value, data)  # into a file it answers a full disk with an error of its own
    write_bytes_atomically(path, data.getvalue())


class FrameStore:
    """One record a frame, in half precision, in a file that goes away with the store.

    Args:
        path: of the file.
        channels: of a record, in all.
        size: (height, width).
    """

    def __init__(self, path: Path, channels: int, size: tuple[int, int]) -> None:
        self.path, self.shape = path, (channels, *size)
        self._bytes = 2 * channels * size[0] * size[1]

    def __enter__(self) -> "FrameStore":
        self._file = self.path.open("w+b")
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def put(self, frame: int, *parts: Tensor) -> None:
        """Store parts of (1, C, H, W) as the record of a frame, its channels in this order."""
        record = torch.cat([p.float() for p in parts], 1).clamp(-65000, 65000).half().cpu()
        if tuple(record.shape[1:]) != self.shape:
            raise ValueError(f"A record must have the shape {self.shape}, got {tuple(record.shape[1:])}.")
        self._file.seek(frame * self._bytes)
        self._file.write(record.numpy().tobytes())

    def get(self, frame: int) -> Tensor:
        """The record of a frame, (1, C, H, W), float32."""
        self._file.seek(frame * self._bytes)
        data = np.frombuffer(self._file.read(self._bytes), np.float16).reshape(self.shape)
        return torch.from_numpy(data.astype(np.float32))[None]

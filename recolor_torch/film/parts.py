"""Parts of a film: encoded packets of some frames in a file of their own, which a later run takes up again."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recolor_torch.files import write_atomically
from recolor_torch.film.encoding import Encoding, make_encoder
from recolor_torch.film.opening import require_av
from recolor_torch.film.planes import set_planes
from recolor_torch.film.probing import FilmInfo

_HEAD = struct.Struct("<qqBI")  # time, duration, whether a key frame, bytes


@dataclass(frozen=True)
class Packet:
    """Encoded video: its time and duration in ticks of the film's time base."""

    time: int
    duration: int
    key: bool
    data: bytes


class PartWriter:
    """Encodes frames in order into a part file, which appears when it is whole.

    Args:
        path: of the part.
        info: the film.
        encoding: how it is written.
    """

    def __init__(self, path: Path, info: FilmInfo, encoding: Encoding) -> None:
        self.path, self.info, self.encoding = path, info, encoding

    def __enter__(self) -> "PartWriter":
        self._encoder = make_encoder(self.info, self.encoding)
        self._atomic = write_atomically(self.path)
        self._file = open(self._atomic.__enter__(), "wb")
        head = json.dumps({"extradata": (self._encoder.extradata or b"").hex()}).encode()
        self._file.write(struct.pack("<I", len(head)) + head)
        self._durations: dict[int, int] = {}
        return self

    def write(self, time: int, duration: int, planes: list[np.ndarray]) -> None:
        """Encode a frame of Y, U and V."""
        av = require_av()
        frame = av.VideoFrame(self.info.width, self.info.height, self.encoding.format)
        set_planes(frame, planes)
        frame.pts, frame.time_base = time, self.info.time_base
        frame.color_range = 2 if self.info.full_range else 1
        frame.colorspace = self.info.matrix
        self._durations[time] = duration
        self._store(self._encoder.encode(frame))

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None:
                self._store(self._encoder.encode(None))
        finally:
            self._file.close()
            self._atomic.__exit__(*error)

    def _store(self, packets: list[Any]) -> None:
        for packet in packets:
            data = bytes(packet)
            self._file.write(
                _HEAD.pack(packet.pts, self._durations.pop(packet.pts, 0), bool(packet.is_keyframe), len(data))
            )
            self._file.write(data)


def read_part(path: Path) -> Iterator[Packet]:
    """The packets of a part in the order of decoding."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<I", file.read(4))
        file.seek(length, 1)
        while head := file.read(_HEAD.size):
            time, duration, key, size = _HEAD.unpack(head)
            yield Packet(time, duration, bool(key), file.read(size))


def read_times(path: Path) -> list[int]:
    """The times of a part's packets in the order of decoding, without reading their data."""
    times = []
    with path.open("rb") as file:
        (length,) = struct.unpack("<I", file.read(4))
        file.seek(length, 1)
        while head := file.read(_HEAD.size):
            time, _, _, size = _HEAD.unpack(head)
            times.append(time)
            file.seek(size, 1)
    return times

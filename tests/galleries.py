"""Galleries for tests: descriptors made from the bytes of files, so that no network is needed."""

import hashlib
import os

import numpy as np

from recolor_torch.gallery.descriptor import DescriptorSpec
from recolor_torch.gallery.gallery import absolute
from recolor_torch.gallery.pending import Skipped, write_checkpoint
from recolor_torch.gallery.table import Row

SPEC = DescriptorSpec(("conv_5",), "mean", 160, "average", True, 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "0" * 64)
NUMBERS = 12


def fake_raw(data):
    """(2, 12) numbers that depend on the bytes; the second row is the mirrored copy's."""
    seed = int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=(2, NUMBERS)).astype(np.float32) + 1


class FakeEmbed:
    """Stands in for the network: any file is a picture, except those that begin with BAD.

    Args:
        every: files in a checkpoint.
    """

    def __init__(self, every=5):
        self.every = every
        self.seen = []

    def __call__(self, folder, spec, files):
        for start in range(0, len(files), self.every):
            rows, raw, skipped = [], [], []
            for file in files[start : start + self.every]:
                self.seen.append(os.path.basename(file.path))
                data = absolute(folder, file.path).read_bytes()
                if data.startswith(b"BAD"):
                    skipped.append(Skipped(file.path, file.size, file.mtime, f"{file.path}: not a picture."))
                    continue
                digest = hashlib.sha256(data).digest()
                rows.append(Row(file.path, file.size, file.mtime, digest, 4, 3))
                raw.append(fake_raw(data))
            stacked = np.stack(raw) if raw else np.zeros((0, 2, NUMBERS), np.float32)
            write_checkpoint(folder, spec, rows, stacked, skipped)
        return False


def never(folder, spec, files):
    raise AssertionError(f"{len(files)} pictures were computed, and none had to be")


def put(folder, names, text="picture"):
    """Files whose contents differ."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(f"{text} {name}".encode())
    return folder

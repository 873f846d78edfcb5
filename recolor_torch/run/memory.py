"""How much memory a target will take, by its header: what ``--dry-run`` says. Figures measured on real processes."""

from pathlib import Path

from recolor_torch.hints.read import is_shapes
from recolor_torch.methods import Recolorizer
from recolor_torch.pictures.formats import FORMATS
from recolor_torch.resize import working_size
from recolor_torch.run.batches import BYTES_WHOLE
from recolor_torch.run.large import is_large
from recolor_torch.run.plan import Job

# What arithmetic, encoders and their libraries load when work begins, and the temporaries of a strip.
WORKING = 30_000_000
# Without a note of the system: PyTorch and its friends.
LOADED = 850_000_000
# Bytes a pixel of hints that are a picture, which is compared with the target as floats; shapes are drawn in strips.
PAINTED = 44
# Formats that Pillow encodes from a picture of its own, 4 bytes a pixel, into memory.
_COPIED = ("JPEG", "WEBP", "BMP")


def estimate_memory(job: Job, method: Recolorizer, max_side: int | None) -> int:
    """Bytes that the whole process takes at its peak, while it works on a job whose header could be read."""
    assert job.info is not None
    height, width = job.info.height, job.info.width
    rows, columns = working_size(height, width, method.working_side(max_side))
    pixels = height * width
    own = rows * columns * method.memory_per_pixel(job.hints is not None)
    if not is_large(job):
        return _loaded() + WORKING + pixels * BYTES_WHOLE + own
    own = 0 if method.makes_table(job.info.mode == "gray") else own
    return _loaded() + WORKING + pixels * _bytes_stored(job) + own


def _bytes_stored(job: Job) -> int:
    """Bytes a pixel of a picture that is kept as it is stored: while it is read, or while it is written."""
    assert job.info is not None
    deep, gray = job.info.bits == 16, job.info.mode == "gray"
    stored = (1 if gray else 3) * (2 if deep else 1)
    # Pillow holds 1 byte a pixel of gray, 4 of color; 16-bit color is read as two such pictures.
    reading = stored + (2 if deep else 1) * (1 if gray else 7 if deep else 4)
    writing = stored + (5 if FORMATS.get(job.output.suffix.lower()) in _COPIED else 0)
    guidance = 4 if job.target_mask is not None else 0
    if job.hints is not None and not is_shapes(job.hints):
        guidance += PAINTED
    return max(reading, writing) + guidance


def _loaded() -> int:
    """Bytes that this process holds now."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return LOADED

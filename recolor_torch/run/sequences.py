"""The frames of a clip in windows, for methods that carry color from frame to frame."""

from recolor_torch.errors import UsageError
from recolor_torch.run.batches import BatchDataset
from recolor_torch.run.plan import Job

# A window is held in memory as pictures alone; frames are solved one at a time.
WINDOW_FACTOR = 4


class SequenceDataset(BatchDataset):
    """Item i is the i-th window of a clip; see ``clip_windows``. Windows are to be taken in order, by one process.

    Args:
        jobs: the frames in order.
        batch_size: most frames in a window, as far as hints allow.
        batch_megapixels: a window may have four times as many.
        max_pixels: pictures with more pixels are not read.
    """

    large_apart = False  # a window is colored as a whole

    def __init__(self, jobs: list[Job], batch_size: int, batch_megapixels: float, max_pixels: int) -> None:
        self.batches = clip_windows(jobs, batch_size, batch_megapixels)
        self.max_pixels, self.in_strips = max_pixels, False


def clip_windows(jobs: list[Job], batch_size: int, batch_megapixels: float) -> list[list[Job]]:
    """Frames in windows that end at hinted frames where they can: between two such, color comes from both sides.

    The first window reaches to the first hinted frame.

    Raises:
        UsageError: no frame has hints, or the first that has is too far from the start.
    """
    if not jobs:
        return []
    pixels = max((job.info.width * job.info.height for job in jobs if job.info is not None), default=1)
    room = max(2, int(WINDOW_FACTOR * batch_megapixels * 1e6 / pixels))
    most = max(2, min(batch_size, room))
    hinted = [i for i, job in enumerate(jobs) if job.hints is not None]
    if not hinted:
        raise UsageError("No frame of the clip has hints.")
    if hinted[0] >= max(room, most):
        raise UsageError(
            f"The first frame with hints is number {hinted[0] + 1}, and {max(room, most)} frames of this size are held "
            "at once: give hints for an earlier frame, or raise the batch's megapixels."
        )
    windows, start = [], 0
    while start < len(jobs):
        reach = max(start + most, hinted[0] + 1)
        inside = [i for i in hinted if start < i < reach]
        end = inside[-1] + 1 if inside and reach < len(jobs) else min(reach, len(jobs))
        windows.append(jobs[start:end])
        start = end
    return windows

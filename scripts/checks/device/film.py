"""A film through the command: frames of 1280 x 720 as pictures, a pan over a mosaic, by the network."""

from collections.abc import Iterator

from bench import Bench
from command import recolor, save
from record import Row

# Pixels that the picture moves from frame to frame.
PAN = 3


def film(bench: Bench) -> Iterator[Row]:
    """Frames a second of a shot, and the same of a short one, which is start-up mostly."""
    counts, (height, width) = bench.pick((8, 56), (2, 3)), bench.pick((720, 1280), (48, 64))
    wide = bench.pictures.gray(bench.pictures.rgb(height, width + PAN * counts[-1], seed=900))[:, :1]
    took: dict[int, float] = {}
    for count in counts:
        frames = bench.folder / f"frames_{count}"
        for i in range(count):
            save(wide[..., PAN * i : PAN * i + width], frames / f"f{i:04}.jpg")
        output = bench.folder / f"{bench.device.type}_film_{count}"
        arguments = ["colorize", str(frames), "--sequence", "-o", f"{output}/", "-m", "network"]
        took[count], _, said = recolor(bench, [*arguments, "--device", bench.device.type])
        done = len(list(output.rglob("*.jpg")))
        row: Row = {"name": f"{count} frames, {width} x {height}", "seconds": took[count], "files": done, "said": said}
        yield {**row, "ok": done == count}
    few, many = counts
    yield {"name": "frames a second behind start-up", "frames a second": (many - few) / (took[many] - took[few])}

"""Check what a run of ``recolor colorize`` wrote: sizes, formats, and luminance against the targets.

    python -m scripts.checks.check_run OUTPUT_FOLDER

Reads run.jsonl in the folder. Luminance is compared at every pixel of the pictures that were written
losslessly (JPEG moves luminance by itself), in levels of 255, with the files as they are on the disk.
"""

import argparse
from pathlib import Path

from recolor_torch.color import rgb_to_luminance
from recolor_torch.files import SUFFIX
from recolor_torch.pictures import read_picture
from recolor_torch.run import record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    done = {name: [e for e in lines if e["status"] == "done"] for name, lines in record.load(folder).items()}
    largest = means = 0.0
    compared = wrong_size = missing = unchanged = 0
    for name, lines in done.items():
        if not lines:
            continue
        if not (folder / name).exists():
            missing += 1
            continue
        target, result = read_picture(lines[-1]["target"]), read_picture(folder / name)
        unchanged += Path(lines[-1]["target"]).read_bytes() == (folder / name).read_bytes()
        if target.image.shape != result.image.shape or target.info.bits != result.info.bits:
            wrong_size += 1
        elif result.info.lossless:
            error = (rgb_to_luminance(target.image) - rgb_to_luminance(result.image)).abs() * 255
            largest, means, compared = max(largest, float(error.max())), means + float(error.mean()), compared + 1
    written = sum(bool(lines) for lines in done.values())
    repeated = sum(len(lines) for lines in done.values()) - written
    parts = len(list(folder.rglob(f"*{SUFFIX}")))
    print(f"{written} written, {missing} missing, {wrong_size} of another size or depth, {repeated} repeated")
    print(f"{unchanged} equal to their target byte for byte, {parts} partial files")
    if compared:
        print(
            f"luminance of {compared} lossless results: largest error {largest:.2f}, mean {means / compared:.3f} levels"
        )


if __name__ == "__main__":
    main()

"""Other programs look at the files that are written: no warning that the input did not have.

  python scripts/checks/files.py PICTURE...

Each picture is written as JPEG, PNG, TIFF and WebP with all that it says of itself, and looked at by exiftool, exiv2,
tiffinfo, pngcheck, jpeginfo, webpinfo and ImageMagick (Debian: libimage-exiftool-perl exiv2 libtiff-tools pngcheck
jpeginfo webp imagemagick). A program that is not there is passed over, with a sentence. Exit code 1 where one objects.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from recolor_torch.pictures import read_picture, write_picture

PROGRAMS = {
    "exiftool": (["-validate", "-warning", "-error", "-a", "-q", "-q"], None),
    "exiv2": (["-pv"], None),
    "tiffinfo": (["-D"], (".tif",)),
    "pngcheck": (["-q"], (".png",)),
    "jpeginfo": (["-c"], (".jpg",)),
    "webpinfo": (["-quiet"], (".webp",)),
    "identify": (["-regard-warnings"], None),
}
# exiftool knows of the compressions of TIFF 6.0 alone, sums up, and asks for fields that the input did not have.
EXPECTED = ("0x0103 Compression", "Validate :", "[minor]", "Missing required JPEG ExifIFD")
WORDS = ("warning", "error", "invalid", "corrupt", "bad ", "ignored", "unknown")


def complaints(program: str, file: Path) -> set[str]:
    """Lines of a program that object to a file, without the file's name."""
    flags, suffixes = PROGRAMS[program]
    if suffixes is not None and file.suffix not in suffixes:
        return set()
    done = subprocess.run([program, *flags, str(file)], capture_output=True, text=True, errors="replace", check=False)
    lines = done.stderr.splitlines() + [line for line in done.stdout.splitlines() if program != "exiv2"]
    found = {" ".join(line.replace(str(file), "FILE").split()) for line in lines}
    found = {line for line in found if not any(words in line for words in EXPECTED)}
    return {line for line in found if any(word in line.lower() for word in WORDS) and "OK" not in line.split()}


def main(names: list[str]) -> int:
    """Write and look; returns the exit code."""
    there = [program for program in PROGRAMS if shutil.which(program)]
    for program in sorted(set(PROGRAMS) - set(there)):
        print(f"{program} is not installed: passed over.")
    found = files = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            picture = read_picture(name)
            before = {line for program in there for line in complaints(program, Path(name))}
            for suffix in (".jpg", ".png", ".tif", ".webp"):
                out = Path(folder) / f"out{suffix}"
                write_picture(out, picture.image, picture, description="recolor_torch")
                files += 1
                for program in there:
                    for line in sorted(complaints(program, out) - before):
                        print(f"{name} as {suffix}: {program}: {line}")
                        found += 1
    print(f"{files} files, {len(there)} programs, {found} objections that the inputs did not have.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Which picture formats can be written, and which one a result takes."""

from recolor_torch.pictures.info import PictureInfo

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".ppm": "PPM",
}
"""Pillow's name of each format that is written, by suffix."""

SAME = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp", "DIB": ".bmp"}
"""Suffix of the result for each format of a target that can hold an RGB photograph."""


def output_suffix(info: PictureInfo, ext: str = "auto") -> str:
    """The suffix of the output for an input: ``.png``, ``.jpg``, ``.webp``, ``.tif`` or ``.bmp``.

    Args:
        info: the input.
        ext: ``auto`` keeps the input's format, or takes PNG where that cannot hold an RGB photograph or
            cannot be written; else png, jpg, webp or tif.
    """
    if ext == "auto":
        return SAME.get(info.format, ".png")
    if f".{ext}" not in FORMATS:
        raise ValueError(f"Unknown picture format {ext!r}. Known formats: auto, jpg, png, tif, webp.")
    return f".{ext}"

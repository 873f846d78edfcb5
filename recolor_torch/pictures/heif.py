"""What a HEIC file has beyond what Pillow passes on: more than 8 bits a channel, and colors by their numbers."""

from typing import Any

import numpy as np

from recolor_torch.pictures.png_color import coded_profile


def is_heif(image: Any) -> bool:
    """Whether pillow-heif has opened a picture."""
    return image.format == "HEIF"


def is_deep_heif(image: Any) -> bool:
    """Whether it stores 10 or 12 bits a channel, which Pillow's modes do not hold."""
    return is_heif(image) and int(image.info.get("bit_depth") or 8) > 8


def read_deep_heif(path: Any, image: Any) -> np.ndarray:
    """All bits as uint16 of the whole range, (H, W, 1 to 4); turned as the file says.

    Args:
        path: the file.
        image: the same file, open, whose numbers of bits and frame count.
    """
    import pillow_heif

    bits = int(image.info["bit_depth"])
    opened = pillow_heif.open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    pixels = np.asarray(opened[opened.primary_index])
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    most = 2**bits - 1
    return ((pixels.astype(np.uint32) * 65535 + most // 2) // most).astype(np.uint16)


def heif_profile(image: Any, icc: bytes | None, notes: list[str]) -> bytes | None:
    """The profile that the colors go by: ``icc``, or what the file's numbers say (nclx); None for sRGB.

    Args:
        image: open and not loaded.
        icc: its ICC profile.
        notes: what cannot be obeyed is added, a sentence.
    """
    codes = image.info.get("nclx_profile")
    if icc is not None or not isinstance(codes, dict):
        return icc
    primaries, transfer = codes.get("color_primaries"), codes.get("transfer_characteristics")
    if transfer in (2, 6, 1) and primaries in (1, 2):  # unspecified, or video's, which all viewers take for sRGB
        return None
    # The decoder has turned Y, Cb and Cr into full-range RGB.
    return coded_profile((int(primaries or 1), int(transfer or 13), 0, 1), "HEIF", notes)

"""Profiles made of tables (printers, CMYK, some scanners), through littleCMS at 8 bits."""

import io

import numpy as np
from PIL import Image, ImageCms


def srgb_profile() -> bytes:
    """Bytes of an sRGB profile, to tag files whose own profile does not fit the colors written."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def convert_with_cms(image: Image.Image, source: bytes | None, target: bytes | None) -> Image.Image:
    """Convert between profiles, relative colorimetric with black point compensation as photo tools do.

    Args:
        image: mode L, RGB, CMYK or LAB.
        source: profile of ``image``; None for sRGB (CIE Lab for mode LAB).
        target: profile of the result; None for sRGB.

    Raises:
        ImageCms.PyCMSError: the profile cannot be used this way.
    """
    converted = ImageCms.profileToProfile(
        image,
        _open(source, "LAB" if image.mode == "LAB" else "sRGB"),
        _open(target, "sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None  # it is, unless inPlace is asked for
    return converted


def _open(profile: bytes | None, default: str) -> ImageCms.ImageCmsProfile:
    if profile is None:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile(default))  # type: ignore[arg-type]
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def to_srgb_with_cms(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """SRGB of 8-bit ``pixels``, (H, W, 1, 3 or 4), through the tables of ``profile``."""
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[pixels.shape[2]]
    height, width = pixels.shape[:2]
    image = Image.frombuffer(mode, (width, height), pixels.tobytes(), "raw", mode, 0, 1)
    return np.asarray(convert_with_cms(image, profile, None))

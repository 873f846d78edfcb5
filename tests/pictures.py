"""Pictures for tests of files."""

import numpy as np
from PIL import Image


def save_picture(path, width=24, height=16, mode="RGB", seed=0, **options):
    """A smooth picture with some noise, of any Pillow mode that RGB converts to."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    color = np.stack([x, 0.5 + 0.5 * np.sin(5 * y + seed), 1 - x * y], -1)
    pixels = np.clip(255 * color + rng.normal(0, 5, color.shape), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path

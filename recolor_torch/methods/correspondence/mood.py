"""The mood of references: the colors that a picture has as a whole, where nothing matches closely."""

import torch
from torch import Tensor

from recolor_torch.guide import Reference
from recolor_torch.methods.color_maps import monge_kantorovich_map


def in_mood(luminance: Tensor, chroma: Tensor, references: tuple[Reference, ...], share: float) -> Tensor:
    """Chroma moved so that mean and covariance of the picture's colors come nearer to those of references.

    The linear map that moves colors least (Pitié and Kokaram 2007) is made for luminance and chroma together, so that
    lights and shadows take the colors that they have in the references. Luminance itself stays.

    Args:
        luminance: (B, 1, H, W).
        chroma: (B, 2, H, W).
        references: YUV pictures of any size; those of weight 0 do not count.
        share: of the way to the references' mean and covariance, 0 to 1.

    Returns:
        Chroma, (B, 2, H, W).
    """
    counted = tuple(r for r in references if r.weight > 0)
    if not counted or share == 0:
        return chroma
    picture = torch.cat((luminance, chroma), 1)
    moved = monge_kantorovich_map(Reference(picture), counted).apply(picture)[:, 1:]
    return torch.lerp(chroma, moved, share)

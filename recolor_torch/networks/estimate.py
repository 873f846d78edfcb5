"""What a colorization network answers."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """The answer of a network; what it does not give is ``None``.

    Args:
        logits: of the distribution over the 313 ab bins, (B, 313, H / 4, W / 4).
        chroma: the mean U and V, the guess of the least error, (B, 2, H, W).
        vivid: U and V as colorful as photographs are, (B, 2, H, W).
        scene: logits of the kinds of scenes that the network tells apart, (B, N).
        tone: the gain and the offset that make luminance of an input that is none (near infrared), (B, 2, H, W).
        features: what the decoder makes of each place, (B, C, H / 8, W / 8).
        given: the hints that it was given, (B, 2, H, W), and their confidence, (B, 1, H, W).
    """

    logits: Tensor | None
    chroma: Tensor | None
    vivid: Tensor | None = None
    scene: Tensor | None = None
    tone: Tensor | None = None
    features: Tensor | None = None
    given: tuple[Tensor, Tensor] | None = None

    def luminance(self, given: Tensor) -> Tensor:
        """Y, (B, 1, H, W) in [0, 1]: the input itself, or what ``tone``, enlarged to its size, makes of it."""
        if self.tone is None:
            return given
        tone = self.tone.to(given)
        if tone.shape[-2:] != given.shape[-2:]:
            tone = F.interpolate(tone, size=given.shape[-2:], mode="bilinear", align_corners=False)
        return (tone[:, :1] * given + tone[:, 1:]).clamp(0, 1)


# So that torch.export, torch.func and the like look inside.
torch.export.register_dataclass(Estimate, serialized_type_name="recolor_torch.Estimate")

"""What a recolored picture is measured by: content, style, smoothness, luminance."""

from recolor_torch.losses.content import content_loss, luminance_loss
from recolor_torch.losses.smoothness import total_variation
from recolor_torch.losses.style import style_loss, weighted_gram

__all__ = ["content_loss", "luminance_loss", "style_loss", "total_variation", "weighted_gram"]

"""How good results are: colour differences to the truth."""

from recolor_torch.evaluation.color_difference import ciede2000, color_error, psnr

__all__ = ["ciede2000", "color_error", "psnr"]

"""How good results are: metrics, and their evaluation over many pictures."""

from recolor_torch.color.difference import ciede2000, color_error, psnr
from recolor_torch.evaluation.metrics import METRICS, Metric, chroma_psnr, colorfulness, score, ssim

__all__ = ["METRICS", "Metric", "chroma_psnr", "ciede2000", "color_error", "colorfulness", "psnr", "score", "ssim"]

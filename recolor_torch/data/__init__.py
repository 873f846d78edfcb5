"""From files to batches. ``datamodule`` is imported by its own name: it brings Lightning with it."""

from recolor_torch.data.pictures import Picture, PictureError, PictureInfo, probe, read_picture

__all__ = ["Picture", "PictureError", "PictureInfo", "probe", "read_picture"]

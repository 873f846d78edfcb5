"""Picture files: to tensors and back, with all that a file says beside its pixels."""

from recolor_torch.pictures.read import Picture, PictureError, PictureInfo, probe, read_picture
from recolor_torch.pictures.write import copy_unchanged, write_picture

__all__ = ["Picture", "PictureError", "PictureInfo", "copy_unchanged", "probe", "read_picture", "write_picture"]

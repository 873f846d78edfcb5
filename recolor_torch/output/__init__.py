from recolor_torch.output.pictures import copy_unchanged, write_picture

__all__ = ["copy_unchanged", "write_picture"]

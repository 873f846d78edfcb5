from recolor_torch.output.pictures import copy_unchanged, output_suffix, write_picture

__all__ = ["copy_unchanged", "output_suffix", "write_picture"]

"""The gallery: pictures on disk, found again by what they look like. faiss is imported here and nowhere else."""

from recolor_torch.gallery.descriptor import Descriptor, DescriptorSpec, make_spec
from recolor_torch.gallery.gallery import Gallery, Match
from recolor_torch.gallery.header import GalleryDamaged, Header

__all__ = ["Descriptor", "DescriptorSpec", "Gallery", "GalleryDamaged", "Header", "Match", "make_spec"]

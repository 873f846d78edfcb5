"""Colors carried from a reference along dense matches of deep features."""

from recolor_torch.methods.correspondence.method import Correspondence, propagate_estimate
from recolor_torch.methods.correspondence.search import Networks, find_candidates

__all__ = ["Correspondence", "Networks", "find_candidates", "propagate_estimate"]

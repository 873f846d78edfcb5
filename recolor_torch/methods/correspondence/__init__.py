"""Colors carried from a reference along dense matches of deep features."""

from recolor_torch.methods.correspondence.method import Correspondence, propagate_estimate
from recolor_torch.methods.correspondence.search import Networks, describe_places, find_candidates

__all__ = ["Correspondence", "Networks", "describe_places", "find_candidates", "propagate_estimate"]

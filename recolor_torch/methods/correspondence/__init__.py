"""Colors carried from a reference along dense matches of deep features."""

from recolor_torch.methods.correspondence.method import Correspondence, find_candidates, propagate_estimate

__all__ = ["Correspondence", "find_candidates", "propagate_estimate"]

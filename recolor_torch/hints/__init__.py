"""Hints: colors that a person gives, as points, strokes, an overlay or a marked copy."""

from recolor_torch.hints.read import HintError, Hints, encode_hints, read_hints

__all__ = ["HintError", "Hints", "encode_hints", "read_hints"]

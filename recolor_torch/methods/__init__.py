"""Methods by name. ``METHODS`` is the registration: the command line, the configs and the contract tests read it."""

from typing import Any

from recolor_torch.guide import Guide, Reference
from recolor_torch.methods.base import Recolorizer
from recolor_torch.methods.correspondence import Correspondence
from recolor_torch.methods.gram import GramTransfer
from recolor_torch.methods.histogram import HistogramTransfer
from recolor_torch.methods.levin import LevinColorization
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.methods.poisson import PoissonMerging
from recolor_torch.methods.semi_interactive import SemiInteractive
from recolor_torch.methods.wavelet import WaveletMerging

METHODS: dict[str, type[Recolorizer]] = {
    "correspondence": Correspondence,
    "gram": GramTransfer,
    "histogram": HistogramTransfer,
    "levin": LevinColorization,
    "network": NetworkColorization,
    "poisson": PoissonMerging,
    "semi_interactive": SemiInteractive,
    "wavelet": WaveletMerging,
}

__all__ = [
    "METHODS",
    "Correspondence",
    "GramTransfer",
    "Guide",
    "HistogramTransfer",
    "LevinColorization",
    "NetworkColorization",
    "PoissonMerging",
    "Recolorizer",
    "Reference",
    "SemiInteractive",
    "WaveletMerging",
    "build_method",
    "method_name",
]


def build_method(name: str, **settings: Any) -> Recolorizer:
    """The method called ``name`` with these settings.

    Raises:
        ValueError: there is no such method; the message lists the known ones.

    Example:
        >>> build_method("histogram", mode="rgb").space
        'rgb'
    """
    if name not in METHODS:
        raise ValueError(f"Unknown method {name!r}. Known methods: {', '.join(sorted(METHODS))}.")
    return METHODS[name](**settings)


def method_name(method: Recolorizer) -> str:
    """The name under which the class of ``method`` is registered, or its class name."""
    for name, cls in METHODS.items():
        if type(method) is cls:
            return name
    return type(method).__name__

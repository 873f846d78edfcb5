"""Methods by name. ``METHODS`` is the registration: the command line, the configs and the contract tests read it."""

from typing import Any

from recolor_torch.guide import Guide, Reference
from recolor_torch.methods.base import Recolorizer
from recolor_torch.methods.by_path import method_by_path
from recolor_torch.methods.correspondence import Correspondence
from recolor_torch.methods.gram import GramTransfer
from recolor_torch.methods.histogram import HistogramTransfer
from recolor_torch.methods.levin import LevinColorization, spread_chroma
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
    "choose_method",
    "find_method",
    "method_name",
    "name_of",
    "spread_chroma",
]


def build_method(name: str, **settings: Any) -> Recolorizer:
    """The method called ``name`` with these settings.

    Args:
        name: as in ``METHODS``, or the class path of a method of one's own, as ``my_module.MyMethod``.
        settings: of its constructor.

    Raises:
        ValueError: there is no such method; the message lists the known ones.

    Example:
        >>> build_method("histogram", mode="rgb").space
        'rgb'
    """
    return find_method(name)(**settings)


def find_method(name: str) -> type[Recolorizer]:
    """The class of a method, by its name or its class path; a module is also looked for in the current folder.

    Raises:
        ValueError: there is no such method; the message lists the known ones.
    """
    if name in METHODS:
        return METHODS[name]
    return method_by_path(name, METHODS)


def choose_method(references: bool, hints: bool) -> str:
    """The name of the method for what is given, where none is named.

    Args:
        references: there are references, or a gallery.
        hints: there are hints.
    """
    if references:
        return "semi_interactive" if hints else "correspondence"
    return "network"  # hints correct its estimate


def name_of(cls: type[Recolorizer]) -> str:
    """The name under which a class of methods is registered, or its class name."""
    return next((name for name, known in METHODS.items() if cls is known), cls.__name__)


def method_name(method: Recolorizer) -> str:
    """The name under which the class of ``method`` is registered, or its class name."""
    return name_of(type(method))

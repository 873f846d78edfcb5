"""The methods that color by references alone: any of them can make what hints then correct."""

from recolor_torch.methods.base import Recolorizer
from recolor_torch.methods.by_path import method_by_path
from recolor_torch.methods.correspondence import Correspondence
from recolor_torch.methods.gram import GramTransfer
from recolor_torch.methods.histogram import HistogramTransfer
from recolor_torch.methods.wavelet import WaveletMerging

TRANSFERS: dict[str, type[Recolorizer]] = {
    "correspondence": Correspondence,
    "gram": GramTransfer,
    "histogram": HistogramTransfer,
    "wavelet": WaveletMerging,
}

# Methods that take hints: named here, because a person who asks for one of them means a method that there is.
_WITH_HINTS = ("levin", "network", "poisson", "semi_interactive")


def find_transfer(name: str) -> type[Recolorizer]:
    """The class of such a method, by its name or its class path.

    Raises:
        ValueError: there is no such method, or it needs something else than references.
    """
    if name not in _WITH_HINTS:
        cls = TRANSFERS[name] if name in TRANSFERS else method_by_path(name, [*TRANSFERS, *_WITH_HINTS])
        if cls.needs == ("reference",):
            return cls
    raise ValueError(f"transfer must be a method that needs a reference alone, got {name!r}.")

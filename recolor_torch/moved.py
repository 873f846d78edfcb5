"""Modules under their old names, for configs and code of users, until the next release.

Importing an old name gives the module that took its place and a ``DeprecationWarning`` with the new name.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_HOME = "recolor_torch."

# Old module: new module, both below recolor_torch.
MOVED = {
    "data": "pictures",
    "data.batches": "run.batches",
    "data.cms": "pictures.cms",
    "data.datamodule": "lit.datamodule",
    "data.decode": "pictures.decode",
    "data.depth": "pictures.depth",
    "data.formats": "pictures.formats",
    "data.gallery": "gallery.upkeep",
    "data.gallery_batches": "lit.gallery_batches",
    "data.hint_folder": "run.hint_folder",
    "data.hint_marks": "hints.marks",
    "data.hint_shapes": "hints.shapes",
    "data.hint_simulation": "hints.simulation",
    "data.hints": "hints.read",
    "data.icc": "pictures.icc",
    "data.info": "pictures.info",
    "data.metadata": "pictures.metadata",
    "data.opening": "pictures.opening",
    "data.pictures": "pictures.read",
    "data.plan": "run.plan",
    "data.record": "run.record",
    "data.retrieval": "run.retrieval",
    "data.sequences": "run.sequences",
    "data.targets": "run.targets",
    "data.tiff": "pictures.tiff",
    "data.training": "training.data",
    "evaluation.color_difference": "color.difference",
    "lit.adversarial": "training.adversarial",
    "lit.colorization": "training.colorization",
    "lit.samples": "training.samples",
    "methods.correspondence_confidence": "methods.correspondence.confidence",
    "methods.correspondence_features": "methods.correspondence.features",
    "methods.correspondence_gate": "methods.correspondence.gate",
    "methods.correspondence_match": "methods.correspondence.match",
    "methods.gram_descent": "methods.gram.descent",
    "methods.gram_lbfgs": "methods.gram.lbfgs",
    "methods.gram_objective": "methods.gram.objective",
    "methods.gram_region": "methods.gram.region",
    "methods.gram_start": "methods.gram.start",
    "methods.gram_tiles": "methods.gram.tiles",
    "methods.levin_sequence": "methods.levin.sequence",
    "output": "pictures",
    "output.atomic": "files",
    "output.encode": "pictures.encode",
    "output.error_map": "plots.error_map",
    "output.hint_plots": "plots.hint_plots",
    "output.loss_plots": "plots.loss_plots",
    "output.page": "plots.page",
    "output.pictures": "pictures.write",
    "output.plots": "plots.figures",
    "output.retrieval_sheet": "plots.retrieval_sheet",
    "output.score_plots": "plots.score_plots",
    "output.sheets": "plots.sheets",
    "output.writer": "lit.writer",
}


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.removeprefix(_HOME) not in MOVED or not fullname.startswith(_HOME):
            return None
        return ModuleSpec(fullname, self, is_package=fullname.count(".") == 1)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = _HOME + MOVED[spec.name.removeprefix(_HOME)]
        warnings.warn(f"{spec.name} is now {new}; the old name goes with the next release.", DeprecationWarning, 2)
        module = import_module(new)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system wrote the old name's spec over the module's own.
        module.__spec__ = self._spec


def install() -> None:
    """Let the old names be imported; called once, with the package."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())

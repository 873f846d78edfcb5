"""Which file of hints belongs to which target."""

import os
import unicodedata
from pathlib import Path

from PIL import Image

from recolor_torch.errors import UsageError
from recolor_torch.paths import is_folder, show_path
from recolor_torch.run.targets import Target

DOUBLE = "several files hold hints for it"


class HintFinder:
    """Finds the hints of each target.

    Args:
        hints: a file for the only target, a folder with a file of the same stem for each, or None.
        targets: all targets; one that names its own hints keeps them.
        optional: targets without hints are no mistake, as long as one has some.

    Raises:
        UsageError: one file for several targets, or a folder that has hints for none of them.
    """

    def __init__(self, hints: Path | None, targets: list[Target], optional: bool = False) -> None:
        self.hints, self.optional = hints, optional
        self.by_stem: dict[Path, list[Path]] = {}
        if hints is None:
            return
        if not is_folder(hints):
            if len(targets) > 1:
                raise UsageError(
                    f"{hints} is one file of hints for {len(targets)} targets: "
                    "name a folder with a file of the same stem for each."
                )
            return
        suffixes = {".json", *Image.registered_extensions()}
        for file in sorted(hints.rglob("*")):
            if file.suffix.lower() in suffixes and not file.name.startswith(".") and os.path.isfile(file):
                stem = _stem(file.relative_to(hints))
                # The studio writes old.hints.json for old.jpg.
                stem = stem.with_suffix("") if stem.suffix == ".hints" else stem
                self.by_stem.setdefault(stem, []).append(file)
        found = [self.find(target) for target in targets]
        if not any(file for file, _ in found):
            doubled = next(
                (f"{show_path(t.path)}: {why}" for t, (_, why) in zip(targets, found) if why and DOUBLE in why), ""
            )
            example = show_path(targets[0].path.stem)
            raise UsageError(
                f"{doubled}: keep one of them."
                if doubled
                else f"{show_path(hints)}: no file in this folder has the stem of a target, such as {example}."
            )

    def find(self, target: Target) -> tuple[Path | None, str | None]:
        """The target's hints, or None with a clause that says why, or None twice where it needs none."""
        if target.hints is not None or self.hints is None:
            return target.hints, None
        if not is_folder(self.hints):
            return self.hints, None
        # The same place in the tree comes before the top of the folder.
        for stem in (_stem(target.relative), _stem(Path(target.relative.name))):
            files = [f for f in self.by_stem.get(stem, []) if f.absolute() != target.path.absolute()]
            if len(files) > 1:
                return None, f"{DOUBLE}: {', '.join(map(show_path, files))}"
            if files:
                return files[0], None
        if self.optional:
            return None, None
        return (
            None,
            f"there are no hints for it in {show_path(self.hints)}, "
            f"where a file named {show_path(target.relative.stem)}.* would hold them",
        )


def _stem(relative: Path) -> Path:
    """The name without its suffix, as one system writes letters with accents: others write them in two signs."""
    return Path(unicodedata.normalize("NFC", str(relative.with_suffix(""))))

"""Which file of hints belongs to which target."""

from pathlib import Path

from PIL import Image

from recolor_torch.errors import UsageError
from recolor_torch.run.targets import Target


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
        if not hints.is_dir():
            if len(targets) > 1:
                raise UsageError(
                    f"{hints} is one file of hints for {len(targets)} targets: "
                    "name a folder with a file of the same stem for each."
                )
            return
        suffixes = {".json", *Image.registered_extensions()}
        for file in sorted(hints.rglob("*")):
            if file.suffix.lower() in suffixes and not file.name.startswith(".") and file.is_file():
                self.by_stem.setdefault(file.relative_to(hints).with_suffix(""), []).append(file)
        if not any(self.find(target)[0] for target in targets):
            raise UsageError(
                f"{hints}: no file in this folder has the stem of a target, such as {targets[0].path.stem}."
            )

    def find(self, target: Target) -> tuple[Path | None, str | None]:
        """The target's hints, or None with a clause that says why, or None twice where it needs none."""
        if target.hints is not None or self.hints is None:
            return target.hints, None
        if not self.hints.is_dir():
            return self.hints, None
        # The same place in the tree comes before the top of the folder.
        for stem in (target.relative.with_suffix(""), Path(target.relative.stem)):
            files = [f for f in self.by_stem.get(stem, []) if f.absolute() != target.path.absolute()]
            if len(files) > 1:
                return None, f"several files hold hints for it: {', '.join(map(str, files))}"
            if files:
                return files[0], None
        if self.optional:
            return None, None
        return (
            None,
            f"there are no hints for it in {self.hints}, where a file named {target.relative.stem}.* would hold them",
        )

"""The folder beside an output where the parts of a film wait for each other."""

import json
import shutil
from pathlib import Path
from typing import Any

from recolor_torch.files import write_atomically
from recolor_torch.text import parse_json

# To be raised whenever the files in a work folder change in what they hold or mean (parts, what a part hands to the
# next, the scan): a folder of another format is emptied, for its parts would not fit to those that come.
WORK_FORMAT = 6


class WorkFolder:
    """The folder beside an output where a film's parts wait for each other; a later run with the same key resumes it.

    Args:
        output: the finished film.
        key: what the parts depend on; another key empties the folder.
    """

    def __init__(self, output: Path, key: str) -> None:
        self.path, self.key = output.with_name(f".{output.name}.recolor-work"), key

    def __enter__(self) -> Path:
        note = self.path / "key.json"
        wanted = {"format": WORK_FORMAT, "key": self.key}
        try:
            same = parse_json(note.read_text(encoding="utf-8")) == wanted
        except (OSError, ValueError):
            same = False
        if not same:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(parents=True, exist_ok=True)
            with write_atomically(note) as part:
                part.write_text(json.dumps(wanted), encoding="utf-8")
        for stale in self.path.rglob("*.tmp"):
            stale.unlink()
        return self.path

    def __exit__(self, *error: Any) -> None:
        if error[0] is None or {f.name for f in self.path.iterdir()} <= {"key.json"}:  # nothing to go on from
            shutil.rmtree(self.path, ignore_errors=True)

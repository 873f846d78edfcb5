"""Whether a result was made as a run would make it: by the same method, settings and kinds of guidance.

A file that changed under its name (a target, a stroke file, a gallery) asks for the result again. Another method,
setting or reference is another recipe, whose result is not replaced unless the user says so.
"""

from typing import Any, NamedTuple

# Methods that pictures with hints and without are given where the user names none.
CORRECTIONS = {("network", "network"), ("correspondence", "semi_interactive")}

_ALIKE = ("target_color", "keep", "strength", "max_side")


class KeptResult(NamedTuple):
    """An output that is left as it is.

    Attributes:
        output: its file.
        target: what it would be made from.
        reason: a clause.
        changed: it is no result that the record knows, or not as it was written.
    """

    output: Any
    target: Any
    reason: str
    changed: bool


def other_recipe(line: dict[str, Any], planned: dict[str, Any]) -> str | None:
    """How a result was made otherwise than planned, as a clause; None where it may be made again.

    Hints and a text are corrections: a result that was made without is replaced by one with them, all else being equal.

    Args:
        line: of the run record.
        planned: the line that the run would write, as JSON gives it back.
    """
    old, new = line.get("method"), planned.get("method")
    corrected = line.get("hints") is None and planned.get("hints") is not None
    if old != new and old is not None and not (corrected and (old, new) in CORRECTIONS):
        return f"was made by {old}"
    if line.get("hints") is not None and planned.get("hints") is None:
        return "was made with hints"
    if line.get("hints") and not _same_file(line["hints"], planned["hints"]):
        return "was made with other hints"
    text = line.get("text")  # a correction too
    if text is not None and text.get("words") != (planned.get("text") or {}).get("words"):
        return "was made with another text" if planned.get("text") else "was made with a text"
    if old == new and (name := _differs(line.get("parameters"), planned.get("parameters"))):
        return f"was made with another {name}"
    for name in _ALIKE:
        if name in line and name in planned and line[name] != planned[name]:
            return f"was made with another {name.replace('_', ' ')}"
    if not _same_references(line, planned):
        return "was made from other references"
    if line.get("target_mask") != planned.get("target_mask") and "target_mask" in line:
        return "was made with another mask"
    return None


def _differs(old: Any, new: Any) -> str | None:
    """The first setting that both have and that differs; one that a version does not know has no say."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return None
    return next((key for key in old if key in new and old[key] != new[key]), None)


def _same_references(line: dict[str, Any], planned: dict[str, Any]) -> bool:
    old, new = line.get("references"), planned.get("references")
    if not isinstance(old, list) or not isinstance(new, list):
        return True
    galleries = line.get("found"), planned.get("found")
    if all(galleries) or (galleries[0] is None and galleries[1]):
        return True  # what a gallery finds is its content
    if bool(galleries[0]) != bool(galleries[1]) or len(old) != len(new):
        return False
    return all(_same_file(a, b) and a.get("weight") == b.get("weight") for a, b in zip(old, new))


def _same_file(old: Any, new: Any) -> bool:
    """Whether two entries name one file, or one content."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return old == new
    same = old.get("sha256") is not None and old.get("sha256") == new.get("sha256")
    return same or old.get("path") == new.get("path")

"""What is said of a part of a film: its references, and what of a text was not found on its frames."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from recolor_torch.files import write_atomically
from recolor_torch.text import parse_json

# Share of the frames that were looked at from which on a sentence is said. What is found on fewer is not colored, and
# what is missing on fewer is (``SOME`` and ``WHOLE`` in ``film/joining.py``).
HOLDS = 0.25
# Shots that a sentence names.
_MOST_NAMED = 8


@dataclass
class Said:
    """What is said of a part.

    Args:
        references: that it was matched with, by name.
        looks: frames on which the things of a text were looked for.
        missing: sentences on what was not found, and on how many of them.
    """

    references: list[str] = field(default_factory=list)
    looks: int = 0
    missing: dict[str, int] = field(default_factory=dict)

    def look(self, sentences: Iterable[str]) -> None:
        """Count a frame."""
        self.looks += 1
        self.missing = dict(Counter(self.missing) + Counter(sentences))

    def holds(self) -> list[str]:
        """The sentences that are true of so many frames of the part that they are said."""
        return [sentence for sentence, count in self.missing.items() if count > HOLDS * self.looks]

    def save(self, folder: Path, index: int) -> None:
        """Keep it beside the part."""
        with write_atomically(_path(folder, index)) as file:
            file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, index: int) -> "Said":
        """What was said of a part that is done."""
        try:
            return cls(**parse_json(_path(folder, index).read_text(encoding="utf-8")))
        except OSError:
            return cls()


def _path(folder: Path, index: int) -> Path:
    return folder / f"said-{index:05d}.json"


def film_notes(shots: Sequence[Sequence[Said]]) -> list[str]:
    """What is said of a film: the sentences, with the shots and the count of frames where these are not all.

    Args:
        shots: for each shot what is said of its parts.

    Example:
        >>> film_notes([[Said([], 9, {"No dress was found.": 8})], [Said([], 9, {})]])
        ['No dress was found (shot 0, on 8 of 9 frames that were looked at).']
    """
    where: dict[str, dict[int, Said]] = {}
    for number, parts in enumerate(shots):
        whole = Said(looks=sum(p.looks for p in parts))
        for part in parts:
            whole.missing = dict(Counter(whole.missing) + Counter(part.missing))
        for sentence in whole.holds():
            where.setdefault(sentence, {})[number] = whole
    notes = []
    for sentence, found in where.items():
        count, looks = sum(s.missing[sentence] for s in found.values()), sum(s.looks for s in found.values())
        facts = [] if len(found) == len(shots) else [_shots(list(found))]
        facts += [] if count == looks else [f"on {count} of {looks} frames that were looked at"]
        notes.append(f"{sentence.removesuffix('.')} ({', '.join(facts)})." if facts else sentence)
    return notes


def _shots(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"shot {numbers[0]}"
    *first, last = map(str, numbers[:_MOST_NAMED])
    more = len(numbers) - _MOST_NAMED
    return f"shots {', '.join([*first, last])} and {more} more" if more > 0 else f"shots {', '.join(first)} and {last}"

"""The parts in which a film is worked on."""

from dataclasses import dataclass

from recolor_torch.film.shots import Shot

# Most frames of a shot that are worked on at a time; longer shots are cut where a frame's colors are given, or here.
LONGEST_PART = 400


@dataclass(frozen=True)
class Part:
    """Frames ``start`` to ``end - 1`` of a shot; ``opens`` says whether the shot begins with them."""

    start: int
    end: int
    shot: Shot
    opens: bool

    def __len__(self) -> int:
        return self.end - self.start


def plan_parts(shots: list[Shot], exact: list[int], longest: int = LONGEST_PART) -> list[Part]:
    """Shots, the long ones cut: after a frame whose colors are given where there is one, since little passes it."""
    parts = []
    for shot in shots:
        start = shot.start
        while start < shot.end:
            end = min(start + longest, shot.end)
            if end < shot.end:
                inside = [t + 1 for t in exact if start + longest // 4 <= t < end]
                end = inside[-1] if inside else end
            parts.append(Part(start, end, shot, start == shot.start))
            start = end
    return parts


def by_shot(parts: list[Part]) -> list[list[int]]:
    """The numbers of the parts of each shot, which follow each other."""
    shots: list[list[int]] = []
    for i, part in enumerate(parts):
        if part.opens:
            shots.append([])
        shots[-1].append(i)
    return shots

"""Weights of wavelet merging: the vector itself, or a schedule by name."""

import math
from collections.abc import Sequence

from recolor_torch.filters import max_levels


def schedule_weights(
    schedule: str | Sequence[float], size: tuple[int, int], wavelet: str = "haar"
) -> tuple[float, ...]:
    r"""The vector :math:`\lambda`, from the coarsest approximation to the finest detail, for pictures of ``size``.

    Args:
        schedule: the vector itself; or ``hard:d``, d components of which the first is 0 and the rest 1; or
            ``linear:a,s``, :math:`\lambda_i = \min(1, a + i s)` for as many levels as the size allows. Named
            schedules are cut at that many (down to the first number alone), a vector that is too long is refused.
        size: height and width.
        wavelet: a discrete wavelet of PyWavelets by name.

    Returns:
        Levels + 1 numbers in [0, 1].

    Raises:
        ValueError: the schedule cannot be read, a weight lies outside [0, 1], or the size allows fewer levels.

    Example:
        >>> schedule_weights("hard:3", (480, 640)), schedule_weights("linear:0.25,0.5", (8, 8))
        ((0.0, 1.0, 1.0), (0.25, 0.75, 1.0, 1.0))
    """
    most = max_levels(size, wavelet)
    if not isinstance(schedule, str):
        weights = check_weights(schedule)
        if len(weights) > most + 1:
            raise ValueError(
                f"{len(weights)} weights ask for {len(weights) - 1} levels, but {size[0]} x {size[1]} pixels "
                f"(height x width) have room for {most} of {wavelet!r}."
            )
        return weights
    kind, numbers = read_schedule(schedule)
    if kind == "hard":
        return (0.0, *[1.0] * min(int(numbers[0]) - 1, most))
    return tuple(min(1.0, numbers[0] + i * numbers[1]) for i in range(most + 1))


def check_weights(weights: Sequence[float]) -> tuple[float, ...]:
    """``weights`` as floats; ``ValueError`` where there is none or one lies outside [0, 1]."""
    values = tuple(float(w) for w in weights)
    if not values:
        raise ValueError("Merging needs a weight or more, coarsest first, got none.")
    wrong = [v for v in values if not 0 <= v <= 1]
    if wrong:
        raise ValueError(f"Merging weights must lie in [0, 1], got {wrong[0]:g}.")
    return values


def read_schedule(text: str) -> tuple[str, tuple[float, ...]]:
    """Kind and numbers of a named schedule; ``ValueError`` with the known forms where it is none."""
    kind, _, rest = text.partition(":")
    try:
        numbers = tuple(float(x) for x in rest.split(","))
    except ValueError:
        numbers = ()
    if kind == "hard" and len(numbers) == 1 and numbers[0] >= 2 and numbers[0].is_integer():
        return kind, numbers
    if kind == "linear" and len(numbers) == 2 and 0 <= numbers[0] <= 1 and 0 <= numbers[1] < math.inf:
        return kind, numbers
    raise ValueError(
        f"Unknown schedule {text!r}. Known: hard:d with d components, 2 or more; "
        "linear:a,s with 0 <= a <= 1 and s >= 0."
    )

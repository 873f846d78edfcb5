"""Progress on the terminal: one form for every verb."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bar(Progress):
    """A bar that writes nothing at all where it is off: older versions of rich end with an empty line there."""

    def stop(self) -> None:
        """Stop the display, if there is one."""
        if not self.disable:
            super().stop()


def progress_bar(console: Console, shown: bool = True) -> Bar:
    """A bar with what is done, the time since the start and the time that is left, each with its word.

    Args:
        console: where it is shown; nothing is on one that is quiet or no terminal.
        shown: show it at all.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("so far,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    return Bar(*columns, console=console, disable=not shown or not console.is_terminal or console.quiet)

"""What a run says on the terminal: its plan, progress, errors, lines of JSON, and the closing line."""

import sys
from typing import Any

from rich.console import Console

from recolor_torch.cli.progress import progress_bar
from recolor_torch.cli.terminal import print_json
from recolor_torch.methods import Recolorizer
from recolor_torch.methods.words import text_notes
from recolor_torch.paths import printable, show_path
from recolor_torch.resize import working_size
from recolor_torch.run.description import Coloring
from recolor_torch.run.duration import estimate_seconds, in_words
from recolor_torch.run.memory import estimate_memory
from recolor_torch.run.plan import Job, Plan, kept_sentences
from recolor_torch.text_guidance.phrases import parse


class Reporter:
    """Shows progress and says what failed.

    Args:
        console: where progress is shown.
        total: targets to do.
        as_json: print each line of the record.
        slow: the method tells how much of a batch is done.
        once: notes that all targets have, which are said with the first; those of references are too.
    """

    def __init__(
        self, console: Console, total: int, as_json: bool, slow: bool = False, once: tuple[str, ...] = ()
    ) -> None:
        self.console = console
        self.once, self.said = frozenset(once), set[str]()
        self.as_json = as_json
        self.shown = console.is_terminal and not console.quiet and (total > 1 or (slow and total > 0))
        self.progress = progress_bar(console, self.shown)
        self.task = self.progress.add_task("Coloring", total=total)

    def on_progress(self, share: float) -> None:
        """Say how much of a batch is done; slow methods tell."""
        self.progress.update(self.task, description=f"Coloring ({share:.0%} of this batch)")

    def on_entry(self, entry: dict[str, Any]) -> None:
        """Advance the bar; print errors, notes, and the entry where JSON is wanted."""
        self.progress.advance(self.task)
        if self.as_json:
            print_json(entry)
        if entry["error"]:
            sys.stderr.write(f"{printable(entry['error'])}\n")
        else:
            for note in entry["notes"]:
                if self.console.quiet or note in self.said:
                    continue
                shared = any(note.startswith(f"{show_path(r['path'])}: ") for r in entry["references"])
                if note in self.once or shared:
                    self.said.add(note)
                    sys.stderr.write(printable(note) + "\n")
                else:
                    sys.stderr.write(printable(f"{entry['target']}: {note}") + "\n")


def say_kept(plan: Plan, as_json: bool = False, quiet: bool = False) -> None:
    """Say which outputs are left as they are: once for each reason, or each as a line of JSON."""
    if as_json:
        for kept in plan.kept:
            print_json(
                {"status": "kept", "target": str(kept.target), "output": str(kept.output), "reason": kept.reason}
            )
    if not quiet:
        for sentence in kept_sentences(plan):
            sys.stderr.write(f"{sentence}\n")


def say_text(text: str) -> None:
    """Say what a text was understood as."""
    said = parse(text)
    for phrase in said.phrases:
        print(printable(f"text  '{phrase.text}' colors what is found as {phrase.thing}"))
    for note in text_notes(said):
        sys.stderr.write(printable(note) + "\n")


def say_plan(plan: Plan, method: Recolorizer, name: str, coloring: Coloring, as_json: bool) -> None:
    """Say what would be done, at which size and with how much memory."""
    for job, done in [(j, False) for j in plan.jobs] + [(j, True) for j in plan.skipped]:
        entry = _plan_entry(job, done, method, coloring)
        if as_json:
            print_json(entry)
        elif done:
            print(f"skip  {show_path(job.target)} -> {show_path(job.output)}  (finished)")
        elif job.info is None:
            print(f"fail  {show_path(job.target)}  (cannot be read)")
        else:
            working = "x".join(str(n) for n in reversed(entry["working_size"]))
            print(
                f"do    {show_path(job.target)} -> {show_path(job.output)}  {job.info.width}x{job.info.height}, "
                f"worked on at {working}, about {entry['memory_mb']} MB"
            )
    seconds = estimate_seconds(plan.jobs, method, coloring.max_side)
    if as_json:
        print_json({"summary": {"to_do": len(plan.jobs), "finished": len(plan.skipped), "seconds": round(seconds, 1)}})
    else:
        about = f" It would take about {in_words(seconds)} on one core." if plan.jobs else ""
        print(f"{len(plan.jobs)} to do, {len(plan.skipped)} finished, by {name}; nothing was written.{about}")


def _plan_entry(job: Job, done: bool, method: Recolorizer, coloring: Coloring) -> dict[str, Any]:
    entry: dict[str, Any] = {"target": str(job.target), "output": str(job.output), "finished": done}
    if job.info is not None:
        height, width = job.info.height, job.info.width
        size = working_size(height, width, method.working_side(coloring.max_side))
        total = estimate_memory(job, method, coloring.max_side)
        entry |= {"width": width, "height": height, "working_size": size, "memory_mb": round(total / 1e6)}
    return entry

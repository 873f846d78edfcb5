"""Streaming results to disk: each picture is written and recorded as soon as its batch is done."""

import time
from pathlib import Path
from typing import Any

from torch import Tensor

import recolor_torch
from recolor_torch.errors import UsageError
from recolor_torch.files import file_hash, remove_stale_parts, write_bytes_atomically
from recolor_torch.paths import failure, is_folder, reason, show_path
from recolor_torch.pictures.read import Picture, PictureError, Scan
from recolor_torch.pictures.write import BeforeReplace, copy_unchanged, write_picture, write_rows
from recolor_torch.run import record
from recolor_torch.run.batches import HARDLY_ANY, Result
from recolor_torch.run.finished import planned_line
from recolor_torch.run.large import NotNumbers
from recolor_torch.run.plan import Plan


class ResultWriter:
    """Writes each result under its job's output path and a line about it into ``run.jsonl``.

    Everything is keyed by path, and nothing is kept.

    Args:
        settings: what the record says of the method (``describe_method``).
        save_stages: write intermediate results too, into a folder ``NAME.stages`` beside each output.
    """

    def __init__(self, settings: dict[str, Any], save_stages: bool = False) -> None:
        self.settings = settings
        self.save_stages = save_stages

    def write(self, result: Result) -> dict[str, Any]:
        """Write a result; its line goes into the record just before the file takes its name.

        So a file under its name is always one that the record knows, whatever moment a kill comes at.
        """
        start = time.perf_counter()
        entry: dict[str, Any] = {}

        def note(part: Path, lost: tuple[str, ...]) -> None:
            entry.update(self._entry(result, None, result.seconds + time.perf_counter() - start))
            entry["notes"] += lost
            entry.update(bytes=part.stat().st_size, mtime_ns=part.stat().st_mtime_ns)
            entry["output_sha256"] = file_hash(part)
            record.append(result.job.folder, entry)

        error = result.error or self._try_to_write(result, note)
        if error:
            entry = self._entry(result, error, result.seconds + time.perf_counter() - start)
            try:
                record.append(result.job.folder, entry)
            except OSError as refused:
                # Without a record nothing that follows could be found again.
                path = result.job.folder / record.NAME
                raise UsageError(f"{path}: cannot write the run record ({refused.strerror}).") from refused
        return entry

    def _try_to_write(self, result: Result, note: BeforeReplace) -> str | None:
        job, picture = result.job, result.picture
        assert picture is not None
        try:
            if result.copy:
                copy_unchanged(job.target, job.output, picture, before_replace=note)
                return None
            if result.large is not None:
                self._write_large(result, picture, note)
                return None
            assert result.image is not None
            if not bool(result.image.isfinite().all()):
                return f"{show_path(job.target)}: the result has values that are not numbers."
            if self.save_stages:
                self._write_stages(result)
            more = {"description": self._description(result), "kept": result.kept, "before_replace": note}
            write_picture(job.output, result.image, picture, **more)  # type: ignore[arg-type]
        except (PictureError, NotNumbers) as error:
            return str(error)
        except UsageError:
            raise  # the run record cannot be written: nothing that follows could be found again
        except Exception as error:  # noqa: BLE001 # whatever it is, it concerns this result alone
            return failure(job.output, error)
        return None

    def _write_large(self, result: Result, picture: Picture | Scan, note: BeforeReplace) -> None:
        large = result.large
        assert large is not None
        if self.save_stages:
            self._write_stages(result)

        def note_all(part: Path, lost: tuple[str, ...]) -> None:
            note(part, (*([result.if_gray] if large.colorfulness < HARDLY_ANY else []), *lost))

        more = {"description": self._description(result), "kept": large.kept, "before_replace": note_all}
        write_rows(result.job.output, large.bands(), large.size, picture, **more)  # type: ignore[arg-type]

    def _write_stages(self, result: Result) -> None:
        folder = result.job.output.with_name(f"{result.job.output.name}.stages")
        try:
            folder.mkdir(exist_ok=True)
            for name, stage in result.stages.items():
                if isinstance(stage, Tensor):
                    write_picture(folder / f"{name}.png", stage)
                else:
                    write_bytes_atomically(folder / name, stage.encode())
        except OSError as error:
            raise PictureError(f"{show_path(result.job.output)}: cannot write its stages ({reason(error)})") from error

    def _description(self, result: Result) -> str:
        facts = self.settings if result.job.facts is None else result.job.facts
        return f"recolor_torch {recolor_torch.__version__}, method {facts.get('method')}"

    def _entry(self, result: Result, error: str | None, seconds: float) -> dict[str, Any]:
        job, info = result.job, result.job.info
        entry: dict[str, Any] = {
            "status": "failed" if error else "done",
            "target": job.target.as_posix(),
            "output": job.key,
            "error": error,
            **planned_line(job, self.settings if job.facts is None else job.facts),
            "input_sha256": result.hash,
            "settings_sha256": job.settings,
            "width": info and info.width,
            "height": info and info.height,
            "megapixels": info and round(info.width * info.height / 1e6, 3),
            "working_size": result.working_size,
            "notes": list(result.picture.notes) if result.picture else [],
            "seconds": round(seconds, 3),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "version": recolor_torch.__version__,
        }
        return entry


def clear_unfinished(plan: Plan) -> None:
    """Remove what killed runs left in the folders of a plan's outputs."""
    for folder in {job.output.parent for job in plan.jobs + plan.skipped}:
        if is_folder(folder):
            remove_stale_parts(folder)

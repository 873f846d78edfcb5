"""What the checks found: rows of figures, as JSON and as Markdown, written anew after every check."""

import json
import math
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

Row = dict[str, Any]


class Record:
    """Rows by stage and check.

    Args:
        folder: where device.json and device.md go.
        device: what is checked.
        tiny: whether this is a rehearsal.
    """

    def __init__(self, folder: Path, device: torch.device, tiny: bool) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = {**environment(device), "rehearsal": tiny}
        self.rows: list[Row] = []
        self.seconds = 0.0

    def add(self, stage: str, check: str, row: Row) -> None:
        """Take in a row and say it."""
        row = {"stage": stage, "check": check, **row}
        self.rows.append(row)
        figures = {k: v for k, v in row.items() if k not in ("stage", "check", "kernels", "places", "operators")}
        print(f"{stage}/{check}: " + ", ".join(f"{k} {shown(v)}" for k, v in figures.items()), flush=True)

    def write(self, seconds: float) -> None:
        """Both files."""
        self.seconds = seconds
        content = {"environment": self.environment, "seconds": round(seconds, 1), "rows": self.rows}
        (self.folder / "device.json").write_text(json.dumps(content, indent=1, default=str) + "\n")
        (self.folder / "device.md").write_text(self.markdown())

    def markdown(self) -> str:
        """A table a check."""
        lines = ["# On the device", "", ", ".join(f"{k} {v}" for k, v in self.environment.items()), ""]
        for stage, check in dict.fromkeys((r["stage"], r["check"]) for r in self.rows):
            rows = [r for r in self.rows if (r["stage"], r["check"]) == (stage, check)]
            columns = list(dict.fromkeys(k for r in rows for k in r if k not in ("stage", "check")))
            lines += [f"## {stage}: {check}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
            lines += ["| " + " | ".join(cell(r.get(c, "")) for c in columns) + " |" for r in rows]
            lines.append("")
        return "\n".join(lines)

    def closing(self) -> str:
        """How many checks went wrong, and which."""
        failed = [r for r in self.rows if "error" in r]
        off = [r for r in self.rows if r.get("ok") is False]
        lines = [f"\n{len(self.rows)} rows in {self.seconds:.0f} s, {len(failed)} failed, {len(off)} not right."]
        lines += [f"  failed: {r['stage']}/{r['check']}: {r['error']}" for r in failed]
        lines += [
            f"  not right: {r['stage']}/{r['check']}: "
            + ", ".join(f"{k} {shown(v)}" for k, v in r.items() if k not in ("stage", "check", "ok"))
            for r in off
        ]
        return "\n".join(lines)


def shown(value: Any) -> str:
    """A figure in few characters."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if math.isfinite(value) and abs(value) < 1000 else f"{value:.0f}"


def cell(value: Any) -> str:
    """A figure or a list of them in a cell of a table."""
    if isinstance(value, list):
        return "<br>".join(", ".join(f"{k} {shown(v)}" for k, v in part.items()) for part in value[:12])
    return shown(value).replace("|", "\\|").replace("\n", " ")


def environment(device: torch.device) -> Row:
    """What the figures depend on."""
    found: Row = {"device": str(device), "torch": torch.__version__, "python": platform.python_version()}
    found["processor threads"] = torch.get_num_threads()
    if device.type != "cuda":
        return {**found, "name": platform.processor() or platform.machine()}
    properties = torch.cuda.get_device_properties(device)
    found |= {"name": properties.name, "memory (GB)": round(properties.total_memory / 1e9), "CUDA": torch.version.cuda}
    try:
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        found["driver"] = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found["driver"] = "unknown"
    return found

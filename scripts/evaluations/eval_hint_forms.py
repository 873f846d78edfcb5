"""Which form and which constants of the Levin energy give the better colors: PSNR from a few true points.

    python -m scripts.evaluations.eval_hint_forms --pictures PHOTOS [--part report] [--scores SCORES.csv]

The protocol of Zhang et al. (2017), "Real-Time User-Guided Image Colorization with Learned Deep Priors":
256 x 256 pixels, hints of 6 x 6 pixels with their mean color, centres drawn from a normal distribution around the
middle with a quarter of the size as its spread. The first line is a SciPy solve written apart from the package.
Constants are chosen on the photographs of the part `develop`; the README reports on those of `report`, which are
others. With --scores, every score is kept in that file, and a run that was stopped goes on where it was.
"""

import argparse
import csv
import json
import zlib
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
import torch
from PIL import Image

from recolor_torch.color.difference import psnr
from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.linalg.solve import solve
from recolor_torch.methods.levin import LevinColorization

SIDE, PATCH = 256, 6
PARTS = {"develop": 0, "report": 1}
INDEPENDENT = "independent SciPy solve, 8 neighbours, kappa 2"
# Complete, whatever the defaults are, so that kept scores stay true.
ONE_SIGMA = {"form": "laplacian", "weights": "global", "neighbours": 8, "floor": 1e-4, "pull": 1e-6}
GAUSS = {**ONE_SIGMA, "kernel": "gauss", "smoothing": 0.0}
LAPLACE = {**ONE_SIGMA, "kernel": "laplace", "smoothing": 1.4}
LOCAL = {"weights": "local", "neighbours": 8, "pull": 1e-6}
FORMS: dict[str, dict] = {
    **{f"laplacian, one sigma {s}, smoothed": {**LAPLACE, "sigma": s} for s in (0.003, 0.005, 0.0075, 0.015)},
    "laplacian, one sigma 0.005": {**LAPLACE, "sigma": 0.005, "smoothing": 0.0},
    "laplacian, one sigma 0.005, smoothed, 4 neighbours": {**LAPLACE, "sigma": 0.005, "neighbours": 4},
    **{f"laplacian, one sigma {s}, gauss": {**GAUSS, "sigma": s} for s in (0.02, 0.03, 0.05)},
    **{f"laplacian, kappa {k:g}": {**LOCAL, "form": "laplacian", "kappa": k} for k in (2.0, 1.0, 0.6)},
    **{f"levin, kappa {k:g}": {**LOCAL, "form": "levin", "kappa": k} for k in (2.0, 1.0, 0.6)},
    "levin, squared variance": {**LOCAL, "form": "levin", "weights": "report", "kappa": 2.0},
    **{f"report, kappa {k:g}": {**LOCAL, "form": "report", "kappa": k} for k in (2.0, 1.0, 0.6)},
    "report, squared variance": {**LOCAL, "form": "report", "weights": "report", "kappa": 2.0},
}


def to_yuv(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    red, green, blue = rgb.split(1, 1)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    return y, torch.cat([0.5 * (blue - y) / (1 - 0.114), 0.5 * (red - y) / (1 - 0.299)], 1)


def to_rgb(y: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
    blue, red = y + 2 * (1 - 0.114) * chroma[:, :1], y + 2 * (1 - 0.299) * chroma[:, 1:]
    return torch.cat([red, (y - 0.299 * red - 0.114 * blue) / 0.587, blue], 1).clamp(0, 1)


def hints(chroma: torch.Tensor, points: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean chroma of patches, and where they are."""
    given, mask = torch.zeros_like(chroma), torch.zeros_like(chroma[:, :1])
    for y, x in rng.normal(SIDE / 2, SIDE / 4, (points, 2)):
        top, left = (int(np.clip(v - PATCH / 2, 0, SIDE - PATCH)) for v in (y, x))
        patch = (..., slice(top, top + PATCH), slice(left, left + PATCH))
        given[patch] = chroma[patch].mean((-2, -1), keepdim=True)
        mask[patch] = 1
    return given, mask


def independent(y: np.ndarray, chroma: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Levin's square system with 8 neighbours and kappa 2, from the formula, by SuperLU."""
    h, w = y.shape
    padded = np.pad(y, 1, constant_values=np.nan)
    shifts = [(a, b) for a in (0, 1, 2) for b in (0, 1, 2) if (a, b) != (1, 1)]
    near = np.stack([padded[a : a + h, b : b + w] for a, b in shifts])
    variance = np.nanvar(np.concatenate([near, y[None]]), axis=0)
    gap = (near - y) ** 2
    variance = np.maximum(np.maximum(variance, np.nanmin(gap, 0) / (-2 * np.log(0.01))), 1e-6)
    weight = np.nan_to_num(np.exp(-gap / (2 * variance)))
    weight /= weight.sum(0)
    number = np.pad(np.arange(h * w).reshape(h, w), 1)
    cols = np.stack([number[a : a + h, b : b + w] for a, b in shifts])
    rows = np.broadcast_to(np.arange(h * w).reshape(h, w), cols.shape)
    walk = sp.csr_matrix((weight.ravel(), (rows.ravel(), cols.ravel())), (h * w, h * w))
    known = mask.ravel() > 0.5
    matrix = sp.eye(h * w) - sp.diags((~known).astype(float)) @ walk
    rhs = np.where(known, chroma.reshape(2, -1), 0).T
    return spla.splu(matrix.tocsc()).solve(rhs).T.reshape(chroma.shape)


class Scores:
    """PSNR by photograph, number of points and form; kept in a file if there is one."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.known = path, {}
        if path is not None and path.exists():
            with path.open(newline="") as lines:
                self.known = {tuple(line[:-1]): float(line[-1]) for line in csv.reader(lines)}

    def has(self, *key: str) -> bool:
        return key in self.known

    def add(self, value: float, *key: str) -> None:
        self.known[key] = value
        if self.path is not None:
            with self.path.open("a", newline="") as lines:
                csv.writer(lines).writerow([*key, value])

    def table(self, names: list[str], points: list[int], files: list[Path]) -> np.ndarray:
        """(forms, points, photographs)."""
        keys = [json.dumps(FORMS.get(name, name), sort_keys=True) for name in names]
        return np.array([[[self.known[f.name, str(p), k] for f in files] for p in points] for k in keys])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--photos", type=int, default=60, help="photographs in each part")
    parser.add_argument("--part", choices=sorted(PARTS), default="report")
    parser.add_argument("--points", type=int, nargs="+", default=[1, 2, 5, 10, 20, 50, 100, 500])
    parser.add_argument("--forms", nargs="+", default=None, help="only the forms whose name contains one of these")
    parser.add_argument("--scores", type=Path, help="CSV file in which scores are kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(p for p in args.pictures.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
    order = np.random.default_rng(0).permutation(len(files))
    first = PARTS[args.part] * args.photos
    files = [files[i] for i in order[first : first + args.photos]]
    names = [INDEPENDENT, *(n for n in FORMS if args.forms is None or any(part in n for part in args.forms))]
    scores = Scores(args.scores)
    gray = [measure(file, names, args.points, scores) for file in files]
    print(
        f"\n{len(files)} photographs, gray {np.mean(gray):.2f} dB. In brackets: difference to the best of the column,"
    )
    print("with the standard error of the paired difference.\n")
    print_table(names, args.points, scores.table(names, args.points, files))


def measure(file: Path, names: list[str], points: list[int], scores: Scores) -> float:
    """Score every form on one photograph; returns the PSNR of its gray copy."""
    with Image.open(file) as picture:
        small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    rgb = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255
    y, chroma = to_yuv(rgb)
    for count in points:
        given, mask = hints(chroma, count, np.random.default_rng([count, zlib.crc32(file.name.encode())]))
        for name in names:
            key = (file.name, str(count), json.dumps(FORMS.get(name, name), sort_keys=True))
            if scores.has(*key):
                continue
            if name == INDEPENDENT:
                plain = (t.double().squeeze().numpy() for t in (y, given, mask))
                found = torch.from_numpy(independent(*plain))[None].float()
            else:
                found = solve(LevinEnergy(y, given, mask, **FORMS[name])).x
            scores.add(float(psnr(to_rgb(y, found), rgb)), *key)
    return float(psnr(to_rgb(y, 0 * chroma), rgb))


def print_table(names: list[str], points: list[int], table: np.ndarray) -> None:
    """The means of (forms, points, photographs), and of all points together."""
    table = np.concatenate([table, table.mean(1, keepdims=True)], 1)
    best = table[1:].mean(2).argmax(0) + 1 if len(names) > 1 else np.zeros(table.shape[1], int)
    defaults = LevinColorization().settings()
    head = ["form", *(f"{p} points" for p in points), "all"]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for k, name in enumerate(names):
        mark = " (default)" if name in FORMS and all(defaults[s] == v for s, v in FORMS[name].items()) else ""
        cells = []
        for column in range(table.shape[1]):
            gap = table[k, column] - table[best[column], column]
            error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else float("nan")
            cells.append(f"{table[k, column].mean():.2f} ({gap.mean():+.2f} ± {error:.2f})")
        print(f"| {name}{mark} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

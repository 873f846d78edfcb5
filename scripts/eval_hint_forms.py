"""Which form and which constants of the Levin energy give the better colours: PSNR from a few true points.

    python scripts/eval_hint_forms.py --pictures PHOTOS [--photos 60] [--points 1 5 20 100 500]

The protocol of Zhang et al. (2017), "Real-Time User-Guided Image Colorization with Learned Deep Priors":
256 x 256 pixels, hints of 6 x 6 pixels with their mean colour, centres drawn from a normal distribution around the
middle with a quarter of the size as its spread. The first line is a SciPy solve written apart from the package.
"""

import argparse
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
import torch
from PIL import Image

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.linalg.solve import solve

SIDE, PATCH = 256, 6
INDEPENDENT = "independent SciPy solve, 8 neighbours, kappa 2"
FORMS: dict[str, dict] = {
    "laplacian, one sigma .03 (default)": {},
    "laplacian, one sigma .01": {"sigma": 0.01},
    "laplacian, one sigma .02": {"sigma": 0.02},
    "laplacian, one sigma .05": {"sigma": 0.05},
    "laplacian, one sigma .03, pull 1e-5": {"pull": 1e-5},
    "laplacian, one sigma .03, pull 1e-8": {"pull": 1e-8},
    "laplacian, one sigma .03, floor 1e-3": {"sigma": 0.03, "floor": 1e-3},
    "laplacian, one sigma .05, pull 1e-8": {"sigma": 0.05, "pull": 1e-8},
    "laplacian, one sigma .03, 4 neighbours": {"sigma": 0.03, "neighbours": 4},
    "laplacian, kappa 2": {"weights": "local"},
    "laplacian, kappa 1": {"weights": "local", "kappa": 1.0},
    "laplacian, kappa .6": {"weights": "local", "kappa": 0.6},
    "levin, kappa 2": {"form": "levin", "weights": "local"},
    "levin, kappa 1": {"form": "levin", "weights": "local", "kappa": 1.0},
    "levin, kappa .6": {"form": "levin", "weights": "local", "kappa": 0.6},
    "levin, squared variance": {"form": "levin", "weights": "report"},
    "report, kappa 2": {"form": "report", "weights": "local"},
    "report, squared variance": {"form": "report", "weights": "report"},
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--points", type=int, nargs="+", default=[1, 5, 20, 100, 500])
    parser.add_argument("--forms", nargs="+", default=None, help="only the forms whose name contains one of these")
    args = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(p for p in args.pictures.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
    files = [files[i] for i in np.random.default_rng(0).permutation(len(files))[: args.photos]]
    names = [n for n in FORMS if args.forms is None or any(part in n for part in args.forms)]
    scores = np.zeros((len(names) + 1, len(args.points), len(files)))
    gray = np.zeros(len(files))
    for f, file in enumerate(files):
        with Image.open(file) as picture:
            small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        rgb = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255
        y, chroma = to_yuv(rgb)
        gray[f] = psnr(to_rgb(y, 0 * chroma), rgb)
        for p, points in enumerate(args.points):
            given, mask = hints(chroma, points, np.random.default_rng([f, points]))
            plain = (t.double().squeeze().numpy() for t in (y, given, mask))
            scores[0, p, f] = psnr(to_rgb(y, torch.from_numpy(independent(*plain))[None].float()), rgb)
            for k, name in enumerate(names, 1):
                found = solve(LevinEnergy(y, given, mask, **FORMS[name]))
                scores[k, p, f] = psnr(to_rgb(y, found.x), rgb)
    best = 1 + scores[1:].mean(2).argmax(0) if names else np.zeros(len(args.points), int)
    count = len(files)
    print(f"\n{count} photographs, gray {gray.mean():.2f} dB. In brackets: difference to the best of the column, with")
    print("the standard error of the paired difference.\n")
    print("| form | " + " | ".join(f"{p} points" for p in args.points) + " |\n|" + "---|" * (len(args.points) + 1))
    for k, name in enumerate([INDEPENDENT, *names]):
        cells = []
        for p in range(len(args.points)):
            gap = scores[k, p] - scores[best[p], p]
            error = gap.std(ddof=1) / np.sqrt(count) if count > 1 else float("nan")
            cells.append(f"{scores[k, p].mean():.2f} ({gap.mean():+.2f} ± {error:.2f})")
        print(f"| {name} | " + " | ".join(cells) + " |")


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean()))


if __name__ == "__main__":
    main()

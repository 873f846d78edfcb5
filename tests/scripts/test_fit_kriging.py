"""The script that fits what hints reach, run on tiny pictures, and its fit."""

import numpy as np
import torch
from pictures import save_picture

from recolor_torch.methods.kriging import SHARES
from scripts.training.fit_kriging import fitted


def test_it_prints_shares_for_each_number_of_points(run, tmp_path, network_path):
    for i in range(8):
        save_picture(tmp_path / "train" / f"{i}.jpg", 60, 48)
    out = run("training.fit_kriging", tmp_path / "train", "--weights", network_path, "--limit", 2, "--points", 0, 3)
    lines = [line for line in out.splitlines() if " points: " in line]
    assert [line.split()[0] for line in lines] == ["0", "3"]
    for line in lines:
        shares = [float(x) for x in line.split(": ")[1].split(", ")]
        assert len(shares) == len(SHARES)
        assert abs(sum(shares) - 1) < 0.05


def test_the_fit_finds_the_shares_that_made_the_errors():
    kernels = torch.rand(3, 500, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows = torch.cat((kernels, 2 * kernels[:1] + 6 * kernels[2:]))
    np.testing.assert_allclose(fitted(rows @ rows.T / 500), [0.25, 0, 0.75], atol=1e-3)

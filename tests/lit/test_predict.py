import json
import subprocess
import sys
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from pictures import save_picture

from recolor_torch.lit import RecolorModule
from recolor_torch.lit.datamodule import PictureDataModule
from recolor_torch.lit.writer import PictureWriter
from recolor_torch.methods import HistogramTransfer, Recolorizer
from recolor_torch.run.batches import BatchDataset

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    for n in range(5):
        save_picture(tmp_path / f"in/{n}.png", 40, 30, seed=n)
    save_picture(tmp_path / "in/wide.png", 50, 20, seed=7)
    save_picture(tmp_path / "ref.png", 30, 20, seed=8)
    return tmp_path


def data(folder, **options):
    return PictureDataModule([str(folder / "in")], folder / "out", [folder / "ref.png"], **options)


def predict(module, pictures, **options):
    writer = PictureWriter()
    options = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, **options}
    trainer = pl.Trainer(callbacks=[writer], **options)
    return trainer.predict(module, pictures, return_predictions=False), writer


class Failing(Recolorizer):
    """Fails on batches, and on one picture."""

    def forward(self, image, guide):
        if len(image) > 1:
            raise RuntimeError("a batch")
        if image.shape[-1] == 50:
            raise ValueError("too\nwide")
        return image


class Wide(Recolorizer):
    """Gives values that are not numbers."""

    def forward(self, image, guide):
        return image / 0 * 0


def entries(folder):
    return {e["output"]: e for e in map(json.loads, (folder / "out/run.jsonl").read_text().splitlines())}


def test_batches_are_real_and_nothing_is_collected(folder):
    sizes = []

    class Spy(HistogramTransfer):
        def forward(self, image, guide):
            sizes.append(tuple(image.shape))
            return super().forward(image, guide)

    out, writer = predict(RecolorModule(Spy(mode="chroma")), data(folder, batch_size=3))
    assert out is None
    assert sorted(sizes) == [(1, 3, 20, 50), (2, 3, 30, 40), (3, 3, 30, 40)]
    assert writer.entries == {"done": 6, "failed": 0}


def test_a_failing_batch_is_tried_one_by_one(folder):
    _, writer = predict(RecolorModule(Failing()), data(folder))
    assert writer.entries == {"done": 5, "failed": 1}
    assert entries(folder)["wide.png"]["error"].endswith("wide.png: too wide.")
    assert not (folder / "out/wide.png").exists()


def test_a_result_that_is_no_number_is_not_written(folder):
    _, writer = predict(RecolorModule(Wide(), keep="none"), data(folder))
    assert writer.entries["failed"] == 6
    assert "not numbers" in entries(folder)["0.png"]["error"]
    assert list((folder / "out").glob("*.png")) == []


def test_double_precision(folder):
    module = RecolorModule(HistogramTransfer())
    predict(module, data(folder), precision="64-true")
    double = {p.name: p.read_bytes() for p in (folder / "out").glob("*.png")}
    predict(RecolorModule(HistogramTransfer()), data(folder, overwrite=True))
    same = sum(double[p.name] == p.read_bytes() for p in (folder / "out").glob("*.png"))
    assert same >= 4  # a level on the border of two bins may fall either way


def test_forward_is_recolor(folder, device):
    pictures = data(folder)
    module = RecolorModule(HistogramTransfer(), strength=0.5, max_side=20).to(device)
    batch = BatchDataset(pictures.make_plan(module.describe()).jobs, 16, 8, 10**9)[0]
    out = module(batch.images.to(device), batch.guide.to(batch.images.to(device)))
    results = module.predict_step(batch)
    assert results[0].working_size == (15, 20)
    torch.testing.assert_close(torch.cat([r.image for r in results]), out.cpu())


def test_the_example_of_a_batch_colors_all_pictures(folder):
    command = [sys.executable, str(ROOT / "scripts/examples/batch_colorize.py"), "in", "ref.png", "out"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert len(entries(folder)) == 6


@pytest.mark.slow
def test_more_processes_than_pictures(folder):
    code = (
        "import lightning.pytorch as pl\n"
        "from recolor_torch.lit.datamodule import PictureDataModule\n"
        "from recolor_torch.lit import RecolorModule\n"
        "from recolor_torch.methods import HistogramTransfer\n"
        "from recolor_torch.lit.writer import PictureWriter\n"
        "writer = PictureWriter()\n"
        "options = {'accelerator': 'cpu', 'devices': 2, 'strategy': 'ddp', 'logger': False}\n"
        "trainer = pl.Trainer(callbacks=[writer], **options)\n"
        "data = PictureDataModule(['in/0.png'], 'new.png', ['ref.png'])\n"
        "trainer.predict(RecolorModule(HistogramTransfer()), data, return_predictions=False)\n"
        "print(writer.entries)\n"
    )
    (folder / "run.py").write_text(code)
    run = subprocess.run([sys.executable, "run.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "{'done': 1, 'failed': 0}" in run.stdout
    assert (folder / "new.png").exists()

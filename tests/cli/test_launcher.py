"""A run on one device is one process, whatever a launcher left in the environment."""

import os

import pytest
from pictures import save_picture

from recolor_torch.cli import main
from recolor_torch.cli.launcher import forget_launcher
from recolor_torch.gallery.upkeep import process_rank

SLURM = {
    "SLURM_JOB_ID": "1",
    "SLURM_NTASKS": "4",
    "SLURM_JOB_NAME": "x",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "2",
    "SLURM_NODEID": "0",
    "SLURM_JOB_NODELIST": "n1",
}
LEFT = [SLURM, {"RANK": "3"}, {"RANK": "3", "LOCAL_RANK": "3", "WORLD_SIZE": "4"}, {"OMPI_COMM_WORLD_RANK": "1"}]


@pytest.fixture(params=LEFT, ids=lambda found: next(iter(found)))
def launched(request, monkeypatch, tmp_path):
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    save_picture(tmp_path / "old.png", mode="L")
    save_picture(tmp_path / "ref.png", seed=2)
    return tmp_path


def test_colorize(launched):
    assert main(["colorize", "old.png", "-r", "ref.png", "-m", "histogram", "-o", "new.png", "-q"]) == 0
    assert (launched / "new.png").is_file()


def test_predict(launched, capsys):
    config = ["--model", "RecolorModule", "--model.method", "recolor_torch.methods.HistogramTransfer"]
    data = ["--data", "PictureDataModule", "--data.targets", "[old.png]", "--data.references", "[ref.png]"]
    trainer = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.logger", "false"]
    code = main(["predict", *config, *data, "--data.output", "new.png", *trainer])
    assert (code, (launched / "new.png").is_file()) == (0, True), capsys.readouterr().err


def test_a_leftover_rank_is_no_rank(monkeypatch):
    for name in (*SLURM, "RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "3")
    assert process_rank() == 0
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert process_rank() == 3
    forget_launcher()
    assert process_rank() == 0
    assert "WORLD_SIZE" not in os.environ

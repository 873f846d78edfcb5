"""What Lightning's settings do: they work, or are refused in the sentences that stand here."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "scripts/checks/trainer_settings.py"
SPEC = importlib.util.spec_from_file_location("trainer_settings", FILE)
table = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(table)

REFUSED = {
    ("precision bf16-true", "predict"): "UsageError: Pictures in bf16-true would lose levels: use bf16-mixed",
    ("precision 16-true", "predict"): "UsageError: Pictures in 16-true would lose levels: use bf16-mixed",
    **{
        (f"precision {p}", column): f"UsageError: Training in {p} would lose levels: use bf16-mixed"
        for p in ("bf16-true", "16-true")
        for column in ("train", "adversarial")
    },
    ("precision bf16-true", "gram"): "UsageError: Gram transfer in bf16-true would lose levels: use bf16-mixed",
    ("precision 16-true", "gram"): "UsageError: Gram transfer in 16-true would lose levels: use bf16-mixed",
    # Optimizers that are stepped by hand: Lightning has its own sentences.
    **{
        (setting, column): "MisconfigurationException: Automatic gradient "
        for setting in ("accumulate_grad_batches 2", "gradient_clip_val 1", "gradient_clip_val 0.1, by value")
        for column in ("adversarial", "gram")
    },
}
PROCESSES = [name for name in table.SETTINGS if name.startswith(table.TWO)]


def check(setting, folder, vgg19_path, monkeypatch, columns=table.COLUMNS):
    monkeypatch.setenv("RECOLOR_VGG19", str(vgg19_path))
    for column, got in table.outcomes(columns, setting, folder).items():
        expected = REFUSED.get((setting, column), "works")
        assert got.startswith(expected) if (setting, column) in REFUSED else got == expected, f"{column}: {got}"


@pytest.mark.parametrize("setting", [name for name in table.SETTINGS if name not in PROCESSES])
def test_settings_of_the_trainer(setting, tmp_path, vgg19_path, monkeypatch):
    check(setting, tmp_path, vgg19_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("setting", PROCESSES)
def test_two_processes(setting, tmp_path, vgg19_path, monkeypatch):
    if "unused" in setting:  # generator and discriminator take turns; the others have nothing unused
        check(setting, tmp_path, vgg19_path, monkeypatch, ("adversarial",))
        return
    monkeypatch.setitem(REFUSED, (setting, "adversarial"), "RuntimeError: It looks like your LightningModule has")
    check(setting, tmp_path, vgg19_path, monkeypatch)

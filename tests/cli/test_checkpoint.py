"""Checkpoints of ``fit`` that will not do: one sentence, exit 2, and nothing in them runs."""

import pytest
import torch
import yaml

from recolor_torch.cli import main


class Runs:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the file ran')",))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A config of a transfer of a few steps, and a checkpoint of it."""
    from pictures import save_picture

    folder = tmp_path_factory.mktemp("fit")
    save_picture(folder / "t.png", 16, 16, mode="L", seed=1)
    save_picture(folder / "r.png", 16, 16, seed=2)
    method = {"style": {"conv_1": 10}, "content": {"conv_1": 1}, "algorithm": "adam", "levels": 1}
    saving = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
              "init_args": {"dirpath": str(folder), "filename": "good", "every_n_train_steps": 2}}  # fmt: skip
    config = {
        "model": {"class_path": "recolor_torch.lit.GramTransferModule",
                  "init_args": {"method": {"class_path": "recolor_torch.methods.GramTransfer", "init_args": method}}},
        "data": {"class_path": "recolor_torch.lit.TransferData",
                 "init_args": {"target": str(folder / "t.png"), "references": [str(folder / "r.png")], "size": 16}},
        "trainer": {"accelerator": "cpu", "devices": 1, "max_steps": 2, "enable_model_summary": False,
                    "enable_progress_bar": False, "logger": False, "callbacks": [saving]},
    }  # fmt: skip
    (folder / "fit.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", str(folder / "fit.yaml")]) == 0
    return folder


def without(key):
    return lambda good: {k: v for k, v in good.items() if k != key}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda good: {**good, "more": Runs()}, "holds Python objects beside tensors, and these are never run"),
        (lambda good: [1], "it has no state dict"),
        (without("state_dict"), "it has no state dict"),
        (without("loops"), "it has no loops"),
        (without("optimizer_states"), "it has no optimizer states"),
        (without("pytorch-lightning_version"), "it has no pytorch-lightning version"),
        (without("gram_losses"), "is no checkpoint of this model"),
        (lambda good: {**good, "epoch": "a"}, "it has no epoch"),
        (lambda good: {**good, "loops": {"fit_loop": 3}}, "is no checkpoint of this model"),
        (lambda good: {**good, "pytorch-lightning_version": "x.y"}, "is no checkpoint of this model"),
        (lambda good: {**good, "state_dict": {"a": torch.zeros(2)}}, "is no checkpoint of this model"),
        (lambda good: {**good, "state_dict": {"variable": torch.full((3,), torch.nan)}}, "not finite"),
    ],
)
def test_a_checkpoint_that_will_not_do(run, capsys, change, words):
    torch.save(change(torch.load(run / "good.ckpt", weights_only=True)), run / "bad.ckpt")
    assert main(["fit", "--config", str(run / "fit.yaml"), "--ckpt_path", str(run / "bad.ckpt")]) == 2
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("recolor fit:")]
    assert f"{run}/bad.ckpt" in said
    assert words in said


def test_files_that_are_none(run, capsys):
    (run / "text.ckpt").write_text("hello")
    (run / "cut.ckpt").write_bytes((run / "good.ckpt").read_bytes()[:2000])
    for name, words in (("text", "cannot be read"), ("cut", "cannot be read"), ("gone", "there is no such checkpoint")):
        assert main(["fit", "--config", str(run / "fit.yaml"), "--ckpt_path", str(run / f"{name}.ckpt")]) == 2
        assert words in capsys.readouterr().err


def test_a_good_one_goes_on(run, capsys):
    more = ["--trainer.max_steps", "3", "--ckpt_path", str(run / "good.ckpt")]
    assert main(["fit", "--config", str(run / "fit.yaml"), *more]) == 0
    assert "3 steps" in capsys.readouterr().out

"""The bar of Lightning's verbs has a word for each time."""

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar
from pictures import save_picture
from rich.console import Console
from rich.progress import Progress

from recolor_torch.lit import RecolorModule
from recolor_torch.lit.datamodule import PictureDataModule
from recolor_torch.lit.progress import LabeledProgressBar, label_progress
from recolor_torch.lit.writer import PictureWriter
from recolor_torch.methods import HistogramTransfer


def trainer_with(*callbacks):
    return pl.Trainer(logger=False, accelerator="cpu", enable_checkpointing=False, callbacks=list(callbacks))


def test_the_times_have_words():
    trainer = trainer_with(RichProgressBar())
    label_progress(trainer)
    (bar,) = (c for c in trainer.callbacks if isinstance(c, RichProgressBar))
    assert isinstance(bar, LabeledProgressBar)
    console = Console(width=120, force_terminal=True, color_system=None)
    progress = Progress(*bar.configure_columns(trainer), console=console)
    progress.add_task("Predicting", total=9, completed=3)
    with console.capture() as shown:
        console.print(progress)
    line = shown.get()
    assert "so far," in line
    assert line.index("so far,") < line.index("left")
    assert "•" not in line
    trainer.fit_loop.max_epochs = -1
    bar._trainer = trainer
    assert bar._get_train_description(3) == "Epoch 3"


def test_a_bar_of_the_users_own_stays():
    class Own(RichProgressBar):
        pass

    trainer = trainer_with(Own())
    label_progress(trainer)
    assert any(type(c) is Own for c in trainer.callbacks)


def test_predicting_counts_pictures(tmp_path):
    for n in range(5):
        save_picture(tmp_path / f"in/{n}.png", 16, 12, seed=n)
    save_picture(tmp_path / "in/wide.png", 20, 12, seed=7)
    save_picture(tmp_path / "ref.png", 10, 10)
    seen = []

    class Watched(LabeledProgressBar):
        def on_predict_batch_end(self, *args):
            super().on_predict_batch_end(*args)
            (task,) = self.progress.tasks
            seen.append((task.completed, task.total))

    pictures = PictureDataModule([str(tmp_path / "in")], tmp_path / "out", [tmp_path / "ref.png"], batch_size=2)
    trainer = pl.Trainer(logger=False, accelerator="cpu", callbacks=[PictureWriter(), Watched()])
    trainer.predict(RecolorModule(HistogramTransfer()), pictures, return_predictions=False)
    assert sorted(seen) == [(2, 6), (4, 6), (5, 6), (6, 6)]

"""The bar of Lightning's verbs has a word for each time."""

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar
from rich.console import Console
from rich.progress import Progress

from recolor_torch.lit.progress import LabeledProgressBar, label_progress


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

import pytest

from recolor_torch.errors import UsageError
from recolor_torch.plots.loss_plots import plot_loss, read_log


def test_a_log_of_lightning(tmp_path):
    # Validation rows have no loss of training.
    (tmp_path / "metrics.csv").write_text("epoch,loss,step,style/conv_1,val\n0,9,0,4,\n0,,0,,7\n0,3,1,2,\n")
    curves = read_log(tmp_path)
    assert curves == {"loss": ([0, 1], [9, 3]), "style/conv_1": ([0, 1], [4, 2]), "val": ([0], [7])}
    axis = plot_loss({"run": curves}).axes[0]
    assert [line.get_label() for line in axis.lines] == ["loss", "style/conv_1", "val"]
    assert list(axis.lines[0].get_ydata()) == [9, 3]
    assert axis.get_yscale() == "log"


def test_a_log_of_sizes_and_samples(tmp_path):
    (tmp_path / "losses.csv").write_text("sample,width,height,step,loss\n0,32,16,1,9\n0,64,32,1,8\n1,32,16,1,7\n")
    assert set(read_log(tmp_path / "losses.csv")) == {"loss, 32 x 16", "loss, 64 x 32", "loss, 32 x 16, sample 1"}


def test_several_runs_are_compared_by_their_loss():
    runs = {
        "lbfgs": {"loss": ([0.0, 1.0], [4.0, 1.0]), "tv": ([0.0], [1.0])},
        "adam": {"loss": ([0.0, 1.0], [4.0, 2.0])},
    }
    axis = plot_loss(runs).axes[0]
    assert [line.get_label() for line in axis.lines] == ["lbfgs", "adam"]
    with pytest.raises(UsageError, match="other: this log has no column loss"):
        plot_loss({**runs, "other": {"tv": ([0.0], [1.0])}})

import pytest
import torch

from recolor_torch.plots.figures import write_figure
from recolor_torch.plots.hint_plots import plot_hints


@pytest.mark.parametrize("target", [True, False])
@pytest.mark.parametrize("size", [(20, 30), (1, 40), (40, 1)])
def test_panels_and_caption(tmp_path, target, size):
    hints = torch.rand(1, 3, *size)
    mask = torch.zeros(1, 1, *size)
    mask[..., 0, 0] = 1
    figure = plot_hints(torch.rand(1, 3, *size) if target else None, hints, mask, "one hint pixel")
    assert [axes.get_title() for axes in figure.axes] == ["target", "hints", "mask"][0 if target else 1 :]
    write_figure(tmp_path / "hints.png", figure)
    assert (tmp_path / "hints.png").stat().st_size > 1000


def test_hints_show_their_chroma_and_nothing_else_does():
    hints = torch.zeros(1, 3, 2, 2)
    hints[:, 0] = 1
    mask = torch.tensor([[1.0, 0.0], [0.0, 0.0]])[None, None]
    figure = plot_hints(torch.full((1, 3, 2, 2), 0.5), hints, mask)
    drawn = figure.axes[1].images[0].get_array()
    assert drawn[0, 0, 0] > drawn[0, 0, 1] + 0.3
    assert (drawn[1, 1] == drawn[1, 1, 0]).all()


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="hints must be"):
        plot_hints(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 5, 4), torch.zeros(1, 1, 5, 4))

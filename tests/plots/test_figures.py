import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
import torch
from PIL import Image

from recolor_torch.filters import dwt2
from recolor_torch.plots.figures import (
    plot_edges,
    plot_histogram,
    plot_lambda,
    plot_strip,
    plot_wavelet,
    write_figure,
)


def test_histogram_has_a_panel_a_channel_and_a_curve_a_picture(rgb):
    figure = plot_histogram(rgb[:1], rgb[1:], rgb[:1])
    assert [a.get_title() for a in figure.axes] == ["R", "G", "B"]
    for axis in figure.axes:
        assert {line.get_label() for line in axis.lines} == {"target", "reference"}
        assert len(axis.collections) == 1
        for line in axis.lines:
            assert sum(line.get_ydata()) == pytest.approx(100, abs=1e-3)
    assert not plot_histogram(rgb[:1], rgb[1:]).axes[0].collections


def test_peak_does_not_flatten_the_histogram(rgb):
    x = rgb[:1].clone()
    x[..., :4] = 0
    axis = plot_histogram(x, rgb[:1]).axes[0]
    assert axis.get_ylim()[1] < 0.5 * max(axis.lines[0].get_ydata())


@pytest.mark.parametrize(("wavelet", "levels"), [("haar", 3), ("db2", 2)])
def test_wavelet_mosaic(rgb, wavelet, levels):
    figure = plot_wavelet(dwt2(rgb[:, :1, :23], wavelet, levels))
    picture = figure.axes[0].images[0].get_array()
    # Twice the finest details; flat details are mid-gray.
    assert picture.shape == tuple(2 * n for n in dwt2(rgb, wavelet, levels).details[-1][0].shape[-2:])
    flat = plot_wavelet(dwt2(torch.full((1, 1, 16, 16), 0.3), "haar", 2)).axes[0].images[0].get_array()
    assert set(flat[8:, 8:].flatten()) <= {127, 128}
    assert plot_wavelet(dwt2(rgb, wavelet, levels)).axes[0].images[0].get_array().shape[-1] == 3


def test_edges_of_gray_and_color(rgb):
    for image in (rgb, rgb[:, :1]):
        figure = plot_edges(image)
        assert len(figure.axes) == 6
        assert figure.axes[-1].get_title().endswith("%")


def test_lambda_strip_names_the_schedules(rgb):
    figure = plot_lambda({"target": rgb[:1], "hard:6": rgb[1:], "linear:0,0.3": rgb[1:, :, :9]})
    assert [a.get_title() for a in figure.axes] == ["target", "λ = hard:6", "λ = linear:0,0.3"]


def test_strip_breaks_its_rows_evenly(rgb):
    figure = plot_strip({str(i): rgb[:1] for i in range(6)})
    assert len(figure.axes) == 6
    with pytest.raises(ValueError, match="a picture or more"):
        plot_strip({})


def test_png_and_svg_by_suffix_and_the_same_file_twice(rgb, tmp_path):
    figure = plot_strip({"a": rgb[:1]})
    write_figure(tmp_path / "x.png", figure, dpi=50)
    with Image.open(tmp_path / "x.png") as image:
        assert image.format == "PNG"
        assert image.width == 200
    for name in ("x.svg", "y.SVG"):
        write_figure(tmp_path / name, plot_strip({"a": rgb[:1]}))
    assert ET.parse(tmp_path / "x.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "x.svg").read_bytes() == (tmp_path / "y.SVG").read_bytes()
    with pytest.raises(ValueError, match=r"Unknown plot format '\.gif'\. Known formats: \.png, \.svg\."):
        write_figure(tmp_path / "x.gif", figure)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.png", "x.svg", "y.SVG"]


def test_no_pyplot_and_no_display():
    code = "import sys, recolor_torch.plots.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PATH": "", "MPLBACKEND": "agg"}).returncode == 0

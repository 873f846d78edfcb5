"""Small inputs that once failed, where they are at hand; each kind has a test with pictures of its own elsewhere."""

import shutil

import numpy as np
import pytest
from PIL import Image

from recolor_torch.cli import main

QUICK = ["-r", "colour.png", "-m", "histogram"]
# Of each case: the command, its exit code, and words of what is said.
CASES = {
    "01_exif_text_not_ascii": (["caption.jpg", *QUICK, "-o", "out/"], 0, ""),
    "02_exif_over_64k": (["scans/", *QUICK, "-o", "out/", "--ext", "jpg"], 0, "EXIF"),
    "05_float_tiff_a_little_over_1": (["over.tif", "hdr4.tif", "rgb.tif", *QUICK, "-o", "out/"], 0, "read as white"),
    "07_mask_painted_on_transparency": (["gray.png", *QUICK, "--target-mask", "mask.png", "-o", "out/"], 0, ""),
    "10_wide_gamut_outside_the_mask": (["p3.png", *QUICK, "--target-mask", "mask.png", "-o", "out/"], 0, ""),
    "19_integer_tiffs": (["u32.tif", "i16.tif", "i8.tif", *QUICK, "-o", "out/"], 0, "with a sign"),
    "21_png_gamma_and_cicp": (["gama.png", "cicp_p3.png", *QUICK, "-o", "out/"], 0, ""),
    "23_two_hint_files_of_one_stem": (["gray.png", "--hints", "hints", "-o", "out.png"], 2, "gray.json"),
    "27_pdf_beside_scans": (["scans/", *QUICK, "-o", "out/"], 0, "letter.pdf"),
    "28_pictures_that_are_passed_over": (["scans/", *QUICK, "-o", "out/"], 0, "b.jxl"),
    "32_equal_names_in_two_folders": (["1931", "1932", *QUICK, "-o", "out/"], 0, ""),
    "35_soft_and_outside_hints": (["gray.png", "--hints", "outside.json", "-o", "out.png"], 0, "2 of 3 points"),
}


@pytest.fixture
def case(shared, tmp_path, monkeypatch):
    def bring(name):
        source = shared / "cases" / name
        if not source.is_dir():
            pytest.skip(f"no folder cases/{name} at {shared}")
        shutil.copytree(source, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        return tmp_path / name

    return bring


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.mark.parametrize("name", CASES)
def test_case(name, case, capsys, caplog):
    args, code, words = CASES[name]
    folder = case(name)
    assert main(["colorize", *args]) == code
    assert words in capsys.readouterr().err + caplog.text
    if name.startswith("01"):
        first, last = ((folder / f).read_bytes() for f in ("caption.jpg", "out/caption.jpg"))
        assert "Rynek 1931 – фото".encode() in first
        assert "Rynek 1931 – фото".encode() in last
    elif name.startswith("05"):
        assert all(pixels(p).mean() > 80 for p in (folder / "out").glob("*.tif"))
    elif name.startswith("07"):
        assert np.ptp(pixels("out/gray.png")[25:], axis=2).max() == 0
    elif name.startswith("10"):
        black = pixels("mask.png")[..., 0] == 0
        assert np.array_equal(pixels("out/p3.png")[black], pixels("p3.png")[black])
    elif name.startswith("32"):
        assert sorted(p.parent.name for p in (folder / "out").rglob("p.png")) == ["1931", "1932"]


@pytest.mark.parametrize("table", ["blank_row", "capitals", "sep_line", "spaces", "tabs", "utf16"])
def test_tables_of_spreadsheets(table, case, capsys):
    folder = case("29_pairs_from_spreadsheets")
    assert main(["colorize", "--pairs", f"{table}.csv", "-m", "histogram", "-o", "out/"]) == 0, capsys.readouterr().err
    assert (folder / "out" / "gray.png").is_file()


@pytest.mark.parametrize("method", ["histogram", "wavelet", "correspondence"])
def test_color_under_transparency(method, case, capsys):
    case("06_reference_with_clear_background")
    for color in ("magenta", "green"):
        args = ["gray.png", "-r", f"cut_{color}.png", "-m", method, "-o", f"{color}.png"]
        assert main(["colorize", *args]) == 0, capsys.readouterr().err
    assert np.array_equal(pixels("magenta.png"), pixels("green.png"))

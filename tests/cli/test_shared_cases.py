"""Small inputs that once failed, where they are at hand; each kind has a test with pictures of its own elsewhere."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from recolor_torch.cli import main

QUICK = ["-r", "colour.png", "-m", "histogram"]
ONE = ["-r", "r.png", "-m", "histogram"]
GRAM = ["-r", "r.png", "-m", "gram", "--gram.style", '{"conv_1":1}', "--gram.content", '{"conv_1":1}']
GRAM += ["--gram.steps", "2"]
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
    "36_weights_in_the_old_torch_format": (
        ["t.png", *GRAM, "--weights", "legacy_vgg_conv1.pth", "-o", "out.png"],
        0,
        "",
    ),
    "39_damaged_profile_curve": (["b.jpg", "t.png", *ONE, "-o", "out/"], 0, "b.jpg"),
    "40_tiff_with_missing_strips": (["half.tif", "large.tif", *ONE, "-o", "out/"], 3, "cut short"),
    "41_hint_color_with_a_lone_surrogate": (["t.png", "--hints", "h.json", "-m", "levin", "-o", "out/"], 3, "h.json"),
    "46_exif_values_of_type_undefined": (["u.jpg", "u.tif", *QUICK, "-o", "out/"], 0, ""),
    "47_resolution_without_a_unit": (["r.jpg", "r.webp", *QUICK, "-o", "out/"], 0, ""),
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
    elif name.startswith("39"):
        assert sorted(p.name for p in (folder / "out").glob("*.*g")) == ["b.jpg", "t.png"]
    elif name.startswith("46"):
        for file in ("u.jpg", "u.tif"):
            before, after = (undefined(folder / place / file) for place in (".", "out"))
            assert before == after
            assert before[0x9286] == b"ASCII\0\0\0kept as it was"
    elif name.startswith("47"):
        jpeg, webp = (Image.open(folder / "out" / file) for file in ("r.jpg", "r.webp"))
        assert (jpeg.info["jfif_unit"], jpeg.info["jfif_density"]) == (0, (1, 1))
        assert [webp.getexif()[tag] for tag in (282, 283, 296)] == [300, 300, 2]


@pytest.mark.skipif(os.name != "posix", reason="a limit of file sizes is POSIX's")
def test_a_record_line_that_a_full_disk_cut(case, capsys):
    import resource

    folder = case("37_disk_full_in_the_record")
    (folder / "in").mkdir()
    for n in range(30):
        shutil.copy("t.png", f"in/{n}.png")
    command = ["colorize", "in", *ONE, "-o", "out", "--workers", "0"]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20 * 1024, limits[1]))
    try:
        assert main(command) in (2, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    err = capsys.readouterr().err
    assert "File too large" in err
    assert "Traceback" not in err
    before = len(list((folder / "out").glob("*.png")))
    assert before < 30
    assert main(command) == 0, capsys.readouterr().err
    assert f"{before} skipped, 0 failed" in capsys.readouterr().out
    assert len(list((folder / "out").glob("*.png"))) == 30


def test_predict_without_a_writer(case, capsys):
    folder = case("38_predict_without_a_writer")
    args = ["--data.targets", "[t.png]", "--data.references", "[r.png]", "--data.output", "out/"]
    assert main(["predict", "--config", "n.yaml", *args]) == 0, capsys.readouterr().err
    assert np.ptp(pixels(folder / "out/t.png"), axis=2).max() > 0


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("number.jsonl", "number.jsonl, line 1: reference must be the name of a file, got 5"),
        ("tilde.csv", "tilde.csv, line 2"),
        ("long.csv", "long.csv, line 2"),
        ("deep.jsonl", "deep.jsonl: it is not JSON: nested too deeply"),
    ],
)
def test_pairs_of_wrong_types(table, words, case, capsys):
    case("43_pairs_of_wrong_types")
    assert main(["colorize", "--pairs", table, "-m", "histogram", "-o", "out/"]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def undefined(path):
    """Values of the EXIF fields of type ``undefined`` (7), as Pillow reads their types."""
    data = path.read_bytes()
    if path.suffix == ".jpg":
        data = Image.open(path).info["exif"].removeprefix(b"Exif\0\0")
    file, found = io.BytesIO(data), ImageFileDirectory_v2(data[:8])
    for tag in (None, 0x8769):
        file.seek(found[tag] if tag else found.next)
        found = ImageFileDirectory_v2(data[:8])
        found.load(file)
    return {tag: found[tag] for tag, kind in found.tagtype.items() if kind == 7}


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

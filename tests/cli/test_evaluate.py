"""``recolor evaluate`` through its command line."""

import csv
import json
import shutil
import subprocess
from unittest.mock import patch

import numpy as np
import pytest
import torch
from pictures import save_picture
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from recolor_torch import files
from recolor_torch.cli.terminal import _format_warning
from recolor_torch.methods import METHODS, HistogramTransfer
from recolor_torch.pictures.read import PictureWarning

ARGS = ("evaluate", "photos", "--methods", "histogram,levin", "-o", "report", "--points", "5")
BROWSER = next((b for name in ("chromium", "chromium-browser", "google-chrome") if (b := shutil.which(name))), None)


@pytest.fixture
def photos(folder):
    for n in range(3):
        save_picture(folder / f"photos/sea/{n}.png", 40, 24, seed=n)
    save_picture(folder / "photos/land/ä b.png", 30, 44, seed=7)
    return folder


def table(folder, report="report"):
    with (folder / report / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def without_seconds(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_the_report_is_whole(recolor, photos):
    code, out, err = recolor(*ARGS)
    assert (code, err) == (0, "")
    rows = table(photos)
    assert len(rows) == 4 * 3
    assert [row["method"] for row in rows[:3]] == ["gray", "histogram", "levin"]
    assert {row["given"] for row in rows if row["method"] == "levin"} == {"5 points"}
    summary = json.loads((photos / "report/summary.json").read_text())
    assert summary["protocol"]["side"] == 256
    assert "bicubic" in summary["protocol"]["size"]
    assert "LPIPS is left out" in summary["notes"][0]
    assert set(summary["results"]["levin"]["groups"]) == {"land", "sea"}
    mean = summary["results"]["levin"]["all"]["metrics"]["ciede2000"]["mean"]
    assert mean == pytest.approx(np.mean([float(r["ciede2000"]) for r in rows if r["method"] == "levin"]), abs=1e-5)
    assert "Lowest mean CIEDE2000" in out
    page = (photos / "report/index.html").read_text()
    assert "pictures/land/%C3%A4%20b/levin.png" in page


def test_the_numbers_are_those_of_the_files(recolor, photos):
    recolor(*ARGS)
    for row in table(photos):
        picture = photos / "report/pictures" / row["picture"]
        name = "target" if row["method"] == "gray" else row["method"]
        a, b = (np.array(Image.open(picture / f"{n}.png")) / 255 for n in (name, "truth"))
        assert float(row["ciede2000"]) == pytest.approx(deltaE_ciede2000(rgb2lab(b), rgb2lab(a)).mean(), rel=1e-4)
        assert float(row["psnr"]) == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1), rel=1e-4)


def test_stopped_and_called_again_it_gives_the_same_table(recolor, photos, monkeypatch):
    recolor(*ARGS)
    whole = without_seconds(table(photos))
    shutil.rmtree(photos / "report")
    calls, chroma_table = [], HistogramTransfer.chroma_table

    def stop_at_the_third(self, *args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return chroma_table(self, *args)

    monkeypatch.setattr(HistogramTransfer, "chroma_table", stop_at_the_third)
    code, _, err = recolor(*ARGS)
    assert code == 130
    assert "goes on from here" in err
    assert not (photos / "report/metrics.csv").exists()
    # A kill cuts a line of the record short.
    with (photos / "report/run.jsonl").open("a") as file:
        file.write('{"output": "pictures/')
    code, out, _ = recolor(*ARGS)
    assert code == 0
    assert without_seconds(table(photos)) == whole
    assert len(calls) == 2 + 1 + 2
    assert "12 results, 5 of them new" in out
    first = [(photos / "report" / name).read_bytes() for name in ("metrics.csv", "index.html", "summary.json")]
    assert "12 results, 0 of them new" in recolor(*ARGS)[1]
    assert [(photos / "report" / name).read_bytes() for name in ("metrics.csv", "index.html", "summary.json")] == first


def test_what_a_kill_leaves_at_any_moment_does_not_stop_the_next_run(recolor, photos):
    part = f".recolor-{files._HOST}-{2**22 + 1}-abc{files.SUFFIX}"  # of a process that is no more
    (photos / "report/pictures/0").mkdir(parents=True)
    for folder in ("report", "report/pictures/0"):
        (photos / folder / part).write_bytes(b"half")
    command = ("evaluate", "photos", "--methods", "histogram", "--side", 16, "--count", 1, "-q", "-o", "report")
    assert recolor(*command) == (0, "", "")
    assert not list((photos / "report").rglob(".recolor-*"))


def test_a_note_on_a_picture_is_a_sentence():
    text = _format_warning(PictureWarning("a.jpg: The ICC profile was ignored."), PictureWarning, "protocols.py", 111)
    assert text == "a.jpg: The ICC profile was ignored.\n"
    assert "protocols.py:111: UserWarning" in _format_warning(UserWarning("x"), UserWarning, "protocols.py", 111)


def test_another_seed_or_setting_is_done_again(recolor, photos):
    recolor(*ARGS)
    assert ", 0 of them new" not in recolor(*ARGS, "--seed", "1")[1]
    before = table(photos)
    args = ("evaluate", "photos", "--try", "histogram mode=rgb", "-o", "report", "--points", "5", "--seed", "1")
    code, out, _ = recolor(*args)
    assert code == 0
    assert "8 results, 4 of them new" in out  # gray is as it was
    assert {row["method"] for row in table(photos)} == {"gray", "histogram mode=rgb"} != before


def test_broken_pictures_are_named_and_the_rest_is_done(recolor, photos):
    (photos / "photos/broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    code, out, err = recolor(*ARGS)
    assert code == 3
    assert err.count("\n") == 1
    assert "broken.jpg" in err
    assert "1 failed" in out
    assert len(table(photos)) == 12
    assert "broken.jpg" in (photos / "report/index.html").read_text()
    (photos / "photos/broken.jpg").unlink()
    assert recolor(*ARGS)[0] == 0


def test_a_method_that_fails_on_a_picture_is_named(recolor, photos, monkeypatch):
    def fail(self, *args):
        raise ArithmeticError("no solution")

    monkeypatch.setattr(HistogramTransfer, "chroma_table", fail)
    code, _, err = recolor(*ARGS)
    assert code == 3
    assert err.splitlines()[0].endswith("b.png: no solution.")
    assert err.startswith("histogram on photos/land/")
    assert {row["method"] for row in table(photos)} == {"gray", "levin"}


def test_a_manifest_with_certain_colors_and_pictures_without_truth(recolor, photos):
    entries = [
        {"name": "grass", "target": "photos/sea/0.png", "has_ground_truth": True, "reference": "ref.jpg"},
        {"name": "old", "target": "old.png", "reference": "ref.jpg"},
    ]
    entries[0] |= {"certain_color": True, "group": "lawns"}
    (photos / "list.json").write_text(json.dumps({"pictures": entries}))
    code, _, err = recolor("evaluate", "list.json", "--methods", "histogram", "-o", "report")
    assert (code, err) == (0, "")
    rows = {(row["picture"], row["method"]): row for row in table(photos)}
    assert rows["grass", "histogram"]["certain_color"] == "yes"
    assert rows["old", "histogram"]["ciede2000"] == ""
    assert float(rows["old", "histogram"]["colorfulness"]) > 0
    part = json.loads((photos / "report/summary.json").read_text())["results"]["histogram"]
    assert (part["certain"]["pictures"], part["all"]["pictures"], part["all"]["with_truth"]) == (1, 2, 1)
    assert "certain in life" in (photos / "report/index.html").read_text()


def test_methods_without_weights_are_left_out_or_asked_for_in_vain(recolor, photos):
    from recolor_torch.errors import WeightsMissing

    class Weightless(HistogramTransfer):
        def prepare(self):
            raise WeightsMissing("No weights were found.")

    only = {"weightless": Weightless, "levin": METHODS["levin"]}
    with patch.dict(METHODS, only, clear=True):  # restored in its order
        code, out, _ = recolor("evaluate", "photos", "-o", "report")
        assert code == 0
        assert "weightless is left out: No weights were found." in out
        assert {row["method"] for row in table(photos)} == {"gray", "levin"}
        code, _, err = recolor("evaluate", "photos", "--methods", "weightless", "-o", "other")
        assert (code, err) == (4, "recolor evaluate: No weights were found.\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("photos",), "Say where the report goes"),
        (("nope", "-o", "x"), "No such file or folder: nope"),
        (("photos", "-o", "x", "--methods", "histgram"), "Unknown method 'histgram'"),
        (("photos", "-o", "x", "--try", "levin sigma=-1"), "levin: sigma must be more than 0"),
        (("photos", "-o", "in"), "in holds other files than a report"),
        (("photos", "-o", "old.png"), "old.png is a file"),
        (("photos", "-o", "x", "--side", "-1"), "--side must be 0 or more"),
        (("photos", "-o", "x", "--count", "0"), "--count must be 1 or more"),
        (("photos", "-o", "x", "--lpips", "no.pth"), "no.pth: there is no such file"),
        (("photos", "-o", "x", "--methods", "levin", "--points", "0"), "levin needs hints"),
        (("photos", "-o", "x", "--device", "tpu"), "Unknown device 'tpu'"),
    ],
)
def test_mistakes_are_one_sentence(recolor, photos, args, words):
    code, out, err = recolor("evaluate", *args)
    assert code == (4 if "--lpips" in args else 2)
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_report_without_a_network(recolor, photos):
    recolor(*ARGS)
    page = photos / "report/index.html"
    probe = (
        "<script>addEventListener('load', () => { document.querySelectorAll('details').forEach(d => d.open = true);"
        "const all = [...document.querySelectorAll('img')]; all.forEach(i => i.loading = 'eager');"
        "setTimeout(() => { document.title = [all.length, all.filter(i => i.naturalWidth > 0).length,"
        "document.documentElement.scrollWidth].join(' '); }, 500); });</script>"
    )
    (photos / "report/probe.html").write_text(page.read_text() + probe)
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1366,768"]
    command += ["--virtual-time-budget=4000", "--host-resolver-rules=MAP * ~NOTFOUND"]
    uri = (photos / "report/probe.html").as_uri()
    out = subprocess.run([*command, "--dump-dom", uri], capture_output=True, text=True, timeout=60).stdout
    images, loaded, width = map(int, out.partition("<title>")[2].partition("</title>")[0].split())
    assert images == loaded > 40
    assert width <= 1366
    shot = photos / "shot.png"
    subprocess.run([*command, f"--screenshot={shot}", page.as_uri()], capture_output=True, timeout=60, check=True)
    picture = Image.open(shot).convert("L")
    assert picture.width == 1366
    assert picture.getextrema() == (0, 255) or picture.getextrema()[0] < 60  # there is something on it


def test_networks_that_judge(recolor, photos, tmp_path):
    """A Fréchet distance of all results, and the recognition test, in the table and in the summary."""
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    alexnet = {f"features.{k}": v for k, v in models.alexnet(weights=None).features.state_dict().items()}
    torch.save(alexnet, tmp_path / "alexnet.pth")
    torch.save(models.mobilenet_v2(weights=None).state_dict(), tmp_path / "mobile.pth")
    shutil.move(photos / "photos/sea", photos / "photos/seashore")
    for path in (photos / "photos").rglob("*.png"):
        Image.open(path).resize((140, 70)).save(path)
    more = ["--frechet", str(tmp_path / "alexnet.pth"), "--classifier", str(tmp_path / "mobile.pth")]
    code, _, err = recolor("evaluate", "photos", "--methods", "histogram", "-o", "report", *more)
    assert (code, err) == (0, "")
    summary = json.loads((photos / "report/summary.json").read_text())
    assert summary["frechet"]["features"] == "alexnet relu5, mean over all places"
    distances = summary["frechet"]["methods"]
    assert {m: d["pictures"] for m, d in distances.items()} == {"gray": 4, "histogram": 4}
    assert distances["gray"]["frechet"] > 0
    assert summary["recognition"]["with_class"] == 3  # seashore is a class of ImageNet, land is none
    rows = table(photos)
    assert {row["recognized"] for row in rows if row["group"] == "land"} == {""}
    assert {float(row["recognized"]) for row in rows if row["group"] == "seashore"} <= {0.0, 1.0}
    assert all(float(row["same_class"]) in (0, 1) for row in rows)
    assert "Fréchet distance" in (photos / "report/index.html").read_text()


def test_weights_of_a_judge_that_are_not_there(recolor, photos):
    for flag in ("--lpips", "--frechet", "--classifier"):
        code, _, err = recolor("evaluate", "photos", "--methods", "histogram", "-o", "report", flag, "no.pth")
        assert code == 4
        assert "no.pth: there is no such file of weights" in err

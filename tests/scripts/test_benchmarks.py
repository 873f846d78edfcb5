import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from pictures import save_picture

from scripts.benchmarks import bench_many, bench_planning, bench_startup, bench_throughput


def test_a_list_is_planned_and_then_skipped(tmp_path, capsys):
    bench_planning.make_targets(tmp_path / "in", 3, 16)
    save_picture(tmp_path / "reference.png")
    places = tmp_path / "in", tmp_path / "reference.png", tmp_path / "out"
    bench_planning.plan(*places, done=True)
    bench_planning.plan(*places, done=False)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["jobs"], row["skipped"]) for row in found] == [(3, 0), (0, 3)]


def test_throughput_has_a_row_for_each_setting(tmp_path, capsys, monkeypatch):
    save_picture(tmp_path / "photos/a.png", 40, 30)
    arguments = [str(tmp_path / "photos"), "--megapixels", "0.002", "--kinds", "jpg", "tif16", "--count", "3"]
    monkeypatch.setattr(sys, "argv", ["bench_throughput", *arguments, "--methods", "histogram", "--workers", "0"])
    bench_throughput.main()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[:3] for row in rows] == [
        [k, "0.002", what] for k in ("jpg", "tif16") for what in ("Pillow", "histogram")
    ]
    for shares in ([int(cell) for cell in row[-4:]] for row in rows[1::2]):
        assert sum(shares) == pytest.approx(100, abs=3)


def test_a_stage_inside_another_counts_by_itself():
    def work():
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        return "done"

    place = SimpleNamespace(inner=work, items=lambda: iter((work(), work())))
    stages = bench_throughput.Stages()
    stages.watch(place, "inner", "decode")
    stages.watch_items(place, "items", "color")
    with stages.count("encode"):
        work()
        assert place.inner() == "done"
        assert list(place.items()) == ["done", "done"]
    assert stages.seconds["decode"] == pytest.approx(0.02, abs=0.01)
    assert stages.seconds["encode"] == pytest.approx(0.02, abs=0.01)
    assert stages.seconds["color"] == pytest.approx(0.04, abs=0.01)


def test_peaks_of_a_folder(tmp_path, capsys, monkeypatch):
    if not Path("/proc/self/status").exists():
        pytest.skip("Linux tells the peak of another process")
    code = (
        "import sys, time, pathlib; o = pathlib.Path(sys.argv[1]); x = b'1' * 3 * 10**7; time.sleep(0.3); o.mkdir(); "
    )
    code += "(o / '1.jpg').touch(); time.sleep(0.3)"
    low, high = bench_many.peaks([sys.executable, "-c", code, str(tmp_path / "out")], tmp_path / "out", [0, 1])
    assert high >= max(low, 20)
    bench_many.make_pictures(tmp_path / "in", 3, 0.001)
    assert len(list((tmp_path / "in").iterdir())) == 3
    monkeypatch.setattr(sys, "argv", ["bench_many", "--at", "1", "2", "--megapixels", "0.001"])
    monkeypatch.setattr(bench_many, "peaks", lambda command, out, counts: [1.0 * n for n in counts])
    bench_many.main()
    assert "| 2 | 2 |" in capsys.readouterr().out


def test_a_clip_is_played_again_until_a_film_is_long_enough(tmp_path):
    with av.open(str(tmp_path / "clip.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=25, width=16, height=16, pix_fmt="yuv420p")
        for i in range(3):
            gray = np.full((24, 16), 60 * i, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(gray, format="yuv420p")))
        out.mux(stream.encode())
    bench_many.make_film(tmp_path / "clip.mkv", tmp_path / "film.mkv", 7)
    with av.open(str(tmp_path / "film.mkv")) as film:
        levels = [int(frame.to_ndarray(format="yuv420p")[0, 0]) for frame in film.decode(video=0)]
    assert levels == [0, 60, 120, 0, 60, 120, 0]


def test_memory_of_films_is_measured_with_the_references_that_were_named(capsys, monkeypatch):
    arguments = ["--film", "c.mkv", "--at", "2", "1", "--reference", "a.png", "b.png"]
    monkeypatch.setattr(sys, "argv", ["bench_many", *arguments])
    monkeypatch.setattr(bench_many, "film_peak", lambda clip, folder, count, references: count * 10.0 + len(references))
    bench_many.main()
    assert "| 1 | 12 |\n| 2 | 22 |" in capsys.readouterr().out


def test_a_process_is_measured(tmp_path):
    bench_startup.make_inputs(tmp_path)
    seconds, cpu, memory = bench_startup.measure([sys.executable, "-c", "sum(range(10**6))"], tmp_path, None)
    assert seconds > 0.005
    assert cpu > 0.005
    assert memory > 5

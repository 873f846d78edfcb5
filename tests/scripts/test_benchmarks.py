import json
import sys

from pictures import save_picture

from scripts.benchmarks import bench_planning, bench_startup, bench_throughput


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
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [[kind, "0.002", what] for kind in ("jpg", "tif16") for what in ("Pillow", "histogram")]


def test_a_process_is_measured(tmp_path):
    bench_startup.make_inputs(tmp_path)
    seconds, cpu, memory = bench_startup.measure([sys.executable, "-c", "sum(range(10**6))"], tmp_path, None)
    assert seconds > 0.005
    assert cpu > 0.005
    assert memory > 5

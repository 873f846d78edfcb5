import hashlib
import json
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

from recolor_torch.files import file_hash
from recolor_torch.run import record


def test_lines_are_kept_by_output_oldest_first(tmp_path):
    for n in (1, 2):
        record.append(tmp_path, {"output": "a.png", "status": "done", "n": n})
    record.append(tmp_path, {"output": "b/c.png", "status": "failed"})
    assert [line["n"] for line in record.load(tmp_path)["a.png"]] == [1, 2]
    assert set(record.load(tmp_path)) == {"a.png", "b/c.png"}


def test_a_line_cut_short_costs_nothing_but_itself(tmp_path):
    record.append(tmp_path, {"output": "a.png", "status": "done"})
    with (tmp_path / record.NAME).open("ab") as file:
        file.write(b'{"output": "b.png", "sta\xff')
    record.append(tmp_path, {"output": "c.png", "status": "done"})
    assert set(record.load(tmp_path)) == {"a.png", "c.png"}


def test_a_line_that_another_process_is_writing_is_not_taken_for_one_cut_short(tmp_path, monkeypatch):
    record.append(tmp_path, {"output": "a.png"})
    read, seen = os.read, []

    def begun(handle, count):
        seen.append(count)
        return b"x" if len(seen) < 3 else read(handle, count)

    monkeypatch.setattr(record.os, "read", begun)
    record.append(tmp_path, {"output": "b.png"})
    assert len(seen) == 3
    assert (tmp_path / record.NAME).read_bytes() == b'{"output": "a.png"}\n{"output": "b.png"}\n'


def test_threads_share_a_record_without_an_empty_line(tmp_path):
    entry = {"output": "a.png", "text": "x" * 20_000}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: record.append(tmp_path, entry), range(64)))
    assert [json.loads(line) for line in (tmp_path / record.NAME).read_text().splitlines()] == [entry] * 64


def test_no_record_and_odd_lines(tmp_path):
    assert record.load(tmp_path) == {}
    (tmp_path / record.NAME).write_text('3\n[]\n{"x": 1}\n\n{"output": "été.png"}\n', encoding="utf-8")
    assert set(record.load(tmp_path)) == {"été.png"}


def test_processes_share_a_record(tmp_path):
    lines = [(tmp_path, {"output": f"{n}.png", "status": "done", "text": "x" * 500}) for n in range(100)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(record.append, lines, chunksize=5)
    assert len(record.load(tmp_path)) == 100


def test_hashes(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_hash(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()
    assert record.settings_hash({"a": 1, "b": (2, None)}) == record.settings_hash({"b": [2, None], "a": 1})
    assert record.settings_hash({"a": 1}) != record.settings_hash({"a": 2})

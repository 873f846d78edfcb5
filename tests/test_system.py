import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from recolor_torch import system
from recolor_torch.system import (
    file_lock,
    is_alive,
    is_reserved,
    lacks_memory,
    pass_on_lack_of_memory,
    replace_file,
    reserved_part,
    start_threads,
    sync_file,
    usable_cores,
)

HOLES = """
import re, sys
import numpy as np
from recolor_torch.system import give_memory_back
if sys.argv[1] == "back":
    give_memory_back()
def used():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
np.ones(31 << 20, np.uint8)  # the library takes it that blocks of this size come and go
held = [np.ones(8 << 20, np.uint8) for _ in range(12)]
full, last = used(), held.pop()
held.clear()
print(full - used())
"""

NO_BYTE_LEFT = """
import ctypes, os, resource, sys, threading
from recolor_torch import system
def work():
    if sys.argv[1] == "prepared":
        system.prepare_thread()
    throwing = system._exceptions()  # as "throw" begins
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used, used))
    malloc = ctypes.CDLL(None).malloc
    malloc.restype = ctypes.c_void_p
    for size in (1 << 20, 1 << 14, 1 << 10, 256, 128, 64, 48, 32, 16):
        while malloc(size):
            pass
    throwing()
    os._exit(7)
threading.Thread(target=work).start()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it asks Linux")
def test_memory_of_large_arrays_goes_back_at_once():
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    ask = [sys.executable, "-c", HOLES]
    given = subprocess.run([*ask, "back"], capture_output=True, text=True, env=here, check=True).stdout
    assert float(given) > 80


def test_a_lack_of_memory_is_known_in_the_words_of_each_library():
    torch = pytest.importorskip("torch")
    errors = [MemoryError(), OSError(12, os.strerror(12)), RuntimeError("std::bad_alloc")]
    errors += [ImportError("lib.so: failed to map segment from shared object"), RuntimeError("can't start new thread")]
    errors += [RuntimeError("could not create a primitive"), SystemError("error return without exception set")]
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert all(map(lacks_memory, [*errors, caught.value]))
    assert not any(
        map(
            lacks_memory,
            [
                OSError(28, os.strerror(28)),
                RuntimeError("could not create a primitive descriptor"),
                ImportError("No module x"),
                SystemError("bad argument to internal function"),
            ],
        )
    )


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is the C library of Linux that ends the process")
@pytest.mark.parametrize(("prepared", "code"), [("prepared", 7), ("bare", 127)])
def test_a_prepared_thread_can_say_that_memory_lacks(prepared, code):
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    ask = [sys.executable, "-c", NO_BYTE_LEFT, prepared]
    assert subprocess.run(ask, capture_output=True, env=here, timeout=60).returncode == code


@pytest.mark.parametrize("count", [1, 3])
def test_the_threads_of_a_pool_run_before_there_is_work(count):
    before = threading.active_count()
    with start_threads(count) as pool:
        assert threading.active_count() == before + count
        assert list(pool.map(abs, range(-9, 0))) == list(range(9, 0, -1))
        assert threading.active_count() == before + count
    assert threading.active_count() == before


def test_threads_are_not_begun_without_room_for_them(monkeypatch):
    monkeypatch.setattr(system, "STACK", 1 << 60)
    before = threading.active_count()
    with pytest.raises(MemoryError, match="no room for 2 threads"):
        start_threads(2)
    assert threading.active_count() == before


def test_threads_that_cannot_all_start_leave_none(monkeypatch):
    before, start, started = threading.active_count(), threading.Thread.start, []

    def start_two(thread):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        start_threads(3)
    assert len(started) == 2
    assert threading.active_count() == before


def test_other_errors_than_a_lack_of_memory_are_not_passed_on():
    for error in (MemoryError("all of it"), OSError("out of memory when reading image file")):
        with pytest.raises(MemoryError, match=str(error)):
            pass_on_lack_of_memory(error)
    pass_on_lack_of_memory(ValueError("damaged"))


def test_a_file_that_another_program_holds_is_tried_again(tmp_path, monkeypatch):
    part, target = tmp_path / "part", tmp_path / "target"
    part.write_text("new")
    target.write_text("old")
    held, replace = [32, 5], os.replace

    def windows(a, b):
        if held:
            error = PermissionError(13, "in use")
            error.winerror = held.pop()
            raise error
        replace(a, b)

    waits = []
    monkeypatch.setattr(os, "replace", windows)
    monkeypatch.setattr(system.time, "sleep", waits.append)
    replace_file(part, target)
    assert target.read_text() == "new"
    assert waits == list(system.PATIENCE[:2])
    held[:] = [32] * 9
    with pytest.raises(PermissionError, match="in use"):
        replace_file(target, part)
    assert len(held) == 9 - len(system.PATIENCE) - 1


def test_what_is_forbidden_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(system.time, "sleep", lambda _: pytest.fail("waited"))
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "none", tmp_path / "target")

    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", forbidden)
    with pytest.raises(PermissionError):
        replace_file(tmp_path / "none", tmp_path / "target")


def test_one_process_holds_a_lock_and_it_ends_with_it(tmp_path):
    code = (
        "import sys; from pathlib import Path; from recolor_torch.system import file_lock\n"
        "with file_lock(Path(sys.argv[1])) as held: print(held, flush=True); sys.stdin.readline()"
    )
    with file_lock(tmp_path / "lock") as held, file_lock(tmp_path / "lock") as again:
        assert held
        assert not again
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"True\n"
        with file_lock(tmp_path / "lock") as held:
            assert not held
        process.kill()
        process.wait()
    with file_lock(tmp_path / "lock") as held:
        assert held


def test_names_that_windows_has_not(monkeypatch):
    path = Path("in/AUX.png")
    assert reserved_part(path) is None or os.name == "nt"
    assert [name for name in ("nul", "Com3.tif", "a<b", "a ", "..", "a.b", "console.png") if is_reserved(name)] == [
        "nul", "Com3.tif", "a<b", "a "
    ]  # fmt: skip


def test_processes_and_cores(monkeypatch):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert is_alive(os.getpid())
    assert not is_alive(process.pid) or os.name == "nt"
    assert usable_cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert usable_cores() == (os.cpu_count() or 1)


def test_a_file_that_is_read_only_can_be_synced(tmp_path):
    path = tmp_path / "a"
    path.write_text("a")
    path.chmod(0o444)
    sync_file(path)


def test_idle_threads_sleep_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "")
    monkeypatch.delenv("OMP_WAIT_POLICY")  # what was there comes back
    system.let_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    system.let_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"

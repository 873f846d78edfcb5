"""How scripts are run in tests."""

import importlib
import sys

import pytest
import torch


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a script in this process; gives what it prints."""
    threads = torch.get_num_threads()

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        assert not importlib.import_module(f"scripts.{name}").main()
        return capsys.readouterr().out

    yield run
    torch.set_num_threads(threads)

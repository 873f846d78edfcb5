"""Old names of modules import the new ones, with a warning."""

import sys
from importlib import import_module

import pytest

import recolor_torch
from recolor_torch.moved import MOVED


@pytest.fixture
def fresh(monkeypatch):
    for name in MOVED:
        monkeypatch.delitem(sys.modules, f"recolor_torch.{name}", raising=False)


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_name_is_the_new_module(old, fresh):
    new = import_module(f"recolor_torch.{MOVED[old]}")
    with pytest.warns(DeprecationWarning, match=f"{old} is now recolor_torch.{MOVED[old]}"):
        assert import_module(f"recolor_torch.{old}") is new
    assert new.__spec__.name == new.__name__


def test_an_unknown_name_is_still_unknown():
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        import_module(f"{recolor_torch.__name__}.nothing")

"""The table of number types: what operators take, they give back rightly; what they do not, they name."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

FILE = Path(__file__).parents[2] / "scripts/checks/number_types.py"
SPEC = importlib.util.spec_from_file_location("number_types", FILE)
table = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = table  # dataclasses look for the module of their class
SPEC.loader.exec_module(table)


@pytest.mark.parametrize("name", table.OPERATORS)
def test_operators(name, device):
    call = table.OPERATORS[name]
    for dtype in table.TYPES:
        found = table.cell(call, name, dtype, str(device))
        if dtype != torch.uint8 or name in table.OF_LEVELS:
            assert found == "right", dtype
        else:
            assert found.endswith("must be a floating point tensor, got torch.uint8."), found


def test_a_wrong_result_is_no_right_one():
    def half_bright(scene):
        return scene.rgb / (1 if scene.rgb.dtype == torch.float64 else 2)

    assert table.cell(half_bright, "", torch.float32, "cpu") == "off by 5.0e-01"
    assert table.cell(lambda s: s.rgb.double(), "", torch.float32, "cpu") == "comes back as float64"


def test_methods_are_rows_too(capsys):
    assert {"method histogram", "method gram"} <= set(table.rows())
    assert table.main(["method histogram"]) == 0
    row = capsys.readouterr().out.splitlines()[2]
    assert row.count(" right ") == 4 * len(table.devices())
    assert "got torch.uint8." in row

import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from recolor_torch.errors import UsageError
from recolor_torch.networks import EightBlockNet
from recolor_torch.networks.export import (
    INPUTS,
    OUTPUTS,
    SMALLEST_SIDE,
    export_network,
    write_onnx,
    write_program,
    write_torch,
)
from recolor_torch.networks.loading import load_network
from recolor_torch.networks.padding import pad_to_multiple

# (batch, height, width): the smallest, primes, multiples of the stride and just beside them, one long side.
SIZES = ((1, SMALLEST_SIDE, SMALLEST_SIDE), (2, 17, 97), (3, 64, 96), (1, 33, 31), (1, 65, 200))

ALONE = """
import sys
sys.modules["recolor_torch"] = None
import torch
program = torch.export.load(sys.argv[1]).module()
inputs = torch.load(sys.argv[2])
torch.save([program(*three) for three in inputs], sys.argv[3])
assert not [name for name, module in sys.modules.items() if name.startswith("recolor_torch") and module]
"""


@pytest.fixture(scope="module")
def network(network_path):
    return load_network("unet", network_path)[0]


@pytest.fixture(scope="module")
def program(network):
    return export_network(network)


@pytest.fixture(scope="module")
def inputs():
    generator = torch.Generator().manual_seed(0)

    def random(batch, channels, height, width):
        return torch.rand(batch, channels, height, width, generator=generator)

    return [(random(b, 1, h, w), random(b, 2, h, w) - 0.5, (random(b, 1, h, w) > 0.9).float()) for b, h, w in SIZES]


def expected(network, three):
    with torch.no_grad():
        found = network(*three)
    return found.logits, found.chroma, found.vivid


def reflected(x, dim, side):
    """Reflection again and again, one sample after another."""
    places, step = [0], 1
    while len(places) < side:
        step = -step if not 0 <= places[-1] + step < x.shape[dim] else step
        places.append(places[-1] + step)
    return x.index_select(dim, torch.tensor(places))


@pytest.mark.slow
def test_a_program_runs_alone_at_any_size(tmp_path, network, program, inputs):
    write_torch(program, tmp_path / "network.pt2")
    torch.save(inputs, tmp_path / "input.pt")
    names = [str(tmp_path / name) for name in ("network.pt2", "input.pt", "output.pt")]
    subprocess.run([sys.executable, "-c", ALONE, *names], check=True, timeout=300, cwd=tmp_path)
    for three, found in zip(inputs, torch.load(tmp_path / "output.pt"), strict=True):
        torch.testing.assert_close(tuple(found), expected(network, three), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_an_onnx_runtime_gives_the_same_at_any_size(tmp_path, network, program, inputs):
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        pytest.skip(f"ONNX is not tried: {', '.join(missing)} is not installed")
    import onnxruntime

    write_onnx(program, tmp_path / "network.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["network.onnx"]  # the weights are inside
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    assert [x.name for x in session.get_inputs()] == list(INPUTS)
    assert [x.name for x in session.get_outputs()] == list(OUTPUTS)
    for three in inputs:
        found = session.run(None, {name: x.numpy() for name, x in zip(INPUTS, three)})
        for ours, theirs in zip(expected(network, three), found, strict=True):
            torch.testing.assert_close(torch.from_numpy(theirs), ours, rtol=1e-3, atol=1e-4)


def test_what_becomes_no_program_is_named(tmp_path, network, monkeypatch):
    with pytest.raises(UsageError, match="only the network 'unet' becomes a program, got EightBlockNet"):
        write_program(EightBlockNet(), tmp_path / "x.pt2")
    monkeypatch.setattr("recolor_torch.networks.export.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install onnx onnxscript"):
        write_program(network, tmp_path / "x.onnx")


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (16, 33), (40, 64)])
def test_a_picture_is_continued_by_reflection(size):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0), requires_grad=True)
    sides = [-(-side // 32) * 32 for side in size]
    padded = pad_to_multiple(x, 32)
    assert torch.equal(padded, reflected(reflected(x, -2, sides[0]), -1, sides[1]) if 1 not in size else padded)
    assert padded.shape[-2:] == tuple(sides)
    assert torch.equal(padded[..., : size[0], : size[1]], x)
    padded.sum().backward()
    assert float(x.grad.sum()) == padded.numel()


def test_an_estimate_is_a_tree_of_tensors(network):
    estimate = network(torch.rand(1, 1, 32, 32))
    doubled = torch.utils._pytree.tree_map(lambda x: 2 * x, estimate)
    assert type(doubled) is type(estimate)
    torch.testing.assert_close(doubled.chroma, 2 * estimate.chroma)

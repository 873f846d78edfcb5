"""Weights in the files that people have: every age of torch, every wrapper; and files that will not do."""

import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from recolor_torch.errors import UsageError
from recolor_torch.features import find_vgg19
from recolor_torch.features.layers import CHANNELS, feature_index, paper_name
from recolor_torch.features.state_dicts import read_state, strip_prefix

STATE = {"features.0.weight": torch.randn(64, 3, 3, 3), "features.0.bias": torch.randn(64)}


def save_old(value, path):
    torch.save(value, path, _use_new_zipfile_serialization=False)


def same(found, expected=None):
    torch.testing.assert_close(dict(found), dict(expected or STATE))


@pytest.mark.parametrize("name", ["vgg19-dcbb9e9d.pth", "model.pth.tar", "weights.bin", "model.pt"])
@pytest.mark.parametrize("save", [torch.save, save_old])
def test_every_age_and_suffix(tmp_path, save, name):
    save(STATE, tmp_path / name)
    same(read_state(tmp_path / name)[0])
    assert find_vgg19(tmp_path / name).digest == find_vgg19_of(tmp_path).digest


def find_vgg19_of(folder):
    save_file(STATE, folder / "reference.safetensors")
    return find_vgg19(folder / "reference.safetensors")


def test_an_archive_that_was_packed_again(tmp_path):
    torch.save(STATE, tmp_path / "stored.pth")
    with zipfile.ZipFile(tmp_path / "stored.pth") as a, zipfile.ZipFile(tmp_path / "deflated.pth", "w") as b:
        for entry in a.infolist():
            b.writestr(entry.filename, a.read(entry), zipfile.ZIP_DEFLATED)
    same(read_state(tmp_path / "deflated.pth")[0])


def test_a_safetensors_file_of_another_suffix(tmp_path):
    save_file(STATE, tmp_path / "weights.bin")
    same(read_state(tmp_path / "weights.bin")[0])
    torch.save(STATE, tmp_path / "torch.safetensors")
    same(read_state(tmp_path / "torch.safetensors")[0])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": s, "epoch": 3, "best": torch.tensor(0.5), "optimizer": {"state": {0: {"step": 1}}}},
        lambda s: {"model": s, "optimizer": {"state": {0: torch.zeros(2)}, "param_groups": []}},
        lambda s: {"params": {k: torch.zeros_like(v) for k, v in s.items()}, "params_ema": s},
        lambda s: {"checkpoint": {"state_dict": s}},
        lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}},
        lambda s: {"model": {f"encoder.{k}": v for k, v in s.items()} | {"decoder.weight": torch.zeros(1)}},
        lambda s: {**s, "version": "1.2", "classes": 1000},
        lambda s: {k: torch.nn.Parameter(v) for k, v in s.items()},
        lambda s: {k: v.double() for k, v in s.items()},
    ],
)
@pytest.mark.parametrize("save", [torch.save, save_old])
def test_wrappers_and_prefixes(tmp_path, wrap, save):
    save(wrap(STATE), tmp_path / "net.pth")
    same(find_vgg19(tmp_path / "net.pth").state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(tmp_path, dtype):
    half = {k: v.to(dtype) for k, v in STATE.items()}
    save_old(half, tmp_path / "half.pth")
    same(find_vgg19(tmp_path / "half.pth").state, {k: v.float() for k, v in half.items()})


def test_names_of_the_paper_and_of_features_alone(tmp_path):
    state = {}
    for k in range(1, 4):
        state[f"{paper_name(k)}.weight"] = torch.randn(CHANNELS[k - 1], 3 if k == 1 else CHANNELS[k - 2], 3, 3)
        state[f"{paper_name(k)}.bias"] = torch.randn(CHANNELS[k - 1])
    torch.save(state, tmp_path / "vgg_conv.pth")
    with pytest.raises(UsageError, match=r"vgg_conv\.pth does not say how its input is made"):
        find_vgg19(tmp_path / "vgg_conv.pth", depth=3)
    rgb = find_vgg19(tmp_path / "vgg_conv.pth", depth=3, preprocessing="caffe")
    bgr = find_vgg19(tmp_path / "vgg_conv.pth", depth=3, preprocessing="caffe-bgr")
    torch.testing.assert_close(rgb.state["features.5.weight"], state["conv2_1.weight"])
    torch.testing.assert_close(bgr.state["features.0.weight"].flip(1), rgb.state["features.0.weight"])
    bare = {f"{feature_index(k)}.{p}": state[f"{paper_name(k)}.{p}"] for k in range(1, 4) for p in ("weight", "bias")}
    torch.save(bare, tmp_path / "features.pth")
    assert find_vgg19(tmp_path / "features.pth", depth=3, preprocessing="caffe").digest == rgb.digest
    assert find_vgg19(tmp_path / "features.pth", depth=3).scale == 1


def test_a_prefix_is_that_of_most_names():
    state = {"a.x": torch.zeros(1), "b.x": torch.ones(1), "b.y": torch.ones(1)}
    assert list(strip_prefix(state, ["x", "y"])) == ["x", "y"]
    assert strip_prefix(state, ["z"]) == state


class Runs:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the file ran')",))


@pytest.mark.filterwarnings("ignore")  # of torch, about the kinds of tensors that are made here
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda: {0: torch.zeros(2)}, "0 is no name of a layer"),
        (lambda: {"a": torch.eye(3).to_sparse()}, "a is sparse; save the weights as dense"),
        (lambda: {"a": torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.qint8)}, "a is quantized; save"),
        (lambda: {"a": torch.zeros(2, dtype=torch.complex64)}, "a is complex; save"),
        (lambda: {"features.0.weight": torch.zeros(64, 3, 3, 3, dtype=torch.int8), "features.0.bias": torch.zeros(64)},
         r"features\.0 holds whole numbers"),
        (lambda: {**STATE, "features.0.bias": torch.full((64,), torch.nan)}, r"features\.0 holds values that are not"),
        (lambda: {"epoch": 3}, "it holds no named tensors"),
        (lambda: {}, "it holds no named tensors"),
        (lambda: 3, "holds a int, not a state dict"),
        (lambda: torch.nn.Linear(2, 2), "it holds Python objects beside tensors, and these are never run"),
        (lambda: {"a": Runs()}, "it holds Python objects beside tensors, and these are never run"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("save", [torch.save, save_old])
def test_what_will_not_do_is_one_sentence(tmp_path, value, words, save):
    save(value(), tmp_path / "net.pth")
    with pytest.raises(UsageError, match=rf"net\.pth.*{words}") as caught:
        find_vgg19(tmp_path / "net.pth")
    assert "\n" not in str(caught.value)


def test_damaged_files_of_both_formats(tmp_path):
    torch.save(STATE, tmp_path / "new.pth")
    save_old(STATE, tmp_path / "old.pth")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "empty.pth").write_bytes(b"")
    for whole in ("new", "old"):
        data = (tmp_path / f"{whole}.pth").read_bytes()
        for n in (1, 9, 100, len(data) // 2, len(data) - 1):
            (tmp_path / f"cut_{whole}_{n}.pth").write_bytes(data[:n])
    for file in [*tmp_path.glob("cut_*"), tmp_path / "pickle.pth", tmp_path / "empty.pth", tmp_path]:
        with pytest.raises(UsageError, match=rf"{file.name} cannot be read as weights") as caught:
            read_state(file)
        assert "\n" not in str(caught.value)

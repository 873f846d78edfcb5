import pytest
import torch
from safetensors.torch import load_file, save_file

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.networks import ColorUNet
from recolor_torch.networks.loading import SHIPPED, load_network, save_network
from recolor_torch.networks.published import EightBlockNet, UserGuidedNet

WIDTHS = (16, 16, 16, 16, 8)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    net = ColorUNet("lite0", widths=WIDTHS).eval()
    torch.nn.init.normal_(net.mean[0].weight)
    return net


def test_saved_and_loaded_is_the_same_in_half_the_bits(network, tmp_path):
    save_network(network, tmp_path / "net.safetensors")
    again, digest = load_network("unet", tmp_path / "net.safetensors")
    assert again.widths == WIDTHS
    assert len(digest) == 64
    assert not again.training
    assert load_file(tmp_path / "net.safetensors")["mean.0.weight"].dtype == torch.float16
    y = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(again(y).chroma, network(y).chroma, atol=2e-3, rtol=2e-2)


def test_a_checkpoint_gives_its_averaged_network(network, tmp_path):
    state = {f"averaged.module.{k}": v for k, v in network.state_dict().items()}
    state |= {f"network.{k}": torch.zeros_like(v) for k, v in network.state_dict().items()}
    state["averaged.n_averaged"] = torch.tensor(3)
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "last.ckpt")
    again, _ = load_network("unet", tmp_path / "last.ckpt")
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), network.state_dict().values()))


def test_the_variable_names_a_file(network, tmp_path, monkeypatch):
    save_network(network, tmp_path / "net.safetensors")
    monkeypatch.setenv("RECOLOR_NETWORK", str(tmp_path / "net.safetensors"))
    assert load_network("unet")[0].widths == WIDTHS


def test_published_weights_load_from_a_torch_file(tmp_path):
    source = EightBlockNet()
    torch.save(source.state_dict(), tmp_path / "colorization_release_v2.pth")
    again, _ = load_network("eccv16", tmp_path / "colorization_release_v2.pth")
    torch.testing.assert_close(again.state_dict(), source.state_dict())


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("RECOLOR_NETWORK", raising=False)
    with pytest.raises(WeightsMissing, match=r"nothing\.pth: there is no such file"):
        load_network("unet", tmp_path / "nothing.pth")
    with pytest.raises(WeightsMissing, match="siggraph17 needs its published weights: name the file with --weights"):
        load_network("siggraph17")
    if not SHIPPED.is_file():
        with pytest.raises(WeightsMissing, match="comes without weights"):
            load_network("unet")


def test_a_wrong_file_is_named(network, tmp_path):
    (tmp_path / "text.pth").write_text("nothing of the kind")
    with pytest.raises(UsageError, match=r"text\.pth cannot be read as weights"):
        load_network("unet", tmp_path / "text.pth")
    state = dict(network.state_dict())
    save_file(state, tmp_path / "unet.safetensors")
    with pytest.raises(UsageError, match=r"unet\.safetensors holds no eccv16 network: model1\.0\.weight is missing"):
        load_network("eccv16", tmp_path / "unet.safetensors")
    save_file({**state, "more": torch.zeros(1)}, tmp_path / "more.safetensors")
    with pytest.raises(UsageError, match="more is not part of it"):
        load_network("unet", tmp_path / "more.safetensors")
    save_file({**state, "mean.0.bias": torch.zeros(3)}, tmp_path / "shape.safetensors")
    with pytest.raises(UsageError, match=r"mean\.0\.bias is 3 in place of 8"):
        load_network("unet", tmp_path / "shape.safetensors")
    torch.save({"epoch": 3}, tmp_path / "numbers.pth")
    with pytest.raises(UsageError, match=r"numbers\.pth is not the state dict of a network"):
        load_network("unet", tmp_path / "numbers.pth")


@pytest.mark.parametrize("cls", [EightBlockNet, UserGuidedNet])
def test_files_from_before_batches_were_counted(tmp_path, cls):
    name = {EightBlockNet: "eccv16", UserGuidedNet: "siggraph17"}[cls]
    state = {f"module.{k}": v for k, v in cls().state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save({"state_dict": state, "epoch": 9}, tmp_path / "net.pth.tar", _use_new_zipfile_serialization=False)
    again, _ = load_network(name, tmp_path / "net.pth.tar")
    own = again.state_dict()
    assert all(torch.equal(own[k.removeprefix("module.")], v) for k, v in state.items())


def test_numbers_of_the_wrong_kind_are_refused(network, tmp_path):
    state = dict(network.state_dict())
    save_file({**state, "mean.0.bias": torch.zeros(8, dtype=torch.int32)}, tmp_path / "whole.safetensors")
    with pytest.raises(UsageError, match=r"mean\.0\.bias is torch\.int32 in place of torch\.float32"):
        load_network("unet", tmp_path / "whole.safetensors")
    save_file({**state, "mean.0.bias": torch.full((8,), torch.inf)}, tmp_path / "inf.safetensors")
    with pytest.raises(UsageError, match=r"mean\.0\.bias has values that are not finite"):
        load_network("unet", tmp_path / "inf.safetensors")

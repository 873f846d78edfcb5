"""Where weights are found, and what is said of files that will not do."""

import pytest
import torch
from safetensors.torch import save_file

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.features import find_vgg19
from recolor_torch.features.layers import CHANNELS, feature_index


def state(depth):
    found = {}
    for k in range(1, depth + 1):
        before = 3 if k == 1 else CHANNELS[k - 2]
        found[f"features.{feature_index(k)}.weight"] = torch.randn(CHANNELS[k - 1], before, 3, 3)
        found[f"features.{feature_index(k)}.bias"] = torch.zeros(CHANNELS[k - 1])
    return found


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("RECOLOR_VGG19", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def test_nothing_found_says_what_to_do():
    with pytest.raises(WeightsMissing, match=r"--weights or RECOLOR_VGG19.*--download.*ends at conv_5, and conv_6 is"):
        find_vgg19(depth=6)


def test_order_is_path_environment_cache(tmp_path, monkeypatch):
    files = {name: tmp_path / f"{name}.pth" for name in ("path", "environment")}
    cache = tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"
    cache.parent.mkdir(parents=True)
    for file in (*files.values(), cache):
        torch.save(state(2), file)
    assert find_vgg19(depth=2).source == str(cache)
    monkeypatch.setenv("RECOLOR_VGG19", str(files["environment"]))
    assert find_vgg19(depth=2).source == str(files["environment"])
    assert find_vgg19(files["path"], depth=2).source == str(files["path"])


def test_digest_is_of_what_was_asked_for(tmp_path):
    whole = state(5)
    torch.save(whole, tmp_path / "whole.pth")
    save_file(dict(list(whole.items())[:4]), tmp_path / "first.safetensors")
    a, b = find_vgg19(tmp_path / "whole.pth", depth=2), find_vgg19(tmp_path / "first.safetensors", depth=2)
    assert a.digest == b.digest != find_vgg19(tmp_path / "whole.pth", depth=3).digest
    caffe = find_vgg19(tmp_path / "whole.pth", depth=2, preprocessing="caffe")
    assert caffe.scale == 255
    assert caffe.digest != a.digest


def test_a_short_file_names_the_layers_it_has(tmp_path):
    save_file(state(4), tmp_path / "vgg.safetensors")
    with pytest.raises(WeightsMissing, match=r"vgg.safetensors has only conv_1 to conv_4 of VGG-19, and conv_9"):
        find_vgg19(tmp_path / "vgg.safetensors", depth=9)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsMissing, match=r"gone\.pth: there is no such file"):
        find_vgg19(tmp_path / "gone.pth")


def test_damaged_and_foreign_files_are_named(tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0")
    (tmp_path / "text.pth").write_text("not weights")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pth")
    wide = state(2) | {"features.2.weight": torch.zeros(65, 64, 3, 3)}
    torch.save(wide, tmp_path / "wide.pth")
    for name, words in [
        ("cut.safetensors", "cannot be read as weights"),
        ("text.pth", "cannot be read as weights"),
        ("list.pth", "holds a list"),
        ("other.pth", "it is no VGG-19"),
        ("wide.pth", r"features\.2\.weight is 65x64x3x3, and VGG-19 has 64x64x3x3"),
    ]:
        with pytest.raises(UsageError, match=f"{name}.*{words}"):
            find_vgg19(tmp_path / name, depth=2)


def test_preprocessing_that_is_not_understood_is_refused(tmp_path):
    save_file(state(1), tmp_path / "vgg.safetensors", {"input": "bgr, somehow"})
    with pytest.raises(UsageError, match="'bgr, somehow' is not understood"):
        find_vgg19(tmp_path / "vgg.safetensors")
    assert find_vgg19(tmp_path / "vgg.safetensors", preprocessing="torchvision").std == (0.229, 0.224, 0.225)
    with pytest.raises(UsageError, match="Unknown VGG preprocessing 'bgr'. Known: torchvision, caffe"):
        find_vgg19(tmp_path / "vgg.safetensors", preprocessing="bgr")


def test_a_failed_download_is_one_sentence(monkeypatch):
    def refuse(url, *args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(WeightsMissing, match=r"vgg19-dcbb9e9d\.pth could not be fetched: no route to host\."):
        find_vgg19(download=True)

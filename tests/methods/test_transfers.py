import torch

from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import METHODS, HistogramTransfer
from recolor_torch.methods.base import TransferSettings
from recolor_torch.methods.semi_interactive import SemiInteractive
from recolor_torch.methods.transfers import _WITH_HINTS, TRANSFERS
from recolor_torch.pipeline import recolor


def test_every_method_of_references_alone_is_one():
    assert {name: cls for name, cls in METHODS.items() if cls.needs == ("reference",)} == TRANSFERS
    assert set(_WITH_HINTS) == set(METHODS) - set(TRANSFERS)


def test_each_is_told_what_it_reads():
    told = TransferSettings("vgg.pth", True, "caffe", "best", "low")
    known = {"weights": "vgg.pth", "download": True, "vgg_preprocessing": "caffe", "several": "best", "trust": "low"}
    for name, cls in TRANSFERS.items():
        settings = cls.for_transfer(told).settings()
        assert settings == {**cls().settings(), **{k: v for k, v in known.items() if k in settings}}, name


class MeanChroma(HistogramTransfer):
    """A method of a user's own: the mean chroma of its reference everywhere."""

    def __init__(self):
        super().__init__(mode="chroma")

    def forward(self, image, guide):
        (reference,) = guide.references
        chroma = reference.image[:, 1:].mean((2, 3), keepdim=True).expand(len(image), -1, *image.shape[-2:])
        return torch.cat((image[:, :1], chroma), 1)


def test_a_method_of_ones_own_makes_the_prior(rgb):
    method = SemiInteractive(transfer=f"{__name__}.MeanChroma", strength=1.0)
    far = torch.zeros_like(rgb[:1, :1])
    far[..., 0, 0] = 1
    found = recolor(rgb[:1], method, Guide((Reference(rgb[1:]),), hints=rgb[:1], hint_mask=far))
    alone = recolor(rgb[:1], MeanChroma(), Guide((Reference(rgb[1:]),)))
    torch.testing.assert_close(found[..., 8:, 8:], alone[..., 8:, 8:], atol=0.02, rtol=0)
    assert method.provenance()["transfer"] == "MeanChroma"

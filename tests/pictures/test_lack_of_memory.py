"""A lack of memory is no damage: no picture is read without its profile, turn or texts for it, and it is named."""

import warnings

import numpy as np
import pytest
from PIL import Image, ImageCms

from recolor_torch.gallery.files import load_array
from recolor_torch.pictures import icc, metadata, tiff
from recolor_torch.pictures.opening import PictureError
from recolor_torch.pictures.read import read_picture
from recolor_torch.training.data import decode_small

ERRORS = [MemoryError(), OSError("out of memory when reading image file"), RuntimeError("std::bad_alloc")]


def failing(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.fixture
def path(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "a.tif"
    Image.new("RGB", (6, 4), "red").save(path, exif=exif, icc_profile=profile, dpi=(300, 300))
    return path


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    ("module", "name"),
    [(icc, "_parse"), (metadata, "_stored"), (metadata, "_clean"), (metadata, "_texts"), (tiff, "_open")],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_a_picture_is_not_read_without_what_memory_lacks_for(path, monkeypatch, module, name, error):
    monkeypatch.setattr(module, name, failing(error))
    with pytest.raises(PictureError, match=r"a\.tif: not enough memory for"):
        read_picture(path)
    monkeypatch.setattr(module, name, failing(ValueError("damaged")))
    warnings.simplefilter("ignore")
    assert read_picture(path).image.shape[1] == 3  # damage there does not cost the picture


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_decoders_that_lack_memory_say_so(path, monkeypatch, error):
    monkeypatch.setattr(Image.Image, "load", failing(error))
    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.load", failing(error))
    with pytest.raises(PictureError, match=r"a\.tif: not enough memory for"):
        read_picture(path)
    with pytest.raises(MemoryError):
        decode_small(path.read_bytes(), 4)


def test_a_gallery_is_not_damaged_where_memory_lacks(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros(3))
    monkeypatch.setattr(np, "load", failing(MemoryError()))
    with pytest.raises(MemoryError):
        load_array(tmp_path / "a.npy")

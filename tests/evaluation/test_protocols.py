import numpy as np
import pytest
import torch
from pictures import save_picture
from PIL import Image

from recolor_torch.evaluation.cases import Case
from recolor_torch.evaluation.protocols import PATCH, Protocol, guide_for, points_of, prepare_case, random_numbers
from recolor_torch.methods import Recolorizer, build_method
from recolor_torch.pictures import PictureError


@pytest.fixture
def photo(tmp_path):
    path = save_picture(tmp_path / "photo.png", 61, 40)
    return Case("photo", path, path)


def pixels(path):
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None].float() / 255


def test_the_other_half_shares_no_pixel_with_the_target(photo):
    got = prepare_case(photo, Protocol(side=0, points=0))
    whole = pixels(photo.target)
    assert torch.equal(got.truth, whole[..., :30])
    assert torch.equal(got.guide.references[0].image, whole[..., 30:])


def test_the_target_is_the_gray_of_the_truth_at_8_bits(photo):
    got = prepare_case(photo, Protocol(side=33))
    assert got.truth.shape[-2:] == (33, 25)  # the left half is taller than wide
    levels = 255 * got.target
    assert (levels - levels.round()).abs().max() < 1e-4
    luminance = (got.truth * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    assert (got.target - luminance).abs().max() <= 0.5 / 255 + 1e-6


def test_a_crop_is_a_part_of_the_photograph(photo):
    got = prepare_case(photo, Protocol(side=0, references="crop", points=0))
    part, whole = got.guide.references[0].image, pixels(photo.target)
    assert part.shape[-2:] == (30, 45)
    places = [(y, x) for y in range(11) for x in range(17) if torch.equal(whole[..., y : y + 30, x : x + 45], part)]
    assert len(places) == 1


def test_other_draws_another_photograph(photo, tmp_path):
    others = tuple(save_picture(tmp_path / f"{n}.png", 20 + n, 16, seed=n) for n in range(4))
    protocol = Protocol(side=0, references="other", points=0)
    first = prepare_case(photo, protocol, (photo.target, *others)).guide.references[0].image
    assert first.shape[-1] in range(20, 24)
    assert torch.equal(first, prepare_case(photo, protocol, (photo.target, *others)).guide.references[0].image)
    assert prepare_case(photo, protocol, (photo.target,)).guide.references == ()


def test_points_are_patches_with_their_mean_color(photo):
    truth = pixels(photo.target)
    image, mask = points_of(truth, 1, random_numbers(0, "a"))
    rows, columns = mask[0, 0].nonzero(as_tuple=True)
    assert len(rows) == PATCH**2
    patch = truth[..., rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    torch.testing.assert_close(image[0, :, rows[0], columns[0]], patch.mean((0, 2, 3)))
    many = points_of(truth, 20, random_numbers(0, "a"))[1]
    assert many.sum() > mask.sum()
    assert points_of(truth[..., :3, :4], 2, random_numbers(0, "a"))[1].all()  # smaller than a patch


def test_all_that_is_random_depends_on_seed_and_name_alone(photo):
    one, same, other = (prepare_case(photo, Protocol(seed=seed)).digest for seed in (0, 0, 1))
    assert one == same != other
    again = Case("another", photo.target, photo.truth)
    assert prepare_case(again, Protocol()).digest != one


def test_what_a_case_names_is_taken_as_it_is(photo, tmp_path):
    reference = save_picture(tmp_path / "ref.png", 30, 20, seed=3)
    gray = save_picture(tmp_path / "gray.png", 61, 40, mode="L")
    got = prepare_case(Case("a", gray, photo.target, (reference,)), Protocol(side=0))
    assert torch.equal(got.guide.references[0].image, pixels(reference))
    assert got.given == {"reference": "1 reference", "hints": "10 points"}
    assert torch.equal(got.truth, pixels(photo.target))
    assert prepare_case(Case("a", gray, None), Protocol(side=0)).given == {}


def test_a_method_is_given_what_it_asks_for(photo):
    got = prepare_case(photo, Protocol())
    guide, given = guide_for(build_method("levin"), got)
    assert guide.references == ()
    assert given == {"hints": "10 points"}
    guide, given = guide_for(build_method("histogram"), got)
    assert guide.hints is None
    assert given == {"reference": "1 reference"}


def test_a_method_that_asks_for_nothing_is_given_what_is_offered(photo):
    got, method = prepare_case(photo, Protocol()), Recolorizer()
    assert guide_for(method, got)[1] == {}
    assert guide_for(method, got)[0].hints is None
    assert guide_for(method, got, "points")[1] == {"hints": "10 points"}
    assert set(guide_for(method, got, "both")[1]) == {"reference", "hints"}
    assert guide_for(build_method("levin"), got, "both")[1] == {"hints": "10 points"}


def test_broken_pictures_are_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(PictureError, match=r"broken\.png"):
        prepare_case(Case("a", tmp_path / "broken.png", tmp_path / "broken.png"), Protocol())

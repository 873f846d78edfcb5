"""What a frame hands to the next: it stays true however far it is carried."""

import pytest
import torch

from recolor_torch.energies.temporal import STEP_VARIANCE, Belief, warp_sharply
from recolor_torch.film.anchor import ANCHOR_EVERY, Anchor
from recolor_torch.film.carrying import CarriedChroma
from recolor_torch.film.work_folder import WORK_FORMAT

SIZE = (48, 80)


def texture(seed, channels=1, size=SIZE, cells=(8, 13)):
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, *cells, generator=g)
    return torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=False).clamp(0, 1)


@pytest.fixture
def given():
    """A frame with given colors, its chroma with a claim as third channel."""
    chroma = torch.cat((texture(1, 2, cells=(12, 20)) * 0.4 - 0.2, torch.ones(1, 1, *SIZE)), 1)
    start = CarriedChroma(texture(0, cells=(12, 20)))
    return start.join({"given": Belief(chroma, torch.full((1, 1, *SIZE), 1e8))})


SURE = torch.full((1, 1, *SIZE), 1 / STEP_VARIANCE)
INNER = (..., slice(8, -8), slice(8, -8))


def astray(frames):
    """Motion of things that do not move, wrong by a fifth of a pixel each time."""
    return torch.tensor([0.2, -0.1]).view(1, 2, 1, 1).expand(1, 2, *SIZE), range(frames)


def test_colors_do_not_drift_away_with_a_motion_that_is_always_a_little_wrong(given):
    flow, frames = astray(40)
    carried, plain = given, given.beliefs["given"].chroma
    for _ in frames:
        carried = carried.move(given.luminance, flow, SURE)
        plain = warp_sharply(plain, flow)
    truth = given.beliefs["given"].chroma[:, :2]
    found = carried.beliefs["given"]
    error = (found.chroma[:, :2] - truth)[INNER].square().mean().sqrt()
    assert error < 0.15 * (plain[:, :2] - truth)[INNER].square().mean().sqrt()
    assert error < 0.01
    assert found.precision[INNER].median() > 1 / 0.01**2  # and it knows that they have not


def test_where_something_else_came_the_colors_are_not_believed_though_the_motion_claims_to_be(given):
    other = given.luminance.clone()
    other[..., 16:36, 24:56] = texture(9, cells=(12, 20))[..., 16:36, 24:56]
    carried = given
    for _ in range(ANCHOR_EVERY):
        carried = carried.move(other, torch.zeros(1, 2, *SIZE), SURE)
    precision = carried.beliefs["given"].precision
    assert precision[..., 22:30, 32:48].median() < 1 / 0.02**2
    assert precision[..., :8, :].median() > 1 / 0.005**2


def test_given_colors_are_surer_near_their_frame_than_far_from_it(given):
    still, precision, carried = torch.zeros(1, 2, *SIZE), {}, given
    for t in range(1, 101):
        carried = carried.move(given.luminance, still, SURE)
        precision[t] = float(carried.beliefs["given"].precision[INNER].median())
    assert precision[ANCHOR_EVERY] > 1 / 0.003**2
    assert 1 / 0.01**2 < precision[100] < 0.2 * precision[ANCHOR_EVERY]


def test_a_light_that_changes_on_the_whole_frame_is_no_doubt(given):
    carried = given
    for _ in range(ANCHOR_EVERY):
        carried = carried.move(given.luminance * 0.9 + 0.06, torch.zeros(1, 2, *SIZE), SURE)
    assert carried.beliefs["given"].precision[INNER].median() > 1 / 0.01**2


def test_places_that_lie_about_are_believed_less_though_their_luminance_fits():
    stripes = 0.5 + 0.3 * torch.sin(torch.arange(SIZE[1]) * torch.pi / 3).expand(1, 1, *SIZE)  # every 6 pixels
    places = torch.zeros(1, 2, *SIZE)
    about = torch.randint(-1, 2, (1, 1, SIZE[0] // 4, 5), generator=torch.Generator().manual_seed(0)) * 6.0
    places[:, :1, :, 40:60] = about.repeat_interleave(4, -2).repeat_interleave(4, -1)
    belief = Belief(torch.zeros(1, 3, *SIZE), torch.full((1, 1, *SIZE), 1e8))
    grain = 0.03 * torch.randn(1, 1, *SIZE, generator=torch.Generator().manual_seed(1))
    found = Anchor(stripes, belief, places).found_again(stripes + grain)[1].precision[..., 8:-8, :]
    assert found[..., 45:55].median() < 0.5 * found[..., 12:30].median()


def test_given_colors_become_the_anchor_and_other_sources_do_not(given):
    guess = Belief(torch.zeros(1, 3, *SIZE), torch.ones(1, 1, *SIZE))
    flow, _ = astray(1)
    moved = given.move(texture(3), flow, SURE)
    assert moved.join({"guessed": guess}).anchor.age == 1
    again = moved.join({"given": given.beliefs["given"]})
    assert again.anchor.age == 0
    assert again.anchor.luminance is again.luminance
    assert not again.anchor.places.any()


def test_outside_of_the_anchor_nothing_is_known(given):
    anchor = Anchor.at(given.luminance, given.beliefs["given"]).carried(torch.full((1, 2, *SIZE), 300.0))
    assert anchor.found_again(given.luminance)[1].precision.max() <= 1


def test_what_a_source_said_long_ago_is_forgotten_and_lost_places_at_once():
    chroma = torch.full((1, 3, *SIZE), 0.2)
    start = CarriedChroma(texture(0)).join({"matched": Belief(chroma, torch.ones(1, 1, *SIZE))})
    still = torch.zeros(1, 2, *SIZE)
    carried = start
    for _ in range(30):
        carried = carried.move(start.luminance, still, SURE)
    assert carried.beliefs["matched"].precision.max() < 0.3
    lost = start.move(start.luminance, still, torch.ones_like(SURE))
    assert lost.beliefs["matched"].precision.max() < 1e-4
    torch.testing.assert_close(lost.beliefs["matched"].chroma, chroma)


def test_guesses_of_many_frames_are_averaged_and_what_correspondence_says_of_few():
    errors = {}
    for name in ("guessed", "matched"):
        carried, g = CarriedChroma(texture(0)), torch.Generator().manual_seed(0)
        for _ in range(30):
            said = Belief(torch.randn(1, 3, *SIZE, generator=g), torch.ones(1, 1, *SIZE))
            carried = carried.join({name: said})
            for _ in range(4):
                carried = carried.move(carried.luminance, torch.zeros(1, 2, *SIZE), SURE)
        errors[name] = float(carried.beliefs[name].chroma[INNER].std())
    # Of values whose weights fall by q from one to the next, the mean has sqrt((1 - q) / (1 + q)) of the deviation of
    # one; q is 0.54 where each of four frames adds a tenth of the variance of one, and 0.82 where it adds a hundredth.
    assert errors["matched"] == pytest.approx(0.55, abs=0.03)
    assert errors["guessed"] == pytest.approx(0.32, abs=0.03)


def test_it_comes_back_from_its_file(given, tmp_path):
    flow, _ = astray(1)
    guess = {"guessed": Belief(torch.rand(1, 3, *SIZE), torch.rand(1, 1, *SIZE))}
    for carried in (given.move(texture(3), flow, SURE).join(guess), CarriedChroma(texture(0)).join(guess)):
        carried.save(tmp_path / "carried.pt")
        back = CarriedChroma.load(tmp_path / "carried.pt", torch.device("cpu"))
        assert back.beliefs.keys() == carried.beliefs.keys()
        assert (back.anchor is None) == (carried.anchor is None)
        following = [c.move(texture(4), flow, SURE).move(texture(5), flow, SURE) for c in (back, carried)]
        for a, b in zip(*(c.beliefs.values() for c in following)):
            torch.testing.assert_close(a.chroma, b.chroma, atol=0, rtol=0)
            torch.testing.assert_close(a.precision, b.precision, atol=0, rtol=0)
        if carried.anchor is not None:
            assert back.anchor.age == carried.anchor.age
            torch.testing.assert_close(following[0].anchor.places, following[1].anchor.places, atol=0, rtol=0)


def test_what_a_part_hands_on_is_what_the_format_of_work_folders_says(given, tmp_path):
    """Where this list changes, WORK_FORMAT changes too: parts that an older version left are done again."""
    given.save(tmp_path / "carried.pt")
    held = {
        *("luminance", "belief.given.chroma", "belief.given.precision"),
        *("anchor.luminance", "anchor.places", "anchor.age", "anchor.chroma", "anchor.precision"),
    }
    assert (set(torch.load(tmp_path / "carried.pt", weights_only=True)), WORK_FORMAT) == (held, 6)

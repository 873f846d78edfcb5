"""The engine at rest is the pipeline; on the way there it is fast and can be stopped."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from recolor_torch.cli import main
from recolor_torch.color import fit_gamut, rgb_to_luminance
from recolor_torch.guide import Guide, Reference
from recolor_torch.hints.links import LinkShape, Region
from recolor_torch.hints.read import hints_from_shapes
from recolor_torch.hints.shapes import Stroke
from recolor_torch.methods import build_method
from recolor_torch.methods.levin.live import Cancelled
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.pictures import read_picture
from recolor_torch.pipeline import recolor
from recolor_torch.resize import resize
from recolor_torch.studio.desk import make_desk
from recolor_torch.studio.engine import Engine, Matched, network_settings
from recolor_torch.studio.library import Library
from recolor_torch.studio.painted import Mark, Marks
from recolor_torch.studio.protocol import Recipe

WIDTH, HEIGHT, SIDE = 480, 360, 320
HALF_A_LEVEL = 0.5


@pytest.fixture(scope="module")
def network():
    method = NetworkColorization()
    method.prepare()
    return method


@pytest.fixture(scope="module")
def image():
    generator = torch.Generator().manual_seed(0)
    y = torch.linspace(0.2, 0.7, WIDTH).expand(HEIGHT, WIDTH).clone()
    y[90:240, 120:300] = 0.85
    y += 0.003 * torch.randn(HEIGHT, WIDTH, generator=generator)
    return y.clamp(0, 1).expand(1, 3, -1, -1).contiguous()


def marks(*lines):
    items = [Mark(Stroke(((x, y), (x + 70, y + 9)), 5, color)) for x, y, color in lines]
    return Marks((WIDTH, HEIGHT), tuple(items))


SEQUENCE = [
    marks((140, 120, "#b03020")),
    marks((140, 120, "#b03020"), (20, 300, "#2050c0")),
    marks((20, 300, "#2050c0"), (350, 60, "#30a040")),
    marks(),
    marks((350, 60, "#30a040")),
]


def last(engine, painted, recipe, moving=False):
    return list(engine.solve(painted, recipe, moving, lambda: False))[-1]


def pipeline(image, painted, method, references=(), **settings):
    guide = Guide(tuple(Reference(r) for r in references))
    if painted.strokes:
        hints = hints_from_shapes(painted.shapes)
        guide = Guide(guide.references, hints=hints.image, hint_mask=hints.mask)
    return recolor(image, build_method(method, **settings), guide, max_side=SIDE)


def shown(image, answer):
    """What the page makes of an answer."""
    return fit_gamut(rgb_to_luminance(image), resize(torch.from_numpy(answer.chroma)[None], image.shape[-2:]))


@pytest.mark.parametrize(
    ("recipe", "states"),
    [(Recipe(), SEQUENCE), (Recipe(sample=2), SEQUENCE[2:4]), (Recipe(trust=5.0), SEQUENCE[1:2])],
    ids=["likely", "sample", "trust"],
)
def test_at_rest_every_state_is_the_network_method_to_half_a_level(network, image, recipe, states):
    engine = Engine(image, SIDE, network)
    engine.prepare()
    for painted in states:
        answer = last(engine, painted, recipe)
        assert answer.final
        wanted = pipeline(image, painted, "network", **network_settings(recipe))
        assert 255 * (shown(image, answer) - wanted).abs().max() < 2 * HALF_A_LEVEL  # half a level each


def test_words_are_those_of_the_command_line(network, image):
    recipe = Recipe(text="blue sky, green grass, red dress")
    engine = Engine(image, SIDE, network)
    for painted in (marks(), SEQUENCE[0]):
        hints = hints_from_shapes(painted.shapes)
        known = {"hints": hints.image, "hint_mask": hints.mask} if painted.strokes else {}
        wanted = recolor(image, build_method("network"), Guide(text=recipe.text, **known), max_side=SIDE)
        assert 255 * (shown(image, last(engine, painted, recipe)) - wanted).abs().max() < 2 * HALF_A_LEVEL
    assert sum("was not used" in note for note in engine.notes) < 3


def test_strokes_alone_are_levin(network, image):
    engine = Engine(image, SIDE, network)
    for painted in SEQUENCE[:2]:
        wanted = pipeline(image, painted, "levin")
        assert 255 * (shown(image, last(engine, painted, Recipe("plain"))) - wanted).abs().max() < 2 * HALF_A_LEVEL
    assert not last(engine, marks(), Recipe("plain")).chroma.any()


def test_a_reference_is_correspondence_and_with_strokes_semi_interactive(network, image):
    generator = torch.Generator().manual_seed(1)
    reference = torch.rand(1, 3, 6, 8, generator=generator)
    reference = resize(reference, (180, 240)).clamp(0, 1)
    engine = Engine(image, SIDE, network)
    recipe = Recipe("reference", references=("r0",))
    assert not engine.knows(recipe)
    engine.learn((("r0",), ()), Guide((Reference(reference),)))
    assert engine.knows(recipe)
    wanted = pipeline(image, marks(), "correspondence", [reference])
    assert 255 * (shown(image, last(engine, marks(), recipe)) - wanted).abs().max() < 2 * HALF_A_LEVEL
    found = [shown(image, last(engine, painted, recipe)) for painted in SEQUENCE[:2]]
    wanted = pipeline(image, SEQUENCE[1], "semi_interactive", [reference])
    assert 255 * (found[1] - wanted).abs().max() < 2 * HALF_A_LEVEL


@pytest.mark.parametrize("keys", [("r0",), ()], ids=["with its reference", "links alone"])
def test_links_are_those_of_the_command_line(network, image, tmp_path, keys):
    """Through files, as an export goes: the command of the desk and the engine agree."""
    colors = torch.zeros(1, 3, 60, 80)
    colors[:, 0, :, :40], colors[:, 2, :, 40:] = 0.7, 0.7
    colors += 0.2 * torch.rand(colors.shape, generator=torch.Generator().manual_seed(3))
    for name, picture in (("old.png", image), ("colors.png", colors)):
        levels = (picture[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        Image.fromarray(levels).save(tmp_path / name)
    desk = make_desk([str(tmp_path / "old.png")], references=[str(tmp_path / "colors.png")], side=SIDE)
    library = Library(desk)
    target, region = (
        Region("rectangle", box) for box in (((130.0, 100.0), (160.0, 130.0)), ((0.0, 0.0), (40.0, 60.0)))
    )
    painted = replace(SEQUENCE[0], links=(LinkShape(target, region, library.listed(0)[0]["file"]),))
    if not keys:
        painted = replace(painted, items=())
    recipe = Recipe("reference", references=keys)
    source = read_picture(desk.items[0].target.path).image
    engine = Engine(source, SIDE, network)
    engine.learn((keys, painted.links), library.guide(0, keys, painted, engine.finest.size))
    found = shown(source, last(engine, painted, recipe))
    assert (found[0, 0] - found[0, 2])[120:200, 150:280].mean() > 0.08  # red, by the link or the stroke
    desk.save_marks(0, painted)
    assert main([*desk.command(0, painted, recipe, library.keep(keys, tmp_path)), "-q"]) == 0
    wanted = read_picture(desk.items[0].output).image
    assert 255 * (found - wanted).abs().max() < 2 * HALF_A_LEVEL + 0.5  # and the rounding of the file


def test_matching_that_is_stopped_ends_and_is_not_kept(network, image):
    engine = Engine(image, SIDE, network)
    asked = []

    def stale():
        asked.append(True)
        return len(asked) > 20

    with pytest.raises(Cancelled):
        engine.learn((("r0",), ()), Guide((Reference(image),)), stale=stale)
    assert len(asked) < 30  # what is left are exits of contexts
    assert not engine.knows(Recipe("reference", references=("r0",)))


def test_links_that_are_not_matched_yet_change_nothing(network, image):
    engine = Engine(image, SIDE, network)
    recipe = Recipe("reference", references=("r0",))
    box = Region("rectangle", ((130.0, 100.0), (160.0, 130.0)))
    engine.matched[("r0",), ()] = Matched(
        torch.full((1, 2, *engine.finest.size), 0.1), *(2 * [torch.ones(1, 1, *engine.finest.size)]), None
    )
    linked = replace(marks(), links=(LinkShape(box, box, "a.png"),))
    assert not engine.knows(recipe, linked.links)
    assert (last(engine, linked, recipe).chroma == 0.1).all()


def test_coarse_answers_come_first_and_are_near(network, image):
    engine = Engine(image, SIDE, network)
    engine.prepare()
    answers = list(engine.solve(SEQUENCE[1], Recipe(), False, lambda: False))
    assert [a.final for a in answers] == [False, False, True]
    assert [a.side for a in answers] == [160, 160, 320]
    before, quick, coarse, final = (shown(image, a) for a in (last(engine, marks(), Recipe()), *answers))
    assert (quick - final).abs().mean() < 0.5 * (before - final).abs().mean()
    assert (coarse - final).abs().mean() < 0.3 * (before - final).abs().mean()


def test_a_moving_brush_gets_one_coarse_answer(network, image):
    engine = Engine(image, SIDE, network)
    answers = list(engine.solve(SEQUENCE[0], Recipe(), True, lambda: False))
    assert [(a.side, a.final) for a in answers] == [(160, False)]


def test_a_stale_request_ends_early_and_does_no_harm(network, image):
    engine = Engine(image, SIDE, network)
    calls = iter([False] * 3 + [True] * 1000)
    answers = list(engine.solve(SEQUENCE[1], Recipe(), False, lambda: next(calls)))
    assert not any(a.final for a in answers)
    wanted = pipeline(image, SEQUENCE[2], "network")
    assert 255 * (shown(image, last(engine, SEQUENCE[2], Recipe())) - wanted).abs().max() < 2 * HALF_A_LEVEL

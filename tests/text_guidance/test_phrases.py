import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.text_guidance.color_table import COLORS, COMPOUNDS, ISH, MODIFIERS, NATURAL
from recolor_torch.text_guidance.phrases import LONGEST, parse, tokens
from recolor_torch.text_guidance.things import THINGS, singulars, thing_of, words


def said(text):
    return {p.thing: p.color for p in parse(text).phrases}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red dress, green lawn, blond hair", {"dress": "red", "grass": "green", "hair": "blond"}),
        ("Red gown; the LAWN is green", {"dress": "red", "grass": "green"}),
        ("dress: red, hat = blue", {"dress": "red", "hat": "blue"}),
        ("a girl in a red dress", {"dress": "red"}),
        ("woman wearing red", {"clothes": "red"}),
        ("blonde woman", {"hair": "blonde"}),
        ("red-haired girl", {"hair": "red"}),
        ("red shirt and pants", {"shirt": "red", "pants": "red"}),
        ("the dress and the hat are navy", {"dress": "navy", "hat": "navy"}),
        ("the sky is blue and the lawn green", {"sky": "blue", "grass": "green"}),
        ("navy blue suit with a white shirt and a red tie", {"suit": "navy", "shirt": "white", "tie": "red"}),
        ("brown dog on green grass", {"dog": "brown", "grass": "green"}),
        ("red dress, blue dress", {"dress": "blue"}),
    ],
)
def test_colors_go_to_their_things(text, expected):
    assert said(text) == {t: pytest.approx(NATURAL.get((t, name), COLORS[name])) for t, name in expected.items()}


@pytest.mark.parametrize(
    ("text", "thing", "color"),
    [
        ("rose dress", "dress", "rose"),
        ("red rose", "flower", "red"),
        ("orange oranges", "fruit", "orange"),
        ("sand dress", "dress", "sand"),
        ("yellow sand", "sand", "yellow"),
    ],
)
def test_a_word_that_is_a_color_and_a_thing(text, thing, color):
    assert said(text) == {thing: COLORS[color]}


def test_names_of_several_words():
    assert said("sky blue dress") == {"dress": COMPOUNDS["sky blue"]}
    assert said("sky blue") == {"sky": COMPOUNDS["sky blue"]}
    assert said("olive-green jacket") == {"jacket": COLORS["olive"]}


def test_modifiers_change_chroma_and_lightness():
    l, a, b = COLORS["red"]
    pale, dark = said("pale red dress")["dress"], said("dark red dress")["dress"]
    factor, lighter = MODIFIERS["pale"]
    assert pale == pytest.approx((l + lighter, a * factor, b * factor))
    assert dark[0] < l < pale[0]
    reddish = said("reddish brown hair")["hair"]
    brown = COLORS["brown"]
    assert reddish[1] == pytest.approx(0.35 * a + 0.65 * brown[1])
    assert brown[1] < reddish[1] < a


def test_a_plain_name_is_that_of_the_thing():
    lawn, bright = said("green lawn")["grass"], said("bright green lawn")["grass"]
    assert lawn == pytest.approx(NATURAL["grass", "green"])
    assert bright[1] == pytest.approx(lawn[1] * MODIFIERS["bright"][0])
    assert said("green dress")["dress"] == COLORS["green"]
    assert said("bottle green lawn")["grass"] == COMPOUNDS["bottle green"]
    assert said("brownish green lawn")["grass"] != lawn


def test_colors_in_numbers():
    assert said("#ff0000 coat")["coat"] == pytest.approx((53.24, 80.09, 67.20), abs=0.05)  # skimage.color.rgb2lab
    assert said("#0f0 coat")["coat"] == pytest.approx((87.74, -86.18, 83.18), abs=0.05)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("qwerty, red dress", "the word 'qwerty' is not known"),
        ("red dress, green jaket", r"the word 'jaket' is not known \(is it 'jacket'\?\)"),
        ("not red dress", "the word 'not' is not known"),
        ("black and white cat", "a thing has one color: 'white' is left out beside 'black'"),
        ("light hat, red dress", "'light' alone is not a color"),
        ("a girl in a red dress", "no color is given for 'girl'"),
        ("red zither, red dress", "the word 'zither' is not known"),
        ("赤い服, red dress", "the word '赤い服' is not known"),
    ],
)
def test_what_is_not_understood_is_said(text, note):
    notes = parse(text).notes
    assert any(re.search(note, n) for n in notes), notes


@pytest.mark.parametrize(
    "text", ["", "   ", "dress", "red", "qwerty", "\x00\x1b[31m", "зелёная трава", "12 34", ",,,;"]
)
def test_a_text_that_names_nothing_is_refused(text):
    with pytest.raises(ValueError, match="names no color for a thing"):
        parse(text)


def test_a_long_text_is_refused():
    with pytest.raises(ValueError, match=f"{LONGEST} at most"):
        parse("red dress, " * 1000)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([*COLORS, *MODIFIERS, *ISH, *THINGS, "and", "is", "in", ",", "not", "#12", "é"]), max_size=12
    )
)
def test_any_order_of_words_gives_colors_or_one_sentence(parts):
    phrases = ()
    with contextlib.suppress(ValueError):  # a text that names nothing
        phrases = parse(" ".join(parts)).phrases
    for phrase in phrases:
        assert phrase.thing in THINGS
        assert 0 <= phrase.color[0] <= 100
        assert max(map(abs, phrase.color[1:])) <= 128


def test_signs_and_widths_are_made_plain():
    assert tokens("The girl’s RED\tdress…") == ["the", "girl", "red", "dress", ".", ".", "."]


def test_every_word_means_a_thing_and_no_color_is_lost():
    assert all(thing in THINGS for thing in words().values())
    assert thing_of("Dress".lower()) == "dress"
    assert thing_of("beaches") == "sand"
    assert thing_of("buses") == "bus"
    assert thing_of("grass") == "grass"
    assert singulars("ladies")[0] == "lady"
    assert not set(MODIFIERS) & set(COLORS)
    assert all(0 <= l <= 100 for l, _, _ in [*COLORS.values(), *COMPOUNDS.values()])

"""From a person's words to phrases, each a color and a thing; English, offline, by tables."""

import difflib
import math
import re
import unicodedata
from dataclasses import dataclass

from recolor_torch.text_guidance.color_table import COLORS, COMPOUNDS, ISH, MODIFIERS, NATURAL, Lab
from recolor_torch.text_guidance.things import thing_of, words

LONGEST = 2000
"""Letters that a text may have."""


def _set(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Words that carry no meaning here.
_FILLERS = _set(
    "a an the this that these those some of her his their its my our your on at to for by from has have had having "
    "there s it all both color colour colored coloured colors colours make paint please should shall must will plain "
    "hue tone shade tint one two three big small little large long short tall old young new"
)
_LINKS = _set("is are was were be being become : =")
_WORN = _set("wearing wears wear in")
_JOINS = _set("and with & + plus while under over behind near beside against before next")
_ENDS = frozenset((",", ";", ".", "\n", "|", "/", "!", "?"))
# Colors of hair: said of a person they are the hair's.
_OF_HAIR = _set("blond blonde brunette auburn ginger")
_PARTS = {"haired": "hair", "skinned": "skin", "dressed": "clothes", "clad": "clothes"}
_ISH_SHARE = 0.35
# a and b of sRGB are smaller.
_MOST_CHROMA = 128.0
_TOKEN = re.compile(r"#[0-9a-f]{6}\b|#[0-9a-f]{3}\b|t-shirts?|[^\W_]+(?:'[^\W_]+)?|[,;.\n|/!?:=&+]|[^\s\w-]")


@dataclass(frozen=True)
class Phrase:
    """A color for a thing.

    Args:
        text: the words that said so.
        thing: one of ``THINGS``.
        color: L, a and b.
    """

    text: str
    thing: str
    color: Lab


@dataclass(frozen=True)
class Words:
    """What a text says.

    Args:
        phrases: what was understood; of two with the same thing the later counts.
        notes: what was not understood, a clause each.
    """

    phrases: tuple[Phrase, ...]
    notes: tuple[str, ...]


def parse(text: str) -> Words:
    """Read a text.

    Args:
        text: phrases with commas or "and" between them: "red dress, dark green lawn and blond hair".

    Raises:
        ValueError: it is empty or too long, or holds no phrase that can be used; one sentence.

    Example:
        >>> [(p.thing, p.text) for p in parse("red gown, the lawn is green").phrases]
        [('dress', 'red gown'), ('grass', 'green lawn')]
    """
    if len(text) > LONGEST:
        raise ValueError(f"The text has {len(text)} letters, and {LONGEST} at most are read.")
    reader = _Reader(tokens(text))
    found = {phrase.thing: phrase for phrase in reader.read()}
    notes = tuple(dict.fromkeys(reader.notes))
    if not found:
        why = f": {'; '.join(notes[:3])}" if notes else ""
        raise ValueError(f'The text names no color for a thing, as "red dress, green lawn" does{why}.')
    return Words(tuple(found.values()), notes)


def tokens(text: str) -> list[str]:
    """Words and signs of a text, in lower case, with accents and widths made plain."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    plain = "".join(c if c == "\n" or unicodedata.category(c)[0] not in "CZ" else " " for c in plain)
    return [t.removesuffix("'s") for t in _TOKEN.findall(plain)]


class _Reader:
    """Goes through the tokens once."""

    def __init__(self, given: list[str]) -> None:
        self.tokens, self.notes = given, [] if given else ["it is empty"]
        self.place = 0

    def read(self) -> list[Phrase]:
        """The phrases, in order."""
        phrases: list[Phrase] = []
        clause = _Clause(self.notes)
        while self.place < len(self.tokens):
            token = self.tokens[self.place]
            color = self._color()
            if color is not None:
                clause.add_color(*color, before_thing=self._thing_follows())
                continue
            self.place += 1
            if token in _ENDS:
                phrases += clause.close()
                clause = _Clause(self.notes)
            elif token in _LINKS:
                clause.linked = True
            elif token in _WORN:
                clause.worn = True
            elif token in _JOINS:
                clause.joined = True
            elif token in _PARTS:
                clause.add_thing(_PARTS[token], token)
            elif token in MODIFIERS:
                self.notes.append(f"'{token}' alone is not a color")
            elif token in _FILLERS or (token.isdecimal() and token.isascii()):
                continue
            elif (thing := thing_of(token)) is not None:
                clause.add_thing(thing, token)
            else:
                clause.add_unknown(token)
            phrases += clause.taken()
        return phrases + clause.close()

    def _color(self) -> tuple[Lab, str] | None:
        """The color that begins here, and its words; the place then is behind it."""
        start = self.place
        factor, lighter = 1.0, 0.0
        while self._at(self.place) in MODIFIERS:
            change = MODIFIERS[self.tokens[self.place]]
            factor, lighter = factor * change[0], lighter + change[1]
            self.place += 1
        mixed: list[tuple[Lab, float]] = []
        while (one := self._one()) is not None:
            mixed.append(one)
        if not mixed:
            self.place = start  # modifiers alone, as in "light dress", are no color
            return None
        total = sum(weight for _, weight in mixed)
        l, a, b = (sum(c[i] * weight for c, weight in mixed) / total for i in range(3))
        a, b = (max(-_MOST_CHROMA, min(_MOST_CHROMA, x * factor)) for x in (a, b))
        return (min(98.0, max(6.0, l + lighter)), a, b), _short(" ".join(self.tokens[start : self.place]))

    def _one(self) -> tuple[Lab, float] | None:
        """One name of a color at the place, and its weight among those it is mixed with."""
        token = self._at(self.place)
        for count in (3, 2):
            name = " ".join(self.tokens[self.place : self.place + count])
            if name in COMPOUNDS and not (thing_of(token) and self._ends(self.place + count)):
                self.place += count
                return COMPOUNDS[name], 1.0
        # "sky blue" alone is the sky in sky blue.
        name = f"{self._at(self.place - 1)} {token}"
        if name in COMPOUNDS and self._ends(self.place + 1):
            self.place += 1
            return COMPOUNDS[name], 1.0
        if token.startswith("#") and len(token) in (4, 7):
            self.place += 1
            return _hex(token), 1.0
        if token in ISH:
            self.place += 1
            share = _ISH_SHARE if self._at(self.place) in COLORS else 1.0
            l, a, b = COLORS[ISH[token]]
            return ((l, a * 0.6, b * 0.6) if share == 1 else (l, a, b)), share
        if token in COLORS and not self._is_thing():
            self.place += 1
            return COLORS[token], 1.0 if self.place < 2 or self._at(self.place - 2) not in ISH else 1 - _ISH_SHARE
        return None

    def _is_thing(self) -> bool:
        """Whether a word that is a color and a thing ("rose", "orange", "sand") is the thing here: no thing follows."""
        token = self.tokens[self.place]
        if thing_of(token) is None:
            return False
        following = self._at(self.place + 1)
        if following in COLORS or following in _LINKS:
            return following in _LINKS
        before = self._at(self.place - 1) if self.place else ""
        colored = before in COLORS or before in ISH
        return not self._thing_follows(self.place + 1) and (colored or before not in _LINKS)

    def _thing_follows(self, place: int | None = None) -> bool:
        """Whether a thing is named before the clause ends or another color begins."""
        place = self.place if place is None else place
        while (token := self._at(place)) and token not in _ENDS and token not in _LINKS:
            if thing_of(token) is not None or token in _PARTS:
                return True
            if token in COLORS and not token.startswith("#"):
                return False
            place += 1
        return False

    def _ends(self, place: int) -> bool:
        token = self._at(place)
        return not token or token in _ENDS or token in _JOINS

    def _at(self, place: int) -> str:
        return self.tokens[place] if 0 <= place < len(self.tokens) else ""


class _Clause:
    """What stands between two commas."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes
        self.colors: list[tuple[Lab, str]] = []
        self.things: list[tuple[str, str]] = []
        self.unknown: list[str] = []
        self.done: list[Phrase] = []
        self.last: tuple[Lab, str] | None = None
        self.linked = self.joined = self.worn = False

    def add_color(self, color: Lab, text: str, before_thing: bool) -> None:
        """A color: of the thing that follows, else of those that came before."""
        if self.things and (self.linked or not before_thing):
            for named in self.things:
                worn = self.worn and named[0] == "person"  # "a woman in red"
                self._phrase((color, text), *(("clothes", "clothes") if worn else named))
            self.things = []
        elif self.colors:
            self.notes.append(f"a thing has one color: '{text}' is left out beside '{self.colors[0][1]}'")
        else:
            if self.things:
                self._without_color()
            self.colors.append((color, text))
        self.joined = self.worn = False

    def add_thing(self, thing: str, word: str) -> None:
        """A thing: of the color before it, or, behind "and", of that of the thing before."""
        color = self.colors[0] if self.colors else self.last if self.joined and not self.linked else None
        if color is None:
            self.things.append((thing, word))
        else:
            self._phrase(color, thing, word)
        self.colors = []
        self.joined = self.linked = False

    def add_unknown(self, word: str) -> None:
        """A word that means nothing here; said when the clause ends."""
        self.unknown.append(word)

    def taken(self) -> list[Phrase]:
        """The phrases that were completed since the last call."""
        done, self.done = self.done, []
        return done

    def close(self) -> list[Phrase]:
        """The phrases that are left, once what was not understood is said."""
        if self.colors and self.colors[0][1].split()[-1] in _OF_HAIR:
            self._phrase(self.colors[0], "hair", "hair")
            self.colors = []
        self._without_color()
        self.notes += [_unknown(word) for word in self.unknown]
        for _, text in self.colors:
            self.notes.append(f"no thing that is known has the color '{text}'")
        return self.taken()

    def _phrase(self, color: tuple[Lab, str], thing: str, word: str) -> None:
        if thing == "person" and color[1].split()[-1] in _OF_HAIR:
            thing = "hair"
        self.done.append(Phrase(f"{color[1]} {_short(word)}", thing, _natural(thing, *color)))
        self.last = color

    def _without_color(self) -> None:
        self.notes += [f"no color is given for '{_short(word)}'" for _, word in self.things]
        self.things = []


def _natural(thing: str, color: Lab, text: str) -> Lab:
    """A color as its thing has it: what modifiers changed stays changed."""
    name = text.split()[-1]
    natural = NATURAL.get((thing, name))
    if natural is None:
        return color
    plain = COLORS[name]
    across = color[1] * plain[2] - color[2] * plain[1]
    if abs(across) > 1e-6 * math.hypot(*color[1:]) * math.hypot(
        *plain[1:]
    ):  # of another hue: "sky blue", "greenish blue"
        return color
    share = math.hypot(*color[1:]) / math.hypot(*plain[1:])
    return min(98.0, max(6.0, color[0] + natural[0] - plain[0])), natural[1] * share, natural[2] * share


def _short(words: str) -> str:
    return words if len(words) <= 40 else f"{words[:37]}..."


def _unknown(word: str) -> str:
    near = difflib.get_close_matches(word, [*words(), *COLORS], 1, 0.8) if word.isascii() and len(word) < 40 else []
    return f"the word '{_short(word)}' is not known" + (f" (is it '{near[0]}'?)" if near else "")


def _hex(token: str) -> Lab:
    """sRGB as #rrggbb or #rgb to Lab."""
    digits = token[1:] if len(token) == 7 else "".join(2 * d for d in token[1:])
    rgb = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    xyz = (
        (0.412453 * r + 0.357580 * g + 0.180423 * b) / 0.95047,
        0.212671 * r + 0.715160 * g + 0.072169 * b,
        (0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.08883,
    )
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)

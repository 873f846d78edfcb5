import pytest

from recolor_torch.run.recipe import other_recipe

LINE = {
    "method": "histogram",
    "parameters": {"mode": "rgb", "smoothing": 8.0},
    "target_color": "gray",
    "keep": "luma",
    "strength": 1.0,
    "max_side": None,
    "references": [{"path": "a.jpg", "weight": 1.0, "mask": None, "sha256": "1"}],
    "found": False,
    "hints": None,
    "target_mask": None,
}
HINTS = {"path": "h/a.json", "sha256": "2"}
REFERENCE = LINE["references"][0]


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ({}, {}, None),
        ({}, {"method": "wavelet", "parameters": {}}, "was made by histogram"),
        ({}, {"parameters": {"mode": "lab", "smoothing": 8.0}}, "was made with another mode"),
        ({}, {"parameters": {"mode": "rgb", "smoothing": 8.0, "of a later version": 1}}, None),
        ({}, {"strength": 0.5}, "was made with another strength"),
        ({}, {"references": [REFERENCE | {"path": "b.jpg", "sha256": "9"}]}, "was made from other references"),
        ({}, {"references": [REFERENCE | {"path": "moved/a.jpg"}]}, None),
        ({}, {"references": [REFERENCE | {"sha256": "new"}]}, None),  # the file of this name has changed
        ({}, {"references": [REFERENCE, REFERENCE]}, "was made from other references"),
        ({}, {"references": [], "found": True}, "was made from other references"),
        ({"found": True}, {"references": [], "found": True}, None),
        ({}, {"target_mask": "m.png"}, "was made with another mask"),
        ({"hints": HINTS}, {}, "was made with hints"),
        ({"hints": HINTS}, {"hints": HINTS | {"sha256": "edited"}}, None),
        ({"hints": HINTS}, {"hints": HINTS | {"path": "copy.json"}}, None),
        ({"hints": HINTS}, {"hints": {"path": "other.json", "sha256": "3"}}, "was made with other hints"),
        ({"method": "network"}, {"method": "network", "hints": HINTS}, None),
        ({"method": "correspondence"}, {"method": "semi_interactive", "hints": HINTS, "parameters": {}}, None),
        ({"method": "network"}, {"method": "levin", "hints": HINTS, "parameters": {}}, "was made by network"),
    ],
)
def test_what_is_another_recipe(old, new, clause):
    assert other_recipe({**LINE, **old}, {**LINE, **new}) == clause


def test_a_line_of_an_older_version_is_compared_by_what_it_says():
    assert other_recipe({"status": "done"}, LINE) is None
    assert other_recipe({"status": "done", "method": "wavelet"}, LINE) == "was made by wavelet"

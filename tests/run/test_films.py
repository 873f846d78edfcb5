"""What a method does in a film."""

import pytest

from recolor_torch.errors import UsageError
from recolor_torch.film.settings import FilmSettings
from recolor_torch.methods import (
    METHODS,
    Correspondence,
    LevinColorization,
    NetworkColorization,
    SemiInteractive,
    build_method,
)
from recolor_torch.run.description import Guidance, Output, Run, Targets
from recolor_torch.run.films import make_sources
from recolor_torch.run.planning import plan_run


def test_the_chosen_network_and_search_are_the_ones_that_are_asked():
    network, match = NetworkColorization(head="distribution"), Correspondence(side=64)
    assert make_sources(network, True, True).network is network
    assert make_sources(match, True, True).match is match
    assert make_sources(match, True, False).match is None


@pytest.mark.parametrize("method", [NetworkColorization(), SemiInteractive(), LevinColorization()])
def test_references_are_searched_with_defaults_where_no_search_was_chosen(method):
    sources = make_sources(method, False, True)
    assert sources.match.settings() == Correspondence().settings()
    assert sources.network is not None
    assert sources.other is None


def test_levin_alone_asks_nobody_where_it_was_named():
    assert make_sources(LevinColorization(), True, True).names(True, True) == ("given",)
    assert make_sources(LevinColorization(), False, False).names(False, True) == ("given", "guessed")


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"network", "correspondence", "semi_interactive", "levin"}))
def test_other_methods_color_frames_in_their_own_way(name):
    method = build_method(name)
    sources = make_sources(method, True, True)
    assert sources.other is method
    assert sources.match is None


@pytest.mark.parametrize("wrong", [{"side": 0}, {"side": -5}, {"processes": 0}])
def test_settings_of_films_that_mean_nothing_are_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(UsageError, match=rf"^film\.{name} must be 1 or more, got {value}\.$"):
        FilmSettings(**wrong)


def test_pictures_alone_are_planned_and_a_film_says_who_takes_it(tmp_path):
    (tmp_path / "a.MP4").write_bytes(b"film")
    run = Run(Targets((str(tmp_path / "a.MP4"),)), Output(tmp_path / "out"), Guidance())
    with pytest.raises(UsageError, match=r"a\.MP4: this is a film, which recolor colorize takes"):
        plan_run(run, {})

"""Pictures are well-formed SVG without script or style, and gaps stay gaps."""

from __future__ import annotations

import random
from xml.etree import ElementTree

import pytest

from polybot.dashboard import pictures
from polybot.dashboard.pictures import Axis, Line, Mark


def parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<root>{markup}</root>")


def test_a_chart_says_what_it_shows_and_places_its_marks_by_percent() -> None:
    markup = pictures.chart(
        [Line(points=[(0, 10), (50, 20), (100, 30)])],
        says='price <b>"up"</b>',
        axis=Axis(unit=" ¢"),
        marks=[Mark(x=50, y=20, bought=True, title="bought 5")],
        tag=30,
    )
    plot = parsed(markup).find("div")
    assert plot is not None and plot.get("aria-label") == 'price <b>"up"</b>'
    (mark,) = [e for e in plot.iter("svg") if e.get("overflow") == "visible" and e.get("x")]
    assert mark.get("x") == "50.00%" and abs(float(mark.get("y", "").rstrip("%")) - 50) < 1


def test_a_gap_stays_a_gap() -> None:
    markup = pictures.chart([Line(points=[(0, 1), (1, 2), (2, None), (3, 2), (4, 1)])], says="x", axis=Axis())
    path = next(e.get("d") for e in parsed(markup).iter("path"))
    assert path is not None and path.count("M") == 2


def test_a_quiet_line_is_drawn_on_a_span_that_shows_it_is_quiet() -> None:
    markup = pictures.chart([Line(points=[(0, 50.0), (1, 50.1)])], says="x", axis=Axis(least=4))
    labels = [e.text for e in parsed(markup).iter("text")]
    assert sorted(label or "" for label in labels) == ["50", "52"]


@pytest.mark.parametrize("points", [[], [(0, 1)], [(0, None), (1, None)]])
def test_too_little_to_draw_draws_nothing(points: list[tuple[float, float | None]]) -> None:
    assert pictures.chart([Line(points=points)], says="x", axis=Axis()) == ""


def test_any_series_makes_valid_markup_inside_its_frame() -> None:
    chance = random.Random(7)
    for _ in range(300):
        size = chance.randrange(2, 40)
        scale = 10 ** chance.randrange(-6, 9)
        points = [(i, None if chance.random() < 0.1 else chance.uniform(-1, 1) * scale) for i in range(size)]
        markup = pictures.chart([Line(points=points, fill_to=0.0)], says="x", axis=Axis(), reference=0.0)
        if not markup:
            continue
        for line in parsed(markup).iter("line"):
            assert -0.01 <= float(line.get("y1", "0").rstrip("%")) <= 100.01
        assert "nan" not in markup and "inf" not in markup


def test_ticks_are_round_and_inside() -> None:
    assert pictures.ticks(58.2, 62.9, 5) == [59, 60, 61, 62]
    assert pictures.ticks(0, 1, 4) == [0, 0.25, 0.5, 0.75, 1]
    assert pictures.ticks(1, 1, 4) == []


@pytest.mark.parametrize(("share", "css"), [(0.79, "f"), (0.8, "fw"), (3.0, "fw")])
def test_a_cap_turns_amber_at_eighty_percent_and_never_leaves_its_frame(share: float, css: str) -> None:
    bar = next(parsed(pictures.cap_bar(share)).iter("rect"))
    assert bar.get("class") == css and float(bar.get("width", "")) <= 100

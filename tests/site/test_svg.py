"""Drawings inside a page: the same lines in fewer bytes, names that are unique, a text for all."""

import io
import math
import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest

from book import BookError
from book.site import svg

HEAD = (
    '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd">'
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="30pt" height="15pt" viewBox="0 0 30 15" version="1.1">'
)


def inline(body, page=None, alt="What it shows"):
    return ElementTree.fromstring((page or svg.Page()).inline(f"{HEAD}{body}</svg>", alt))


def drawn(path):
    """The points of a path of M, L, m, l and z, absolute."""
    x = y = 0.0
    for command, numbers in re.findall(r"([MLmlz])([^MLmlz]*)", path):
        values = [float(n) for n in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", numbers)]
        for dx, dy in zip(values[::2], values[1::2]):
            x, y = (dx, dy) if command in "ML" else (x + dx, y + dy)
            yield x, y


def test_it_has_a_role_a_text_a_size_and_nothing_that_draws_nothing():
    made = inline(
        "<metadata>m</metadata><defs><style>*{}</style></defs><!-- c --><g> </g><g><g/></g>"
        '<text x="1.23456">a &lt; b</text>',
        alt='"quoted" & <b>',
    )
    assert made.attrib == {
        "role": "img",
        "aria-label": '"quoted" & <b>',
        "width": "40",
        "height": "20",
        "viewBox": "0 0 30 15",
    }
    assert [(child.tag, child.text, child.attrib) for child in made] == [
        ("text", "a < b", {"x": "1.23"})
    ]


def test_styles_become_attributes_and_numbers_are_rounded():
    (made,) = inline(
        '<g style="fill: #ffffff; stroke-width: 0.8;" id="axes_1" '
        'transform="translate(1.23456 -0.001) scale(0.015625)"><path/><path/></g>'
    )
    assert made.attrib == {
        "transform": "translate(1.23 0) scale(0.015625)",
        "fill": "#ffffff",
        "stroke-width": "0.8",
    }


def test_what_is_referred_to_is_named_and_what_two_figures_show_is_defined_once():
    body = (
        '<defs><path id="glyph" d="M 0 0 L 1.23456 1" style="stroke: #000000"/></defs>'
        '<g clip-path="url(#clip)"><g><use xlink:href="#glyph" x="3"/><path/></g></g>'
        '<clipPath id="clip"><rect width="3"/></clipPath>'
    )
    page = svg.Page()
    first, second = inline(body, page), inline(body, page)
    assert first.find("defs/path").attrib == {"id": "d1", "d": "m0 0 1.23 1", "stroke": "#000000"}
    assert first.find("g/use").attrib == {"href": "#d1", "x": "3"}
    assert (first.find("g").get("clip-path"), first.find("clipPath").get("id")) == (
        "url(#d2)",
        "d2",
    )
    assert second.find("defs") is None
    assert second.find("g/use").get("href") == "#d1"
    assert (second.find("g").get("clip-path"), second.find("clipPath").get("id")) == (
        "url(#d3)",
        "d3",
    )


def panels(draw, *shape, **options):
    """A drawing by matplotlib and what the page makes of it; ``draw`` gets the figure and its axes."""
    figure, axes = plt.subplots(*shape, layout="constrained", squeeze=False, **options)
    draw(figure, axes)
    text = io.StringIO()
    figure.savefig(text, format="svg")
    plt.close(figure)
    made = ElementTree.fromstring(svg.Page().inline(text.getvalue(), "What it shows"))
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', text.getvalue())[1])
    return made, width


def lines(figure, axes):
    for ax in axes.flat:
        ax.plot([0, 1], [3, 4])
        ax.set(ylabel="height", title="a long title of it")


@pytest.mark.parametrize("shape", [(1, 2), (1, 3), (2, 2)])
def test_what_stands_side_by_side_is_a_row_of_drawings_as_wide_as_the_whole(shape):
    made, width = panels(lines, *shape, figsize=(9, 4))
    assert made.tag == "div"
    assert made.attrib == {"class": "panels", "role": "img", "aria-label": "What it shows"}
    assert [one.tag for one in made] == ["svg"] * shape[1]
    boxes = [list(map(float, one.get("viewBox").split())) for one in made]
    assert boxes[0][0] == 0 and boxes[-1][0] + boxes[-1][2] == pytest.approx(width, abs=0.01)
    for (x, _, wide, _), (after, *_) in zip(boxes, boxes[1:]):
        assert x + wide == after and after / 0.75 == int(after / 0.75)  # a whole pixel
    assert sum(int(one.get("width")) for one in made) == int(width / 0.75)
    for one in made:
        assert one.get("aria-hidden") == "true" and "role" not in one.attrib
        assert len(one.findall(".//*[@clip-path]")) == shape[0]  # the one line of each of its axes
    names = [one.get("id") for one in made.iter() if one.get("id")]
    used = {value[5:-1] for one in made.iter() for value in one.attrib.values() if "url(#" in value}
    used |= {one.get("href")[1:] for one in made.iter("use")}
    assert len(names) == len(set(names)) and used == set(names)


def test_panels_begin_alike_so_that_they_stand_in_line_on_a_phone():
    def apart(figure, axes):
        lines(figure, axes)
        figure.get_layout_engine().set(wspace=0.3)

    made, _ = panels(apart, 1, 2, figsize=(9, 4))
    first, second = (
        min(float(m[1]) for one in panel.iter() for m in MOVED.finditer(one.get("transform", "")))
        - float(panel.get("viewBox").split()[0])
        for panel in made
    )
    assert first == pytest.approx(second, abs=0.8)


MOVED = re.compile(r"translate\(([\d.]+)")


@pytest.mark.parametrize(
    "whole",
    [
        lambda figure, axes: figure.suptitle("what reaches across the cut between the panels"),
        lambda figure, axes: figure.legend(loc="outside lower center"),
        lambda figure, axes: axes[0, 0].text(0.5, 3.5, "into the next " * 3).set_in_layout(False),
        lambda figure, axes: axes[0, 1].remove(),
        lambda figure, axes: axes[0, 1].set_axis_off(),
    ],
    ids=["title", "legend", "text", "one", "empty"],
)
def test_a_drawing_is_whole_where_something_reaches_across(whole):
    def draw(figure, axes):
        axes[0, 0].plot([0, 1], [3, 4], label="a line of this figure, and of the next")
        whole(figure, axes)

    made, _ = panels(draw, 1, 2, figsize=(5, 3))
    assert (made.tag, made.get("role")) == ("svg", "img")


def test_a_colour_bar_is_no_panel():
    made, _ = panels(lambda figure, axes: figure.colorbar(axes[0, 0].imshow([[1, 2]])), 1, 1)
    assert made.tag == "svg"


def test_a_cut_heeds_what_turns_grows_and_is_clipped():
    def axes(n, x, inside):
        return f'<g id="axes_{n}"><path d="M {x} 0 L {x + 8} 9"/>{inside}</g>'

    clip = '<clipPath id="c"><rect x="2" y="0" width="9" height="9"/></clipPath>'
    clipped = '<g clip-path="url(#c)"><path d="M 0 0 L 29 0"/></g>'
    turned = (
        '<g transform="translate(17 9) rotate(-90) scale(0.5 -0.5)"><path d="M 0 0 L 1 4"/></g>'
    )
    made = inline(f"<g>{axes(1, 1, clipped)}{axes(2, 20, turned)}</g><defs>{clip}</defs>")
    # Up to 11 by the clip, from 15 on by the turn: 1 to the left of it, as at the first, is 14.
    assert [one.get("viewBox") for one in made] == ["0 0 13.5 15", "13.5 0 16.5 15"]


CIRCLE = "M 0 2 C 1.11 2 1.41 1.41 1.41 1.41 C 1.41 1.41 2 1.11 2 0 C 2 0 1.41 -1.41 1.41 -1.41 C 1 -2 0 -2 0 -2 "
CIRCLE += "C 0 -2 -1 -2 -1.41 -1.41 C -2 -1 -2 0 -2 0 C -2 0 -2 1 -1.41 1.41 C -1 2 0 2 0 2 z"


@pytest.mark.parametrize(
    ("mark", "stroke", "made"),
    [
        (CIRCLE, "#c8500a", "path"),  # plain dots: one path, round ends as thick as a dot
        (CIRCLE, "#ffffff", "g"),  # dots with an edge
        ("M 0 0 L 1 1 z", "#c8500a", "g"),
    ],
)
def test_marks_alike_say_once_what_they_look_like(mark, stroke, made):
    uses = "".join(f'<use xlink:href="#m" x="{x}" y="5" style="fill: #c8500a"/>' for x in range(5))
    (*defs, look) = inline(
        f'<g id="line"><defs><path id="m" d="{mark}" style="stroke: {stroke}"/></defs>{uses}</g>'
    )
    assert look.tag == made
    if made == "path":
        assert defs == []
        assert list(drawn(look.get("d"))) == [(x, 5) for x in range(5) for _ in "12"]
        assert (look.get("stroke"), look.get("fill"), look.get("stroke-width")) == (
            stroke,
            "none",
            "5",
        )
    else:
        assert look.attrib == {"fill": "#c8500a"}
        assert [use.attrib for use in look] == [
            {"href": "#d1", "x": str(x), "y": "5"} for x in range(5)
        ]
        assert defs[0].find("path").get("stroke") == stroke


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M 0 72 L 144 72 L 144 0 z", "m0 72 144 0 0-72z"),
        ("M 1.04 1.06 L 1.26 0.5", "m1 1.1 .3-.6"),
        ("M 5 5 z M 6 6 L 7 7", "m5 5zm1 1 1 1"),
        ("M 0 0 Q 1 1 2 0 Q 3 -1 4 0", "m0 0q1 1 2 0 1-1 2 0"),
        ("M 0 0 C 1 1 2 2 3 3", "m0 0c1 1 2 2 3 3"),
        ("M 0 0 A 1 1 0 0 1 2 2", "M 0 0 A 1 1 0 0 1 2 2"),
        ("M 0 0 L 1", "M 0 0 L 1"),
    ],
)
def test_a_path_in_relative_steps(path, short):
    assert svg.relative(path, 10) == short


def test_rounding_does_not_add_up_along_a_path():
    points = [(0.333 * i, math.sin(i)) for i in range(200)]
    path = "M" + "L".join(f"{x} {y}" for x, y in points)
    made = list(drawn(svg.relative(path, 10)))
    assert len(made) == 200
    assert all(math.dist(a, b) < 0.08 for a, b in zip(points, made))


@pytest.mark.parametrize("end", ["", "z"])
def test_a_contour_loses_points_and_keeps_its_shape(end):
    points = [(40 + 40 * math.cos(t / 200), 40 * math.sin(t / 200)) for t in range(1200)]
    path = "M " + " L ".join(f"{x:.6f} {y:.6f}" for x, y in points) + f" {end}"
    kept = list(drawn(svg.simplified(path)))
    assert 20 < len(kept) < 200
    assert svg.simplified(path).endswith(end)
    assert {kept[0], kept[-1]} <= {(round(x, 6), round(y, 6)) for x, y in (points[0], points[-1])}
    for x, y in points:  # the nearest point of the polyline that is kept
        assert min(apart(x, y, a, b) for a, b in zip(kept, kept[1:])) <= 0.061


def apart(x, y, start, end):
    (a, b), (c, d) = start, end
    length = (c - a) ** 2 + (d - b) ** 2
    along = max(0, min(1, ((x - a) * (c - a) + (y - b) * (d - b)) / length)) if length else 0
    return math.hypot(x - a - along * (c - a), y - b - along * (d - b))


@pytest.mark.parametrize("path", ["M 0 0 L 1 1 L 2 2", "M 0 0 " + "Q 1 1 2 2 " * 30])
def test_short_lines_and_curves_are_not_simplified(path):
    assert svg.simplified(path) == path


@pytest.mark.parametrize("text", ["<svg", "not a drawing", "<html/>"])
def test_what_is_no_drawing_is_refused(text):
    with pytest.raises(BookError, match="a figure is not an SVG drawing"):
        svg.Page().inline(text, "")

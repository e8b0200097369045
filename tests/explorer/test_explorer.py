"""The explorer from Python: what it refuses, what it carries, and what stands where no script runs."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from explorer import (
    ALL_POINTS,
    LEVELS,
    MAX_RESHUFFLED,
    PRESETS,
    RANGE,
    SCRIPT,
    TASKS,
    Explorer,
    descend,
    script,
)  # fmt: skip
from explorer.__main__ import front
from utils import data, descent, gradients, optimizers, published


@pytest.mark.parametrize(
    "argument, value", [("preset", "5.9/none"), ("preset", None), ("show", "everything")]
)
def test_a_bad_argument_is_refused_by_name(argument, value):
    with pytest.raises(ValueError, match=f"^{argument} "):
        Explorer(**{argument: value})


#: By section: its first preset
FIRST = {"5.1": "5.1.3/gd", "5.2": "5.2.3/batch", "5.3": "5.3.4/sgd"}


def test_a_section_shows_what_it_is_about():
    shown = [Explorer(preset).show for preset in FIRST.values()]
    assert shown == ["path", "batches", "optimizers"]
    for section, preset in FIRST.items():
        assert all(p["id"].startswith(section) for p in Explorer(preset).config()["presets"])


@pytest.mark.parametrize("preset", [key for key, value in PRESETS.items() if value["published"]])
def test_presets_are_the_published_runs(preset):
    """In Python; tests/explorer/test_explorer_browser.py asks the same of the browser."""
    rows = np.array(PRESETS[preset]["published"], dtype=float)
    run = Explorer(preset).run()
    every = (len(run.path) - 1) // len(rows)
    np.testing.assert_allclose(run.path[every::every], rows, rtol=4e-16)


class _Element(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.attributes = {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.attributes[tag] = dict(attributes)


def test_the_element_carries_the_data_to_the_last_bit():
    found = _Element(Explorer("5.2.4/shuffled").element("<svg/>")).attributes
    config = json.loads(found["gd-explorer"]["data-config"])
    X, _, y, _ = data.load_chapter_data()
    assert np.frombuffer(base64.b64decode(config["x"])).tolist() == X.tolist()
    assert np.frombuffer(base64.b64decode(config["y"])).tolist() == y.tolist()
    assert config["optimizers"]["adam"] == {"betas": [0.9, 0.999], "eps": 1e-8}
    assert config["minimum"] == gradients.mse(gradients.least_squares(X, y), X, y)
    batches = descent._batches(ALL_POINTS, MAX_RESHUFFLED, ALL_POINTS, "reshuffled", 42)
    assert [ord(c) - 40 for c in config["orders"]] == [
        index for batch in batches for index in batch
    ]
    assert set(config["optimizers"]) == set(optimizers.OPTIMIZERS)


def test_the_element_survives_a_filter_of_tags():
    """No angle bracket inside the start tag: book/filter.lua finds its end by the first ``>``."""
    element = Explorer("5.2.4/shuffled").element("<svg/>")
    start = re.match(r"<gd-explorer data-config='([^'<>]*)'><img ", element)
    assert start and "style=" not in element
    assert script().count("<gd-explorer") == 0


# ---- The tasks' answers, computed ---------------------------------------------------------------


def run_of(task, **changes):
    return descend({**Explorer().config()["defaults"], **TASKS[task[0]][task[1]][1], **changes})


def arrival(run):
    """The update from which J stays within the innermost level, or infinity."""
    outside = np.flatnonzero(run.losses > LEVELS[0])
    first = outside[-1] + 1 if outside.size else 0
    return int(first) if first < len(run.losses) else np.inf


def answer(task):
    return TASKS[task[0]][task[1]][2]


def test_answers_on_the_path():
    rates = np.arange(0.795, 0.812, 0.001).round(3)
    largest = max(lr for lr in rates if arrival(run_of(("5.1", 0), lr=lr)) < np.inf)
    assert f"{largest:g}" in answer(("5.1", 0)) and TASKS["5.1"][0][3] == {"lr": largest}
    steps = arrival(run_of(("5.1", 1)))
    assert answer(("5.1", 1)) == f"{steps} steps." and TASKS["5.1"][1][3] == {"epochs": steps}
    change = TASKS["5.1"][2][3]
    assert arrival(run_of(("5.1", 2), **change)) == 1
    usual = arrival(run_of(("5.1", 2)))
    assert f"from ({change['b']}, {change['w']})" in answer(("5.1", 2))
    assert f"From (1, 1.5) it takes {usual} steps" in answer(("5.1", 2))
    limit = gradients.learning_rate_limit(data.load_chapter_data()[0])
    assert TASKS["5.1"][2][1]["lr"] == pytest.approx(limit / 2, abs=0.01)


def test_answers_on_batches():
    def points(batch):
        updates, each = arrival(run_of(("5.2", 0), batch=batch)), -(-ALL_POINTS // batch)
        return (
            np.inf if updates == np.inf else updates // each * ALL_POINTS + updates % each * batch
        )

    first = min(range(1, ALL_POINTS + 1), key=points)
    assert answer(("5.2", 0)).startswith(f"{first}, after {points(first)} points.")
    assert TASKS["5.2"][0][3] == {"batch": first}
    assert points(32) == points(85) == points(1) == np.inf  # too few steps, and no rest
    assert arrival(run_of(("5.2", 1))) == np.inf
    calm = TASKS["5.2"][1][3]["lr"]
    assert f"= {calm:g} it does" in answer(("5.2", 1))
    for epochs in (10, 50):  # it arrived long before the run ends, whenever that is
        assert arrival(run_of(("5.2", 1), lr=calm, epochs=epochs)) < 5 * ALL_POINTS
    rates = np.arange(0.5, 1, 0.01).round(2)
    wild = next(lr for lr in rates if run_of(("5.2", 2), lr=lr).losses[-1] > 1.36)
    assert f"{wild:g} on" in answer(("5.2", 2)) and TASKS["5.2"][2][3]["lr"] >= wild


def test_answers_on_optimizers():
    after = {key: arrival(run_of(("5.3", 0), optimizer=key)) for key in optimizers.OPTIMIZERS}
    assert min(after, key=after.get) == "rmsprop"
    assert answer(("5.3", 0)) == f"RMSprop, after {after['rmsprop']} steps."
    lr = TASKS["5.3"][1][3]["lr"]
    farthest = run_of(("5.3", 1), lr=lr).path[:, 0].max()
    assert f"at {lr} it runs on to b = {farthest:.2f} " in answer(("5.3", 1))
    X, _, y, _ = data.load_chapter_data()
    assert farthest > gradients.least_squares(X, y)[0] + 0.2
    assert run_of(("5.3", 1)).path[:, 0].max() < 2.5 < farthest
    assert TASKS["5.3"][1][0] == "Make Adam run past b = 2.5."
    rates = np.arange(1.4, 1.65, 0.01).round(2)
    largest = max(lr for lr in rates if arrival(run_of(("5.3", 2), lr=lr)) < np.inf)
    assert f"= {largest:g} still arrives" in answer(("5.3", 2))
    assert "1.9 times" in answer(("5.3", 2)) and optimizers.Momentum(1.0).momentum == 0.9


def test_the_limit_of_momentum_is_where_it_starts_to_diverge():
    X, _, y, _ = data.load_chapter_data()
    limit = 1.9 * gradients.learning_rate_limit(X)  # what the script marks
    below, above = (
        descent.gradient_descent(X, y, lr=factor * limit, steps=3000, optimizer="momentum").losses
        for factor in (0.999, 1.001)
    )
    assert below[-1] < below[0] < above[-1]


# ---- Forms --------------------------------------------------------------------------------------


def test_the_mime_bundle_has_a_live_a_still_and_a_plain_form():
    bundle = Explorer("5.1.3/gd")._repr_mimebundle_()
    assert list(bundle) == ["text/html", "image/svg+xml", "text/plain"]
    found = _Element(bundle["text/html"]).attributes
    still = base64.b64decode(
        found["img"]["src"].removeprefix("data:image/svg+xml;base64,")
    ).decode()
    assert still == bundle["image/svg+xml"]
    assert len(found["img"]["alt"]) > 60 and "0.1" in found["img"]["alt"]
    assert "5.1.3/gd" in bundle["text/plain"] and "0x" not in bundle["text/plain"]


def test_the_output_depends_on_the_settings_alone():
    first, second = (Explorer("5.2.4/shuffled")._repr_mimebundle_() for _ in range(2))
    assert first == second


def test_the_still_of_a_run_that_leaves_the_map_is_drawn_as_far_as_it_goes():
    explorer = Explorer("5.1.3/diverging")
    assert "without bound" in explorer.alt()
    assert explorer.still().count("<path") > 50


def test_the_script_holds_no_number_of_the_chapter():
    text = SCRIPT.read_text(encoding="utf-8")
    X, _, y, _ = data.load_chapter_data()
    numbers = [repr(value) for value in (*X.tolist(), *y.tolist())]
    numbers += [
        v
        for id in published.ids()
        for v in re.findall(r"\d\.\d{5,}", str(published.record(id)["values"]))
    ]
    assert not [number for number in numbers if number[:8] in text]
    assert not re.search(r"\b0\.9\b|\b0\.99|1e-8|0\.81|https?://(?!www\.w3\.org/2000/svg)", text)


def test_script_and_data_weigh_at_most_18_kilobytes():
    tag = Explorer("5.2.4/shuffled").tag()
    assert sum(len(gzip.compress(text.encode(), 9)) for text in (script(), tag)) <= 18_000


def test_the_front_page_shows_the_explorer_of_today():
    """Its files are those that ``python -m explorer`` writes."""
    for name, text in front().items():
        assert SCRIPT.with_name(name).read_text("utf-8") == text, "run `python -m explorer`"
    assert RANGE["b"][0] <= 1.0 <= RANGE["b"][1]


@pytest.mark.parametrize("name", ["5-1-math", "5-2-numpy", "5-3-pytorch"])
def test_the_notebook_carries_this_explorer(name):
    """Its stored output is what the cell gives now, or the page's script would read another form."""
    root = SCRIPT.parents[1]
    notebook = json.loads((root / "chapters" / f"{name}.ipynb").read_text(encoding="utf-8"))
    outputs = [
        ("".join(cell["source"]).rstrip().splitlines()[-1], "".join(output["data"]["text/html"]))
        for cell in notebook["cells"]
        if "Explorer(" in "".join(cell["source"])
        for output in cell["outputs"]
    ]
    assert outputs
    for call, stored in outputs:
        now = eval(call, {"Explorer": Explorer}).element("<svg/>")
        assert stored.startswith(f"<script>\n{script()}</script>")
        assert now[: now.index("<img")] in stored

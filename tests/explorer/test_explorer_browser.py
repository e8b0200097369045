"""The explorer in Chromium, Firefox and WebKit: its numbers, its pictures, its controls, its manners.

What needs an engine's own tools, such as a finger or a printer, is in test_explorer_chromium.py.
"""

import time
from functools import cache

import numpy as np
import pytest
import torch

from explorer import ALL_POINTS, LEVELS, MAX_RESHUFFLED, PRESETS, TASKS, Explorer, descend, script
from utils import data, descent, gradients, published

X, _, Y, _ = data.load_chapter_data()
BEST = gradients.least_squares(X, Y).tolist()
RUN = """a.map((s) => {
  e.set(s);
  e.update();
  const { b, w, J, updates, diverged } = e.run, cut = (a) => [...a.slice(0, updates + 1)];
  return { b: cut(b), w: cut(w), J: cut(J), diverged };
})"""


def until(page, expression, seconds=30):
    end = time.monotonic() + seconds
    while not page.ex(expression):
        assert time.monotonic() < end, f"still not: {expression}"
        time.sleep(0.03)


# ---- Numbers ------------------------------------------------------------------------------------


#: Preset -> record and the rows of the run that the chapter prints
RECORDS = [
    ("5.1.3/gd", "5.1.3/gd-200-steps", slice(200, None)),
    ("5.2.3/batch", "5.2.3/batch-gd-numpy", slice(1, None)),
    ("5.2.4/shuffled", "5.2.4/minibatch-shuffled-numpy", slice(3, None, 3)),
    ("5.2.4/ordered", "5.2.4/minibatch-ordered-numpy", slice(3, None, 3)),
    ("5.2.4/ordered", "5.4.1/dataloader-ordered", slice(3, None, 3)),
]


def test_every_preset_runs_as_in_python_and_says_how_it_compares(visit):
    page = visit("5.1", "5.2", "5.3")
    for id, preset in PRESETS.items():
        page.index = ("5.1", "5.2", "5.3").index(id[:3])
        page.click(f'.runs button[value="{id}"]')
        assert page.ex("$('.runs [aria-pressed=true]').value") == id
        run = page.ex(RUN, [{}])[0]
        ours, python = np.transpose([run["b"], run["w"]]).astype(float), Explorer(id).run()
        if preset["settings"].get("optimizer") == "adam":  # powers of beta come from the C library
            np.testing.assert_allclose(ours, python.path, rtol=1e-12)
        else:
            assert ours.tolist() == python.path.tolist()
            assert [float(J) for J in run["J"]] == python.losses.tolist()
        for _, record, rows in (each for each in RECORDS if each[0] == id):
            printed = published.record(record)["values"]
            values = ours[rows] if isinstance(printed[0], list) else ours[rows][0]
            assert published.compare(record, values).max_ulp == 0
        said, rows = page.text("#message"), preset["published"]
        if rows is None:
            assert "published ones" not in said
        elif id == "5.3.4/sgd":
            equal = published.compare("5.3.4/sgd-optimizer", ours[1:]).exact
            assert said.startswith(
                f"{equal} of 20 numbers equal the published ones; the rest differ by at most "
            )
        else:
            total = 2 * len(rows)
            assert f"✓ {total} of {total} numbers equal the published ones to the last" in said


def random_settings(count, *, most_lr):
    random = np.random.default_rng(20)
    for index in range(count):
        optimizer = ("gd", "momentum", "rmsprop", "adam")[index % 4]
        yield {
            "b": round(random.uniform(0, 3), 3), "w": round(random.uniform(0, 3), 3),
            "lr": float(f"{np.exp(random.uniform(np.log(0.001), np.log(most_lr[optimizer]))):.3g}"),
            "epochs": int(random.integers(1, MAX_RESHUFFLED + 1)), "order": str(random.choice(descent.ORDERS)),
            "batch": int(random.choice([1, 7, 8, 84, 85, random.integers(2, 85)])), "optimizer": optimizer,
        }  # fmt: skip


def torch_run(s):
    """The same run by ``torch.optim`` and autograd, sharing nothing with ``utils`` but the order."""
    params = torch.tensor([s["b"], s["w"]], dtype=torch.float64, requires_grad=True)
    optim = torch.optim
    kind = {"gd": optim.SGD, "momentum": optim.SGD, "rmsprop": optim.RMSprop, "adam": optim.Adam}
    more = {"momentum": 0.9} if s["optimizer"] == "momentum" else {}
    optimizer = kind[s["optimizer"]]([params], lr=s["lr"], **more)
    x, y, path = torch.as_tensor(X), torch.as_tensor(Y), [params.tolist()]
    order = s["order"] if s["batch"] < ALL_POINTS else "given"
    for batch in descent._batches(ALL_POINTS, s["epochs"], s["batch"], order, 42):
        optimizer.zero_grad()
        ((y[batch] - params[0] - params[1] * x[batch]) ** 2).mean().backward()
        optimizer.step()
        path.append(params.tolist())
    return np.array(path)


@cache
def expected():
    """Settings with their runs by ``utils``, and others with theirs by PyTorch: path, losses."""
    most = {"gd": 0.8, "momentum": 0.3, "rmsprop": 1, "adam": 1}
    by_utils = [(s, descend(s)) for s in random_settings(80, most_lr=most)]
    most = {"gd": 0.4, "momentum": 0.1, "rmsprop": 0.1, "adam": 0.3}
    others = [s for s in random_settings(60, most_lr=most) if s["batch"] >= 7][:16]
    return by_utils, [(s, torch_run(s)) for s in others]


def test_random_settings_agree_with_python_and_with_torch(visit):
    page, (by_utils, by_torch) = visit(), expected()
    for (s, python), run in zip(by_utils, page.ex(RUN, [s for s, _ in by_utils]), strict=True):
        ours = np.transpose([run["b"], run["w"]])
        if s["optimizer"] in ("gd", "momentum"):
            assert ours.tolist() == python.path.tolist(), s
        np.testing.assert_allclose(ours, python.path, rtol=1e-12, err_msg=str(s))
        np.testing.assert_allclose(run["J"], python.losses, rtol=1e-12, err_msg=str(s))
    for (s, path), run in zip(by_torch, page.ex(RUN, [s for s, _ in by_torch]), strict=True):
        ours = np.transpose([run["b"], run["w"]])
        np.testing.assert_allclose(ours, path, rtol=1e-12, err_msg=str(s))


# ---- Pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("width, height", [(1280, 800), (375, 667)])
def test_panels_have_a_size_and_map_rate_and_play_are_seen_together(visit, width, height):
    page = visit("5.1", "5.2", "5.3", width=width, height=height)
    wide = width > 1000
    for page.index, question in enumerate((None, "#batch", "#optimizer")):
        for panel, least in {"map": 380 if wide else 280, "data": 150, "curve": 150}.items():
            for part in ("svg", "canvas"):
                found = page.box(f".{panel} {part}")
                assert found[2] >= least and found[3] >= least - 20, (panel, part, found)
        page.ex(
            "scrollTo({ top: e.getBoundingClientRect().top + scrollY - 60, behavior: 'instant' })"
        )
        seen = [page.box(selector) for selector in (".map .box", "#lr", "#slide", "#play")]
        seen += [page.box(question)] if question else []
        assert all(left >= 0 and left + across <= width for left, _, across, _ in seen)
        # The page's bar is 52 pixels high.
        assert min(top for _, top, _, _ in seen) >= 52
        assert max(top + tall for _, top, _, tall in seen) <= height
    assert page.run("() => document.documentElement.scrollWidth") <= max(width, 460)


def test_level_curves_are_exact_and_named(visit):
    """Points of the drawn ellipses, taken by the browser's own geometry, have the loss they stand for."""
    page = visit()
    curves = page.ex(
        """[...e.map.still.querySelectorAll("ellipse")].map((curve) => {
          const m = curve.transform.baseVal.consolidate().matrix, length = curve.getTotalLength();
          const points = [0, .13, .37, .62, .91].map((t) => curve.getPointAtLength(t * length).matrixTransform(m));
          return [+curve.dataset.level, points.map((p) => [p.x, p.y])];
        })"""
    )
    assert sorted(level for level, _ in curves) == list(LEVELS)
    for level, points in curves:
        for point in points:
            assert gradients.mse(point, X, Y) == pytest.approx(level, rel=1e-3)
    names = page.ex(
        """[...e.map.still.querySelectorAll("text")].map((t) => {
          const { map: m } = e, x = +t.getAttribute("x"), y = t.getAttribute("y") - 4;
          return [t.textContent, x / m.width * 3, 3 - y / m.height * 3];
        })"""
    )
    assert len(names) >= 3 and names[0][0].startswith("J = ")
    for name, *place in names:
        assert gradients.mse(place, X, Y) == pytest.approx(
            float(name.removeprefix("J = ")), rel=2e-2
        )


def test_the_path_and_its_line_are_painted_where_they_are(visit):
    page = visit()
    run = Explorer().run()
    page.ex("e.go(20)")
    page.settle()
    for k in (3, 10, 15):
        assert "orange" in page.colours("map", *run.path[k].tolist())
        assert page.colours("map", run.path[k][0], run.path[k][1] - 0.6, 2) == []
    b, w = run.path[20]
    assert "blue" in page.colours("data", 0.5, b + w / 2, 2)
    assert "soft" in page.colours("data", 0.1, BEST[0] + BEST[1] / 10, 6)
    assert "blue" in page.colours("curve", 12, float(run.losses[12]), 2)
    assert "orange" in page.colours("curve", 20, float(run.losses[20]), 2)


def test_the_point_that_is_pointed_at_shows_its_line_and_its_mean_square(visit):
    page = visit()
    run = Explorer().run()
    page.ex("$('.map').scrollIntoView({ block: 'center', behavior: 'instant' })")
    page.engine.mouse(("move", *page.spot("map", *run.path[2].tolist())))
    page.settle()
    assert page.text("#k-now") == "2 of 200"
    assert page.text("#J-now") == f"{run.losses[2]:.6f}"
    b, w = run.path[2]
    assert "blue" in page.colours("data", 0.5, b + w / 2, 2)
    residual = page.ex(
        """(() => { const { data: d } = e, ratio = devicePixelRatio, column = (34 + d.px(e.model.x[a])) * ratio;
          const from = (6 + d.py(e.model.y[a])) * ratio, to = (6 + d.py(b)) * ratio;
          const painted = d.pen.getImageData(column, Math.min(from, to), 1, Math.abs(to - from)).data;
          return [...painted].filter((v, i) => i % 4 === 3 && v > 0).length / Math.abs(to - from); })()""",
        4,
        float(b + w * X[4]),
    )
    assert residual > 0.8  # from the point to the line
    page.engine.mouse(("move", *page.spot("map", 0.3, 0.3)))
    page.settle()
    assert page.text("#k-now") == "200 of 200"


def test_the_gradient_is_an_arrow_downhill(visit):
    page = visit()
    page.choose("#k", 0)
    b, w = gradients.mse_gradient((1, 1.5), X, Y)
    width, height = page.ex("[e.map.width, e.map.height]")
    place = (1 - b * 0.5 * width / 20 * 3 / width, 1.5 - w * 0.5 * width / 20 * 3 / width)
    assert "blue" not in page.colours("map", *map(float, place), 3)
    page.ex("$('.more').open = true")
    page.click("#gradient")
    assert "blue" in page.colours("map", *map(float, place), 3)


def test_a_run_that_diverges_is_seen_in_all_three_panels_and_leaves_nothing_behind(visit):
    page = visit()
    page.click('.runs button[value="5.1.3/diverging"]')
    run = Explorer("5.1.3/diverging").run()
    assert "Diverging: J has grown from 1.3530" in page.text("#message")
    limit = f"2/λmax = {gradients.learning_rate_limit(X):.5f}"
    assert limit in page.text("#message")
    # map: an arrow where the path crosses the frame
    (b0, w0), (b1, w1) = run.path[0], run.path[1]
    t = (3 - b0) / (b1 - b0)
    assert "stop" in page.colours("map", 2.93, float(w0 + (2.93 - b0) / (b1 - b0) * (w1 - w0)), 4)
    assert 0 < t < 1 and w0 + t * (w1 - w0) < 3
    # curve: growth is a straight line from corner to corner
    assert page.ex("e.curve.y[1]") == run.losses.max()
    middle = float(np.sqrt(run.losses[0] * run.losses[-1]))
    assert "blue" in page.colours("curve", 100, middle, 4)
    # data: the last line that can be seen, and it says which
    b, w = run.path[0]
    assert "blue" in page.colours("data", 0.5, float(b + w / 2), 2)
    assert "The last line that fits its panel is that of step 0." in page.text("#message")

    page.ex("e.set({ lr: 3, epochs: 400 })")
    with pytest.raises(descent.DivergenceError, match=r"at step \d+ ") as error:
        descent.gradient_descent(X, Y, lr=3.0, steps=400)
    step = str(error.value).split("at step ")[1].split()[0]
    assert f"no longer a finite number at step {step}." in page.text("#message")
    page.choose("#k", 5)
    assert "iverg" not in page.text("#message")  # at step 5 nothing has ended yet
    page.click("#reset")
    assert page.settings() == Explorer("5.1.3/diverging").settings
    page.click('.runs button[value="5.1.3/gd"]')
    assert "✓ 2 of 2" in page.text("#message") and "iverg" not in page.text("#message")
    assert page.ex("e.curve.y[1]") == 20


def test_batches_are_shown_on_the_data(visit):
    page = visit("5.2.4/shuffled")
    order = [i for batch in descent._batches(ALL_POINTS, 1, 85, "shuffled", 42) for i in batch]
    for k, batch in {0: order[:32], 2: order[64:]}.items():
        page.choose("#k", k)
        inside = [i for i in range(ALL_POINTS) if "orange" in page.colours("data", X[i], Y[i], 1)]
        assert set(map(int, batch)) <= set(inside)
        assert len(inside) < len(batch) + 25  # neighbours overlap


# ---- Controls -----------------------------------------------------------------------------------


def test_keys_move_the_start(visit):
    page = visit(body="<p id=host></p>")
    page.run(
        "() => document.addEventListener('keydown', () => (document.getElementById('host').textContent = 'took it'))"
    )
    page.ex("$('.handle').focus()")
    page.keys("ArrowRight", "Shift+ArrowUp", "ArrowDown", "Shift+ArrowLeft")
    assert (page.settings()["b"], page.settings()["w"]) == (0.8, 1.7)
    assert page.ex("[$('.handle').ariaValueText, $('.handle').ariaValueNow]") == [
        "b 0.8, w 1.7",
        "0.8",
    ]
    page.keys(*["Shift+ArrowLeft"] * 5)
    assert page.settings()["b"] == 0  # stays on the map
    # the page's shortcuts do not hear our keys
    assert page.run("() => document.getElementById('host').textContent") == ""


def test_everything_is_reached_and_worked_by_tab_and_keys(visit):
    page = visit("5.1")
    page.ex("$('.more').open = true")
    page.ex("$('.handle').focus()")
    seen = []
    for _ in range(12):
        seen.append(page.ex("(({ id, className }) => id || className)(e.shadowRoot.activeElement)"))
        if seen[-1] == "slide":
            before = page.settings()["lr"]
            page.keys("ArrowRight")
            assert page.settings()["lr"] > before
        if seen[-1] == "k":
            page.keys("Home", "ArrowRight", "ArrowRight")
            assert page.text("#k-now") == "2 of 200"
        page.keys("Tab")
    want = ["handle", "lr", "slide", "play", "step", "k", "reset"]
    assert seen[:7] == want
    assert {"epochs", "b", "w", "gradient"} <= set(seen)


def test_controls_set_what_they_say(visit):
    page = visit()
    page.choose("#batch", "32")
    page.choose("#order", "reshuffled")
    page.choose("#optimizer", "adam")
    page.choose("#b", "2.5")
    page.choose("#lr", "0.123")
    page.choose("#epochs", "9")
    assert page.settings() == {
        "b": 2.5, "w": 1.5, "lr": 0.123, "epochs": 9, "batch": 32, "order": "reshuffled",
        "optimizer": "adam",
    }  # fmt: skip
    assert page.text("#k-now") == "27 of 27"
    assert page.ex("$('.runs [aria-pressed=true]')") is None  # no published run has these
    assert page.ex("$('#epochs').max") == "10"
    b, w = page.ex("(({ b, w, updates }) => [b[updates], w[updates]])(e.run)")
    assert [page.text(f"#{name}-now") for name in "bw"] == [f"{b:.6f}", f"{w:.6f}"]
    page.click("#reset")
    assert page.settings() == Explorer("5.1.3/gd").settings


def test_a_section_has_the_controls_that_it_has_explained(visit):
    page = visit("5.1", "5.2", "5.3")
    for page.index, there, not_there in (
        (0, ["lr", "b", "w", "epochs"], ["batch", "order", "optimizer"]),
        (1, ["lr", "epochs", "batch", "order"], ["optimizer"]),
        (2, ["lr", "epochs", "optimizer"], ["batch", "order"]),
    ):
        found = page.ex("a.map((id) => !!$(`#${id}`))", there + not_there)
        assert found == [True] * len(there) + [False] * len(not_there)


def test_the_limit_is_marked_where_there_is_one(visit):
    page = visit()
    limit = gradients.learning_rate_limit(X)
    assert page.text(".limit span") == f"2/λmax = {limit:.5f}"
    left, _, across, _ = page.box(".limit span")
    page.ex(f"e.set({{ lr: {limit:.5f} }})")
    page.settle()
    slider = page.box("#slide")
    share = page.ex("(({ value, max }) => value / max)($('#slide'))")
    assert left + across == pytest.approx(slider[0] + 9 + share * (slider[2] - 18), abs=2)
    page.ex("e.set({ optimizer: 'momentum' })")
    assert page.text(".limit span") == f"3.8/λmax = {1.9 * limit:.5f}"
    for changes in ({"optimizer": "adam"}, {"optimizer": "gd", "batch": 1}):
        page.ex("e.set(a)", changes)
        page.settle()
        assert page.ex("$('.limit span').checkVisibility()") is False, changes
        assert "λmax" not in page.text("#message")


def test_a_mouse_drags_the_start(visit):
    page = visit()
    page.ex("$('.map').scrollIntoView({ block: 'center', behavior: 'instant' })")
    x, y = page.spot("map", 1, 1.5)
    ring = page.box(".handle")
    page.engine.mouse(("move", x, y), ("down",), ("move", x + 30, y - 10), ("move", x + 60, y - 40))
    page.engine.mouse(("up",))
    page.settle()
    width, height = page.ex("[e.map.width, e.map.height]")
    after = page.settings()
    assert after["b"] == pytest.approx(1 + 60 / width * 3, abs=0.012)
    assert after["w"] == pytest.approx(1.5 + 40 / height * 3, abs=0.012)
    moved = page.box(".handle")
    assert moved[0] - ring[0] == pytest.approx(60, abs=1.5)
    assert moved[1] - ring[1] == pytest.approx(-40, abs=1.5)
    page.engine.mouse(("move", x, y))  # released: nothing moves
    page.settle()
    assert page.settings() == after


def test_play_pause_step_and_reset(visit):
    page = visit()
    # inside the page, so that a slow machine does not play to the end between two clicks
    label, reached = page.ex("""await (async () => {
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      $("#play").click();
      do await frame(); while (e.playing && !(e.k > 0 && e.k < 200));
      const label = $("#play").textContent, reached = e.k;
      $("#play").click();
      return [label, reached];
    })()""")
    assert label == "Pause" and 0 < reached < 200
    page.settle()
    assert page.text("#play") == "Play"
    stopped = int(page.text("#k-now").split()[0])
    page.click("#step")
    assert page.text("#k-now") == f"{stopped + 1} of 200"
    run = Explorer().run()
    change = run.path[stopped + 2] - run.path[stopped + 1]
    said = page.text("#message").replace("−", "-").replace("+", "")
    assert said == f"The next step changes b by {change[0]:.4f} and w by {change[1]:.4f}."
    page.click("#reset")
    assert page.text("#k-now") == "200 of 200"
    page.ex("e.set({ epochs: 2 })")
    page.settle()
    page.ex("$('#play').click()")
    until(page, "e.k === 2 && !e.playing")


def test_tasks_set_the_stage_and_their_answers_hold(visit):
    """What the answers say in numbers, test_explorer.py computes."""
    page, usual = visit("5.1", "5.2", "5.3"), Explorer().config()["defaults"]
    for page.index, section in enumerate(("5.1", "5.2", "5.3")):
        for i, (ask, stage, _, change) in enumerate(TASKS[section]):
            item = f".tasks > li:nth-child({i + 1})"
            assert page.text(f"{item} > a") == ask
            page.click(f"{item} > a")
            assert page.settings() == {**usual, **stage}
            page.ex(f"$('{item} details').open = true")
            page.click(f"{item} details a")
            assert page.settings() == {**usual, **stage, **change}
            said = page.text("#message")
            assert said.startswith("Diverging" if "diverges" in ask else "Arrived") or "✓" in said


# ---- Manners ------------------------------------------------------------------------------------


def test_a_view_is_shared_by_its_address(visit):
    page = visit()
    page.choose("#batch", "8")
    page.choose("#order", "shuffled")
    page.choose("#slide", "500")
    there = page.settings()
    until(page, f"location.hash.includes('lr={there['lr']}')")
    again = visit(path=page.run("() => location.hash"))
    assert again.settings() == there
    assert again.ex("e.run.updates") == 11 * there["epochs"]


@pytest.mark.parametrize("first", ["#%", "#explorer-5-1-3-gd?lr=fast&b=NaN&batch=&order=none"])
def test_a_fragment_that_is_not_a_view_changes_nothing(visit, first):
    page = visit("5.1.3/gd", "5.2.4/ordered", path=first)
    others = [
        "#part-1",
        "#explorer-5-1-3-gd?optimizer=sgd&epochs=x",
        "#explorer-other?lr=0.5",
        "#?",
    ]
    for fragment in (first, *others):
        page.run("(fragment) => { location.hash = fragment }", fragment)
        page.settle()
        assert page.settings() == Explorer("5.1.3/gd").settings
        assert page.settings(1) == Explorer("5.2.4/ordered").settings
    time.sleep(0.35)
    assert page.run("() => location.hash") in ("#?", "")


def test_values_of_a_fragment_are_kept_within_their_ranges(visit):
    page = visit(path="#explorer-5-1-3-gd?lr=1e9&b=-4&w=99&batch=3.6&epochs=1e6&order=reshuffled")
    assert page.settings() == {
        "lr": 3, "b": 0, "w": 3, "batch": 4, "epochs": 10, "order": "reshuffled", "optimizer": "gd",
    }  # fmt: skip


def test_explorers_on_one_page_do_not_meddle(visit):
    page = visit("5.1.3/gd", "5.2.4/ordered")
    page.ex("e.set({ lr: 0.5 })", index=1)
    until(page, "location.hash.startsWith('#explorer-5-2-4-ordered?')")
    page.ex("e.set({ lr: 0.3 })")
    until(page, "location.hash.startsWith('#explorer-5-1-3-gd?')")
    assert (page.settings()["lr"], page.settings(1)["lr"]) == (0.3, 0.5)
    page.run("() => { location.hash = '#explorer-5-2-4-ordered?lr=0.7' }")
    page.settle()
    assert (page.settings()["lr"], page.settings(1)["lr"]) == (0.3, 0.7)


def test_the_theme_follows_the_page_on_the_canvas_too(visit):
    page = visit()
    ink = "getComputedStyle($('.app')).color"
    assert page.ex("$('.app').matches('.dark')") is False and page.ex(ink) == "rgb(31, 36, 48)"
    light = page.ex("e.ink.orange")
    page.run("() => { document.documentElement.dataset.theme = 'dark' }")
    page.settle()
    assert page.ex("$('.app').matches('.dark')") is True and page.ex(ink) == "rgb(229, 232, 238)"
    assert page.ex("e.ink.orange") != light
    assert "orange" in page.colours("map", *Explorer().run().path[3].tolist())
    page.run("() => document.documentElement.style.setProperty('--gd-ink', 'rgb(1, 2, 3)')")
    assert page.ex(ink) == "rgb(1, 2, 3)"


@pytest.mark.parametrize("where", ["defer", "end"])
def test_the_script_may_also_come_late(visit, where):
    assert "✓ 2 of 2" in visit(where=where).text("#message")


def test_the_output_of_a_notebook_cell_is_live_by_itself(engine, site):
    """As Jupyter does it: the HTML is set, then its scripts are run; twice on one page."""
    engine.open(f"{site[1]}/notebook.html")
    html = f"<script>{script()}</script>" + Explorer("5.1.3/gd").element("<svg/>")
    engine.run(
        """(html) => {
          document.body.dataset.jpThemeLight = "true";
          for (const index of [0, 1]) {
            const cell = document.body.appendChild(document.createElement("div"));
            cell.innerHTML = html;
            const script = document.createElement("script");
            script.textContent = cell.querySelector("script").textContent;
            cell.querySelector("script").replaceWith(script);
          }
        }""",
        html,
    )
    said = "() => [...document.querySelectorAll('gd-explorer')].map((e) => e.shadowRoot?.querySelector('#message').textContent.slice(0, 8))"
    end = time.monotonic() + 30
    while engine.run(said) != ["✓ 2 of 2"] * 2:
        assert time.monotonic() < end, engine.run(said)
    engine.run("() => document.querySelector('gd-explorer').set({ lr: 0.3 })")
    engine.run(
        "() => document.querySelector('gd-explorer').shadowRoot.querySelector('.tasks a').click()"
    )
    time.sleep(0.35)
    assert engine.run("() => location.hash") == ""  # a notebook's address is its own
    assert engine.run("() => document.querySelector('gd-explorer').dataset.lmSuppressShortcuts")


def test_live_values_are_told_once_the_hand_rests(visit):
    page = visit()
    page.ex(
        """(() => {
          window.told = [];
          new MutationObserver(() => told.push($("[role=status]").textContent))
            .observe($("[role=status]"), { childList: true, characterData: true, subtree: true });
        })()"""
    )
    page.ex("$('.handle').focus()")
    page.keys(*["ArrowRight"] * 6)
    until(page, "told.length > 0")
    time.sleep(0.8)
    assert page.run("() => told.length") == 1
    assert page.run("() => told[0]").startswith("step 200: b 2.2")


def test_it_reports_each_change_as_an_event(visit):
    page = visit()
    page.run("() => { addEventListener('gd-change', (event) => (window.last = event.detail)) }")
    page.choose("#slide", "400")
    last = page.run("() => last")
    assert last["settings"] == page.settings() and last["k"] == 200
    assert last["J"] == pytest.approx(gradients.mse((last["b"], last["w"]), X, Y), rel=1e-15)


def test_an_explorer_can_be_taken_out_and_put_back(visit):
    page = visit()
    page.ex("(e.play(), e.remove(), document.body.append(e), e.set({ lr: 0.2, epochs: 10 }), 0)")
    assert "Arrived" in page.text("#message") or "Not arrived" in page.text("#message")
    assert page.text("#k-now").endswith(" of 10")


def test_the_front_page_has_two_pictures_and_play(visit):
    page = visit("front", width=375, height=667)
    data_, map_ = page.box(".data svg"), page.box(".map svg")
    assert data_[1] == pytest.approx(map_[1], abs=1) and data_[0] < map_[0]  # side by side
    assert data_[2] > 150 and map_[2] > 150
    assert page.text("#message").startswith("Step 0 of 200.")
    page.ex("$('#play').click()")
    until(page, "e.k > 3")
    page.ex("e.go(Infinity)")
    assert page.text("#message").startswith("Step 200 of 200.")
    b, w = Explorer().run().path[-1]
    assert "blue" in page.colours("data", 0.5, float(b + w / 2), 3)
    page.click("#reset")
    assert page.text("#message").startswith("Step 0 of 200.")


# ---- On the pages of the book, under their own policy -------------------------------------------


@pytest.mark.parametrize("width, height", [(1280, 800), (375, 667)])
def test_the_front_page_says_at_once_what_to_press(engine, shelf, page_of, width, height):
    page = page_of(engine)
    engine.open(f"{shelf}/index.html", width, height)
    page.settle()
    for selector in (".data .box", ".map .box", "#play"):
        left, top, across, tall = page.box(selector)
        assert left >= 0 and left + across <= width and top + tall <= height, selector
    assert page.box(".data .box")[1::2] == pytest.approx(page.box(".map .box")[1::2], abs=1)
    buttons = page.run(
        "() => [...document.querySelectorAll('main .btn')].map((a) => [a.textContent, a.getBoundingClientRect().top])"
    )
    assert [text for text, _ in buttons] == ["Start reading", "Run it"]
    assert all(top < height - 20 for _, top in buttons)
    page.click("#play")
    end = time.monotonic() + 30
    while page.ex("e.k") < 4:
        assert time.monotonic() < end
    assert engine.errors() == []


@pytest.mark.parametrize("name", ["5-1-math", "5-2-numpy", "5-3-pytorch"])
def test_explorers_run_under_the_policy_of_the_pages(engine, shelf, page_of, name):
    page = page_of(engine)
    engine.open(f"{shelf}/chapters/{name}.html", 1280, 800)
    come = "document.querySelector('gd-explorer').scrollIntoView({ behavior: 'instant' })"
    engine.run(f"() => ({come}, customElements.whenDefined('gd-explorer').then(() => 1))")
    page.settle()
    assert page.box(".map canvas")[3] > 300
    assert page.text("#message")
    assert engine.errors() == []

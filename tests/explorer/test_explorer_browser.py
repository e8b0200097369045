"""The explorer in a real browser: its numbers, its controls, and its manners on a page.

Chromium is found by CHROMIUM, on the path, or as playwright's own.  Without one these tests are
skipped; under CI=true its absence is a failure.
"""

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer import ALL_POINTS, PRESETS, RESHUFFLED, SCRIPT, SEEDS, Explorer, script
from utils import data, descent, gradients, published

HOST = "http://book.test/"
AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js"
CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:"
CSS = """html { color: #1f2430; background: #fff; font: 17px/1.5 sans-serif }
html[data-theme=dark] { color: #dfe3ea; background: #15181e }
body { margin: 0 auto; padding: 16px; max-width: 760px }
img { max-width: 100%; height: auto }"""
X, _, Y, _ = data.load_chapter_data()


@pytest.fixture(scope="module")
def browser(chromium):
    return chromium


@pytest.fixture(scope="module")
def elements():
    """The elements' HTML by preset, with a small still: drawing is tested elsewhere."""
    still = '<svg xmlns="http://www.w3.org/2000/svg" width="720" height="456"/>'
    return {key: Explorer(key, show="all").element(still) for key in PRESETS}


@pytest.fixture
def visit(browser, elements):
    """Open a page with the presets' explorers; errors in its console fail the test."""
    contexts, errors = [], []

    def open_page(*presets, path="", where="head", query="", body="", **options):
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: m.type in ("error", "warning") and errors.append(m.text))
        tag = f'<script src="gd-explorer.js"{" defer" if where == "defer" else ""}></script>'
        inside = "".join(
            f"<h2 id='part-{i}'>Part {i}</h2>{elements[p]}"
            for i, p in enumerate(presets or ["5.1.3/gd"])
        )
        html = (
            f"<!doctype html><html lang=en><head><meta charset=utf-8><title>Book</title>"
            f"<meta name=viewport content='width=device-width'><link rel=stylesheet href=book.css>"
            f"{tag if where in ('head', 'defer') else ''}</head><body><main><h1>Book</h1>{body}{inside}"
            f"<p>After</p></main>{tag if where == 'end' else ''}</body></html>"
        )

        def serve(route):
            name = route.request.url.removeprefix(HOST).split("#")[0].split("?")[0]
            texts = {
                "": (html, "text/html"),
                "gd-explorer.js": (script(), "text/javascript"),
                "book.css": (CSS, "text/css"),
            }
            text, kind = texts.get(name, ("", "text/plain"))
            route.fulfill(
                body=text,
                headers={"content-type": f"{kind}; charset=utf-8", "content-security-policy": CSP},
            )

        page.route("**/*", serve)
        page.goto(HOST + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


RUN = """(settings) => {
  const element = document.querySelector("gd-explorer");
  return settings.map((s) => {
    element.set(s);
    element.update();
    const { b, w, J, updates, diverged } = element.run, cut = (a) => [...a.slice(0, updates + 1)];
    return { b: cut(b), w: cut(w), J: cut(J), diverged };
  });
}"""


def until(page, condition, seconds=5):
    """Wait for a condition (``wait_for_function`` would need the eval that the page's CSP forbids)."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"still not: {condition}"
        page.wait_for_timeout(15)


def state(page, index=0):
    return page.evaluate("(i) => document.querySelectorAll('gd-explorer')[i].settings", index)


def message(page):
    return page.locator("gd-explorer").first.locator("#message").inner_text()


def settle(page):
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


# ---- Numbers ------------------------------------------------------------------------------------


def test_every_preset_runs_as_in_python_and_says_how_it_compares(visit):
    page = visit()
    for id, preset in PRESETS.items():
        page.locator("#preset").select_option(id)
        settle(page)
        run = page.evaluate(RUN, [{}])[0]
        ours, python = np.transpose([run["b"], run["w"]]).astype(float), Explorer(id).run()
        if preset["settings"].get("optimizer") == "adam":  # powers of beta come from the C library
            np.testing.assert_allclose(ours, python.path, rtol=1e-12)
        else:
            assert ours.tolist() == python.path.tolist()
            assert [float(J) for J in run["J"]] == python.losses.tolist()
        said = message(page)
        rows = preset["published"]
        if rows is None:
            assert "published ones" not in said
        elif id == "5.3.4/sgd":
            equal = published.compare("5.3.4/sgd-optimizer", ours[1:]).exact
            assert said.startswith(
                f"{equal} of 20 numbers equal the published ones; the rest differ by at most "
            )
        else:
            assert (
                f"✓ {2 * len(rows)} of {2 * len(rows)} numbers equal the published ones to the last digit"
                in said
            )


@pytest.mark.parametrize(
    "preset, record, rows",
    [
        ("5.1.3/gd", "5.1.3/gd-200-steps", slice(200, None)),
        ("5.2.3/batch", "5.2.3/batch-gd-numpy", slice(1, None)),
        ("5.2.4/shuffled", "5.2.4/minibatch-shuffled-numpy", slice(3, None, 3)),
        ("5.2.4/ordered", "5.2.4/minibatch-ordered-numpy", slice(3, None, 3)),
        ("5.2.4/ordered", "5.4.1/dataloader-ordered", slice(3, None, 3)),
    ],
)
def test_the_browser_gives_the_published_digits(visit, preset, record, rows):
    run = visit(preset).evaluate(RUN, [{}])[0]
    values = np.transpose([run["b"], run["w"]])[rows]
    printed = published.record(record)["values"]
    result = published.compare(record, values if isinstance(printed[0], list) else values[0])
    assert result.exact == result.total


def random_settings(count, *, most_lr):
    random = np.random.default_rng(20)
    for index in range(count):
        order = random.choice(descent.ORDERS)
        batch = int(random.choice([1, 7, 8, 84, 85, random.integers(2, 85)]))
        optimizer = ("gd", "momentum", "rmsprop", "adam")[index % 4]
        yield {
            "b": round(random.uniform(0, 3), 3), "w": round(random.uniform(0, 3), 3),
            "lr": float(f"{np.exp(random.uniform(np.log(0.001), np.log(most_lr[optimizer]))):.3g}"),
            "epochs": int(random.integers(1, RESHUFFLED[SEEDS[0]] + 1)), "batch": batch, "order": str(order),
            "seed": int(SEEDS[0] if order == "reshuffled" else random.choice(SEEDS)), "optimizer": optimizer,
        }  # fmt: skip


def python_run(s):
    common = {"start": (s["b"], s["w"]), "lr": s["lr"], "optimizer": s["optimizer"]}
    if s["batch"] == ALL_POINTS:
        return descent.gradient_descent(X, Y, steps=s["epochs"], **common)
    return descent.minibatch_gradient_descent(
        X, Y, epochs=s["epochs"], batch_size=s["batch"], order=s["order"], seed=s["seed"], **common
    )


def torch_run(s):
    """The same run by ``torch.optim`` and autograd, sharing nothing with ``utils`` but the order."""
    params = torch.tensor([s["b"], s["w"]], dtype=torch.float64, requires_grad=True)
    kind = {
        "gd": torch.optim.SGD,
        "momentum": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
        "adam": torch.optim.Adam,
    }
    more = {"momentum": 0.9} if s["optimizer"] == "momentum" else {}
    optimizer = kind[s["optimizer"]]([params], lr=s["lr"], **more)
    x, y, path = torch.as_tensor(X), torch.as_tensor(Y), [params.tolist()]
    for batch in descent._batches(
        ALL_POINTS,
        s["epochs"],
        s["batch"],
        s["order"] if s["batch"] < ALL_POINTS else "given",
        s["seed"],
    ):
        optimizer.zero_grad()
        ((y[batch] - params[0] - params[1] * x[batch]) ** 2).mean().backward()
        optimizer.step()
        path.append(params.tolist())
    return np.array(path)


def test_random_settings_agree_with_python(visit):
    settings = list(
        random_settings(80, most_lr={"gd": 0.8, "momentum": 0.3, "rmsprop": 1, "adam": 1})
    )
    runs = visit().evaluate(RUN, settings)
    for s, run in zip(settings, runs):
        python = python_run(s)
        ours = np.transpose([run["b"], run["w"]])
        if s["optimizer"] in ("gd", "momentum"):
            assert ours.tolist() == python.path.tolist(), s
        np.testing.assert_allclose(ours, python.path, rtol=1e-12, err_msg=str(s))
        np.testing.assert_allclose(run["J"], python.losses, rtol=1e-12, err_msg=str(s))


def test_random_settings_agree_with_torch(visit):
    settings = [
        s for s in random_settings(120, most_lr={"gd": 0.4, "momentum": 0.1, "rmsprop": 0.1, "adam": 0.3})
        if s["batch"] >= 7
    ][:24]  # fmt: skip
    for s, run in zip(settings, visit().evaluate(RUN, settings)):
        np.testing.assert_allclose(
            np.transpose([run["b"], run["w"]]), torch_run(s), rtol=1e-12, err_msg=str(s)
        )


def test_a_run_that_diverges_says_where_and_why_and_the_page_goes_on(visit):
    page = visit()
    page.evaluate("document.querySelector('gd-explorer').set({ lr: 3, epochs: 400 })")
    settle(page)
    with pytest.raises(descent.DivergenceError, match=r"at step \d+ ") as error:
        descent.gradient_descent(X, Y, lr=3.0, steps=400)
    step = str(error.value).split("at step ")[1].split()[0]
    assert f"no longer a finite number at step {step}." in message(page)
    assert f"2/λmax = {gradients.learning_rate_limit(X):.5f}" in message(page)
    drawn = page.evaluate(
        "[...document.querySelector('gd-explorer').shadowRoot.querySelectorAll('path')].map((p) => p.getAttribute('d') ?? '').join()"
    )
    assert not any(word in drawn for word in ("NaN", "Infinity", "e+"))
    page.locator("#preset").select_option("5.1.3/diverging")
    settle(page)
    assert "Diverging: J has grown from 1.3530" in message(page)
    page.locator("#preset").select_option("5.1.3/gd")
    settle(page)
    assert "✓ 2 of 2" in message(page)


def test_level_curves_are_exact(visit):
    """Points of the drawn ellipses, taken by the browser's own geometry, have the loss they stand for."""
    curves = visit().evaluate(
        """() => [...document.querySelector("gd-explorer").shadowRoot.querySelectorAll("ellipse")].map((curve) => {
          const m = curve.transform.baseVal.consolidate().matrix, length = curve.getTotalLength();
          const points = [0, .13, .37, .62, .91].map((t) => curve.getPointAtLength(t * length).matrixTransform(m));
          return [+curve.dataset.level, points.map((p) => [p.x, p.y])];
        })"""
    )
    assert len(curves) == 9
    for level, points in curves:
        for point in points:
            assert gradients.mse(point, X, Y) == pytest.approx(level, rel=1e-3)


# ---- Controls -----------------------------------------------------------------------------------


def test_keys_move_the_start(visit):
    page = visit(body="<p id=host></p>")
    page.evaluate(
        "document.addEventListener('keydown', () => (document.getElementById('host').textContent = 'took it'))"
    )
    handle = page.locator(".handle")
    handle.focus()
    for key in ("ArrowRight", "Shift+ArrowUp", "ArrowDown", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    settle(page)
    assert (state(page)["b"], state(page)["w"]) == (0.8, 1.7)
    assert handle.get_attribute("aria-valuetext") == "b 0.8, w 1.7"
    assert float(handle.get_attribute("aria-valuenow")) == 0.8
    for _ in range(5):
        page.keyboard.press("Shift+ArrowLeft")
    assert state(page)["b"] == 0  # stays on the map
    assert page.locator("#host").inner_text() == ""  # the page's shortcuts do not hear our keys


def test_everything_is_reached_and_worked_by_tab_and_keys(visit):
    page = visit()
    seen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "document.activeElement.shadowRoot?.activeElement?.id || document.activeElement.shadowRoot?.activeElement?.className"
            )
        )
        if seen[-1] == "lr":
            before = state(page)["lr"]
            page.keyboard.press("PageUp")
            settle(page)
            assert state(page)["lr"] > before
        if seen[-1] == "reset":
            page.keyboard.press("Space")
            settle(page)
            assert page.locator("#k").inner_text() == "0 of 200"
    assert seen[:11] == [
        "handle",
        "preset",
        "play",
        "step",
        "reset",
        "lr",
        "epochs",
        "b",
        "w",
        "batch",
        "optimizer",
    ]


def test_controls_set_what_they_say(visit):
    page = visit()
    page.locator("#batch").fill("32")
    page.locator("#order").select_option("reshuffled")
    page.locator("#optimizer").select_option("adam")
    page.locator("#b").fill("2.5")
    page.locator("#epochs").fill("9")
    settle(page)
    assert state(page) == {
        "b": 2.5,
        "w": 1.5,
        "lr": 0.1,
        "epochs": 9,
        "batch": 32,
        "order": "reshuffled",
        "seed": 42,
        "optimizer": "adam",
    }
    assert page.locator("#k").inner_text() == "27 of 27"
    assert page.locator("#preset").input_value() == ""
    assert page.locator("#epochs").get_attribute("max") == "10"
    assert page.locator(".limit").inner_text().strip() == ""  # Adam has no such limit
    assert not page.locator(".limit span").is_visible()  # nor a mark without a limit
    page.locator("#order").select_option("shuffled")
    page.locator("#seed").select_option("2")
    settle(page)
    assert state(page)["seed"] == 2
    page.locator("#order").select_option("reshuffled")
    settle(page)
    assert state(page)["seed"] == 42  # the one whose orders are known
    b, w = page.evaluate(
        "(({ b, w, updates }) => [b[updates], w[updates]])(document.querySelector('gd-explorer').run)"
    )
    assert [page.locator(f"#{name}-now").inner_text() for name in "bw"] == [f"{b:.6f}", f"{w:.6f}"]


def test_the_learning_rate_slider_marks_the_limit(visit):
    page = visit()
    mark, slider = page.locator(".limit span"), page.locator("#lr")
    assert mark.inner_text() == f"2/λmax = {gradients.learning_rate_limit(X):.5f}"
    right = mark.bounding_box()["x"] + mark.bounding_box()["width"]
    page.evaluate("document.querySelector('gd-explorer').set({ lr: 0.81189 })")
    settle(page)
    box = slider.bounding_box()
    thumb = (
        box["x"]
        + 9
        + float(slider.evaluate("(s) => (s.valueAsNumber - s.min) / (s.max - s.min)"))
        * (box["width"] - 18)
    )
    assert right == pytest.approx(thumb, abs=1.5)


def test_a_mouse_drags_the_start(visit):
    page = visit()
    ring = page.locator(".handle").bounding_box()
    x, y = ring["x"] + 22, ring["y"] + 22
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y - 40, steps=4)
    page.mouse.up()
    settle(page)
    box = page.evaluate(
        "(({ width, height }) => [width, height])(document.querySelector('gd-explorer').map)"
    )
    assert state(page)["b"] == pytest.approx(1 + 60 / box[0] * 3, abs=0.011)
    assert state(page)["w"] == pytest.approx(1.5 + 40 / box[1] * 3, abs=0.011)
    moved = page.locator(".handle").bounding_box()
    assert (moved["x"] - ring["x"], moved["y"] - ring["y"]) == (
        pytest.approx(60, abs=1.5),
        pytest.approx(-40, abs=1.5),
    )
    after = state(page)
    page.mouse.move(x, y)  # released: nothing moves
    settle(page)
    assert state(page) == after


def test_a_finger_drags_the_ring_and_taps_the_map_but_scrolls_elsewhere(visit):
    page = visit(viewport={"width": 375, "height": 700}, has_touch=True, is_mobile=True)
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
        )

    ring = page.locator(".handle").bounding_box()
    x, y = ring["x"] + 22, ring["y"] + 22
    touch("touchStart", (x, y))
    for part in (0.3, 0.6, 1):
        touch("touchMove", (x + 50 * part, y + 30 * part))
    touch("touchEnd")
    settle(page)
    dragged = state(page)
    assert dragged["b"] > 1.3 and dragged["w"] < 1.4
    assert page.evaluate("scrollY") == 0
    box = page.locator(".map .box").bounding_box()
    for _ in range(8):  # Chromium takes a tap that comes soon after a drag for its end
        page.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.2)
        page.wait_for_timeout(400)
        if state(page)["b"] > 2:
            break
    until(page, "(({ b, w }) => b > 2 && w > 2)(document.querySelector('gd-explorer').settings)")
    tapped = state(page)
    assert (
        page.locator(".map .box").evaluate("(node) => getComputedStyle(node).touchAction") == "auto"
    )
    assert (
        page.locator(".handle").evaluate("(node) => getComputedStyle(node).touchAction") == "none"
    )
    side = (box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.8)
    touch("touchStart", side)
    for part in (20, 60, 120):
        touch("touchMove", (side[0], side[1] - part))
    touch("touchEnd")
    until(page, "scrollY > 20")
    assert state(page) == tapped


def test_play_pause_step_and_reset(visit):
    page = visit()
    play, k = page.locator("#play"), page.locator("#k")
    # inside the page, so that a slow machine does not play to the end between two clicks
    label, reached = page.evaluate("""async () => {
      const e = document.querySelector("gd-explorer"), play = e.shadowRoot.querySelector("#play");
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      play.click();
      do await frame(); while (e.playing && !(e.k > 0 && e.k < 200));
      const label = play.textContent, reached = e.k;
      play.click();
      return [label, reached];
    }""")
    assert label == "Pause" and 0 < reached < 200
    settle(page)
    assert play.inner_text() == "Play"
    stopped = k.inner_text()
    page.locator("#step").click()
    settle(page)
    assert k.inner_text() == f"{int(stopped.split()[0]) + 1} of 200"
    page.locator("#reset").click()
    settle(page)
    assert k.inner_text() == "0 of 200" and page.locator("#b-now").inner_text() == "1.000000"
    page.evaluate("document.querySelector('gd-explorer').set({ epochs: 2 })")
    play.click()
    until(page, "document.querySelector('gd-explorer').k === 2")


def test_reduced_motion_shows_the_end_at_once(visit):
    page = visit(reduced_motion="reduce")
    page.locator("#reset").click()
    page.locator("#play").click()
    settle(page)
    assert page.locator("#k").inner_text() == "200 of 200"
    assert page.locator("#play").inner_text() == "Play"


def test_of_two_runs_with_one_setting_the_one_asked_for_is_compared(visit):
    page = visit("5.3.4/sgd")
    assert page.locator("#preset").input_value() == "5.3.4/sgd"
    page.locator("#preset").select_option("5.2.3/batch")
    settle(page)
    assert "✓ 20 of 20" in message(page)


def test_batches_are_shown_on_the_data(visit):
    page = visit("5.2.4/shuffled")
    page.locator("#reset").click()
    settle(page)
    batch = page.evaluate("document.querySelector('gd-explorer').batch.getAttribute('d')")
    assert batch.count("M") == 32
    page.locator("#step").click()
    page.locator("#step").click()
    settle(page)
    assert (
        page.evaluate("document.querySelector('gd-explorer').batch.getAttribute('d')").count("M")
        == 21
    )


# ---- Manners ------------------------------------------------------------------------------------


def test_a_view_is_shared_by_its_address(visit):
    page = visit()
    page.locator("#batch").fill("8")
    page.locator("#order").select_option("shuffled")
    page.locator("#lr").fill("500")
    settle(page)
    there = state(page)
    until(page, f"location.hash.includes('lr={there['lr']}')")
    again = visit(path=page.evaluate("location.hash"))
    assert state(again) == there
    assert (
        again.evaluate("document.querySelector('gd-explorer').run.updates") == 11 * there["epochs"]
    )


@pytest.mark.parametrize(
    "fragment",
    [
        "#part-1",
        "#explorer-5-1-3-gd-all?lr=fast&b=NaN&batch=&order=none&optimizer=sgd&seed=9&epochs=x",
        "#%",
        "#explorer-other?lr=0.5",
        "#?",
    ],
)
def test_a_fragment_that_is_not_a_view_changes_nothing(visit, fragment):
    page = visit("5.1.3/gd", "5.2.4/ordered", path=fragment)
    page.wait_for_timeout(400)
    assert page.evaluate("location.hash") in (fragment, "#?", "")
    assert state(page) == Explorer("5.1.3/gd").settings
    assert state(page, 1) == Explorer("5.2.4/ordered").settings
    if fragment == "#part-1":
        assert page.evaluate("scrollY") > 200


def test_values_of_a_fragment_are_kept_within_their_ranges(visit):
    page = visit(
        path="#explorer-5-1-3-gd-all?lr=1e9&b=-4&w=99&batch=3.6&epochs=1e6&order=reshuffled&seed=2"
    )
    assert state(page) == {
        "lr": 3,
        "b": 0,
        "w": 3,
        "batch": 4,
        "epochs": 10,
        "order": "reshuffled",
        "seed": 42,
        "optimizer": "gd",
    }


def test_explorers_on_one_page_do_not_meddle(visit):
    page = visit("5.1.3/gd", "5.2.4/ordered")
    page.evaluate("document.querySelectorAll('gd-explorer')[1].set({ lr: 0.5 })")
    until(page, "location.hash.startsWith('#explorer-5-2-4-ordered-all?')")
    page.evaluate("document.querySelectorAll('gd-explorer')[0].set({ lr: 0.3 })")
    until(page, "location.hash.startsWith('#explorer-5-1-3-gd-all?')")
    assert (state(page)["lr"], state(page, 1)["lr"]) == (0.3, 0.5)
    page.evaluate("location.hash = '#explorer-5-2-4-ordered-all?lr=0.7'")
    settle(page)
    assert (state(page)["lr"], state(page, 1)["lr"]) == (0.3, 0.7)


@pytest.mark.parametrize("theme, width", [("light", 1000), ("dark", 1000), ("light", 320)])
def test_axe_finds_nothing(visit, theme, width):
    page = visit("5.1.3/gd", "5.2.4/shuffled", viewport={"width": width, "height": 900})
    page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
    settle(page)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "axe.run().then((r) => ({ bad: r.violations.map((v) => [v.id, v.nodes.map((n) => n.target + n.failureSummary)]), good: r.passes.length }))"
    )
    assert found["bad"] == []
    assert found["good"] > 15
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_theme_follows_the_page(visit):
    page = visit()
    dark = "document.querySelector('gd-explorer').shadowRoot.querySelector('.app').matches('.dark')"
    ink = "getComputedStyle(document.querySelector('gd-explorer').shadowRoot.querySelector('.app')).color"
    assert page.evaluate(dark) is False and page.evaluate(ink) == "rgb(31, 36, 48)"
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    settle(page)
    assert page.evaluate(dark) is True and page.evaluate(ink) == "rgb(229, 232, 238)"
    page.evaluate("document.documentElement.style.setProperty('--gd-ink', 'rgb(1, 2, 3)')")
    assert page.evaluate(ink) == "rgb(1, 2, 3)"


@pytest.mark.parametrize("width", [1000, 320])
def test_nothing_shifts_when_it_loads(visit, width):
    page = visit("5.1.3/gd", "5.2.4/ordered", viewport={"width": width, "height": 900})
    page.wait_for_timeout(200)
    shifts = """() => new Promise((done) => {
      new PerformanceObserver((list) => done(list.getEntries().map((e) => e.value))).observe({ type: "layout-shift", buffered: true });
      setTimeout(() => done([]), 300);
    })"""
    assert page.evaluate(shifts) == []
    heights = page.evaluate(
        "[...document.querySelectorAll('gd-explorer')].map((e) => e.offsetHeight)"
    )
    # Nor does the page below move while one plays.
    for id in ("5.1.3/diverging", "5.3.4/sgd", "5.1.3/fast", "5.2.4/shuffled"):
        page.locator("#preset").first.select_option(id)
        settle(page)
        assert page.evaluate("document.querySelector('gd-explorer').offsetHeight") == heights[0], id


@pytest.mark.parametrize("where", ["defer", "end"])
def test_the_script_may_also_come_late(visit, where):
    page = visit(where=where)
    settle(page)
    assert "✓ 2 of 2" in message(page)


def test_without_script_and_in_print_the_still_figure_stands(visit):
    page = visit(java_script_enabled=False)
    image = page.locator("gd-explorer img")
    assert image.is_visible() and len(image.get_attribute("alt")) > 60
    page = visit()
    assert not page.locator("gd-explorer img").is_visible() and page.locator(".app").is_visible()
    page.emulate_media(media="print")
    assert page.locator("gd-explorer img").is_visible() and not page.locator(".app").is_visible()


def test_the_output_of_a_notebook_cell_is_live_by_itself(browser):
    """As Jupyter does it: the HTML is set, then its scripts are run; twice on one page."""
    page = browser.new_page()
    html = f"<script>{script()}</script>" + Explorer("5.1.3/gd").element("<svg/>")
    page.set_content("<body data-jp-theme-light=true><div></div><div></div></body>")
    for index in (0, 1):
        page.evaluate(
            """([html, index]) => {
              const cell = document.querySelectorAll("div")[index];
              cell.innerHTML = html;
              const script = document.createElement("script");
              script.textContent = cell.querySelector("script").textContent;
              cell.querySelector("script").replaceWith(script);
            }""",
            [html, index],
        )
    settle(page)
    assert [page.locator("#message").nth(i).inner_text()[:8] for i in (0, 1)] == ["✓ 2 of 2"] * 2
    page.evaluate("document.querySelector('gd-explorer').set({ lr: 0.3 })")
    page.wait_for_timeout(350)
    assert page.evaluate("location.hash") == ""  # a notebook's address is its own
    assert page.locator("gd-explorer").first.get_attribute("data-lm-suppress-shortcuts") == "true"
    page.close()


def test_live_values_are_told_once_the_hand_rests(visit):
    page = visit()
    page.evaluate(
        """() => {
          window.told = [];
          const live = document.querySelector("gd-explorer").shadowRoot.querySelector("[role=status]");
          new MutationObserver(() => told.push(live.textContent)).observe(live, { childList: true, characterData: true, subtree: true });
        }"""
    )
    page.locator(".handle").focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    until(page, "told.length > 0")
    page.wait_for_timeout(800)
    assert page.evaluate("told.length") == 1
    assert page.evaluate("told[0]").startswith("step 200: b 2.2")


def test_it_reports_each_change_as_an_event(visit):
    page = visit()
    page.evaluate("addEventListener('gd-change', (event) => (window.last = event.detail))")
    page.locator("#lr").fill("400")
    settle(page)
    last = page.evaluate("last")
    assert last["settings"] == state(page) and last["k"] == 200
    assert last["J"] == pytest.approx(gradients.mse((last["b"], last["w"]), X, Y), rel=1e-15)


def test_an_explorer_can_be_taken_out_and_put_back(visit):
    page = visit()
    page.evaluate(
        "(() => { const e = document.querySelector('gd-explorer'); e.play(); e.remove(); document.body.append(e); e.set({ lr: 0.2, epochs: 10 }); })()"
    )
    settle(page)
    assert "✓ 20 of 20" in message(page)


def test_the_readable_script_and_the_one_on_the_page_are_one_program():
    readable = [line.strip() for line in SCRIPT.read_text(encoding="utf-8").splitlines()]
    assert script().splitlines() == [
        line for line in readable if line and not line.startswith("//")
    ]

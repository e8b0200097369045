"""A page with explorers, served with the book's policy, in each engine."""

import functools
import http.server
import itertools
import threading

import pytest

from explorer import PRESETS, Explorer, script

CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:"
CSS = """html { color: #1f2430; background: #fff; font: 17px/1.5 sans-serif }
html[data-theme=dark] { color: #dfe3ea; background: #15181e }
body { margin: 0 auto; padding: 16px; max-width: 760px }
img { max-width: 100%; height: auto }"""
COLLECT = """window.wrong = [];
const keep = (text) => window.wrong.push(String(text));
addEventListener("error", (event) => keep(event.message));
addEventListener("unhandledrejection", (event) => keep(event.reason));
document.addEventListener("securitypolicyviolation", (event) => keep(event.violatedDirective + event.blockedURI));
for (const name of ["error", "warn"]) console[name] = keep;"""


class Page:
    """An explorer of the page that ``engine`` shows, by what a reader sees and does; ``index`` says which."""

    def __init__(self, engine):
        self.engine, self.run, self.index = engine, engine.run, 0

    def ex(self, expression, *arguments, index=None):
        """The value of an expression in which ``e`` is the explorer, ``$`` finds inside it, and
        ``a``, ``b`` are the arguments."""
        return self.run(
            f"""async (index, a, b) => {{
              const e = document.querySelectorAll("gd-explorer")[index];
              const $ = (selector) => e.shadowRoot.querySelector(selector);
              return {expression};
            }}""",
            self.index if index is None else index,
            *(arguments or [None]),
        )

    def settings(self, index=None):
        return self.ex("e.settings", index=index)

    def text(self, selector):
        self.settle()
        return self.ex("$(a).innerText", selector)

    def settle(self):
        """Until what was asked for is drawn."""
        self.run(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
        )

    def box(self, selector):
        """left, top, width, height in the window."""
        return self.ex(
            "(({ left, top, width, height }) => [left, top, width, height])($(a).getBoundingClientRect())",
            selector,
        )

    def click(self, selector):
        self.ex("$(a).scrollIntoView({ block: 'center', behavior: 'instant' })", selector)
        left, top, width, height = self.box(selector)
        self.engine.mouse(("move", left + width / 2, top + height / 2), ("down",), ("up",))
        self.settle()

    def choose(self, selector, value):
        """In a list or a slider, as the browser reports a reader's choice."""
        self.ex(
            "($(a).value = b, $(a).dispatchEvent(new Event($(a).tagName === 'SELECT' ? 'change' : 'input')), 0)",
            selector,
            value,
        )
        self.settle()

    def keys(self, *keys):
        self.engine.keys(*keys)
        self.settle()

    def spot(self, panel, x, y):
        """The place in the window of the point (x, y) of a panel's axes."""
        return self.ex(
            f"(({{ left, top }}) => [left + 34 + e.{panel}.px(a), top + 6 + e.{panel}.py(b)])(e.{panel}.box.getBoundingClientRect())",
            x,
            y,
        )

    def colours(self, panel, x, y, size=3):
        """The colours painted within ``size`` pixels of (x, y): names of the explorer's inks."""
        return self.ex(
            f"""(() => {{
              const p = e.{panel}, ratio = devicePixelRatio, found = new Set();
              const at = [(34 + p.px(a[0]) - a[2]) * ratio, (6 + p.py(a[1]) - a[2]) * ratio];
              const pixels = p.pen.getImageData(...at, 2 * a[2] * ratio + 1, 2 * a[2] * ratio + 1).data;
              for (const name of ["ink", "soft", "paper", "blue", "orange", "stop"]) {{
                const rgb = e.ink[name].match(/[\\d.]+/g).map(Number);
                for (let i = 0; i < pixels.length; i += 4)
                  if (pixels[i + 3] > 200 && rgb.slice(0, 3).every((v, c) => Math.abs(v - pixels[i + c]) < 12)) found.add(name);
              }}
              return [...found];
            }})()""",
            [x, y, size],
        )


@pytest.fixture
def page_of(request):
    """What ``visit`` gives, for a page that the test opens itself."""

    def make(engine):
        request.node.user_properties.append(("engine", f"{engine.name} {engine.version}"))
        return Page(engine)

    return make


@pytest.fixture(scope="session")
def elements():
    """The elements' HTML by preset, with a small still: drawing is tested elsewhere."""
    still = '<svg xmlns="http://www.w3.org/2000/svg" width="720" height="456"/>'
    made = {key: Explorer(key, show="all").element(still) for key in PRESETS}
    made |= {key[:3]: Explorer(key).element(still) for key in reversed(PRESETS)}  # by section
    return made | {"front": Explorer("5.1.3/gd", show="front").element(still)}


@pytest.fixture(scope="session")
def site():
    """A server of texts: its dict of answers by path, and its address."""
    texts = {
        "/gd-explorer.js": (script(), "text/javascript"),
        "/book.css": (CSS, "text/css"),
        "/collect.js": (COLLECT, "text/javascript"),
        "/notebook.html": (
            "<!doctype html><title>Notebook</title><link rel=icon href='data:,'><body>",
            "text/html",
        ),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text, kind = texts[self.path]
            self.send_response(200)
            self.send_header("content-type", f"{kind}; charset=utf-8")
            if "notebook" not in self.path:
                self.send_header("content-security-policy", CSP)
            self.end_headers()
            self.wfile.write(text.encode("utf-8"))

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield texts, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def shelf(book):
    """The address of the built book."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Handler, directory=str(book.folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def address(site, elements):
    """Make a page with these explorers; returns its address."""
    texts, base = site
    numbers = itertools.count(len(texts))

    def make(*presets, where="head", body="", script="/gd-explorer.js"):
        tag = f'<script src="{script}"{" defer" if where == "defer" else ""}></script>'
        inside = "".join(
            f"<h2 id='part-{i}'>Part {i}</h2>{elements[p]}"
            for i, p in enumerate(presets or ["5.1.3/gd"])
        )
        path = f"/{next(numbers)}.html"
        texts[path] = (
            f"<!doctype html><html lang=en><head><meta charset=utf-8><title>Book</title>"
            f"<meta name=viewport content='width=device-width'><link rel=icon href='data:,'><link rel=stylesheet href=/book.css>"
            f"<script src=/collect.js></script>{tag if where in ('head', 'defer') else ''}</head>"
            f"<body><main><h1>Book</h1>{body}{inside}<p>After</p></main>"
            f"{tag if where == 'end' else ''}</body></html>",
            "text/html",
        )
        return base + path

    return make


@pytest.fixture
def visit(request, address, engine):
    """Open a page with explorers; what the engine's console calls an error fails the test."""
    request.node.user_properties.append(("engine", f"{engine.name} {engine.version}"))
    opened = []

    def open_page(*presets, path="", where="head", body="", script="/gd-explorer.js", **options):
        place = address(*presets, where=where, body=body, script=script)
        engine.open(place + path, **options)
        page = Page(engine)
        page.settle()
        opened.append(page)
        return page

    yield open_page
    assert not (opened and (engine.errors() or engine.run("() => window.wrong")))

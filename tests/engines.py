"""Chromium, Firefox and WebKit behind one small set of verbs: open, run, mouse, keys, shot.

Chromium comes by playwright.  Firefox speaks WebDriver BiDi on a websocket by itself, and WebKitGTK's
driver speaks classic WebDriver over HTTP; both are few enough words to need no client.
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

SPECIAL = {
    "ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Tab": "\ue004",
    "Enter": "\ue007", "Home": "\ue011", "End": "\ue010", "PageUp": "\ue00e", "Space": " ", "Shift": "\ue008",
}  # fmt: skip


class Missing(Exception):
    """The engine is not installed here."""


def _call(script, arguments):
    """The body of a function that gives the value of ``script(...arguments)`` as JSON."""
    inside = ", ".join(json.dumps(argument) for argument in arguments)
    return f"return JSON.stringify((await ({script})({inside})) ?? null);"


def _actions(moves, keys=()):
    """W3C actions: moves ("move", x, y), ("down",), ("up",); keys such as "a", "Shift+ArrowUp"."""
    pointer = []
    for kind, *at in moves:
        if kind == "move":
            x, y = map(round, at)
            pointer.append({"type": "pointerMove", "x": x, "y": y, "duration": 0})
        else:
            pointer.append({"type": f"pointer{kind.capitalize()}", "button": 0})
    typed = []
    for key in keys:
        parts = [SPECIAL.get(part, part) for part in key.split("+")]
        typed += [{"type": "keyDown", "value": part} for part in parts]
        typed += [{"type": "keyUp", "value": part} for part in reversed(parts)]
    if pointer:
        mouse = {"pointerType": "mouse"}
        return [{"type": "pointer", "id": "mouse", "parameters": mouse, "actions": pointer}]
    return [{"type": "key", "id": "keyboard", "actions": typed}]


class Chromium:
    name = "Chromium"

    def __init__(self, browser):
        self.browser, self.version, self._errors = browser, browser.version, []
        self._options = self._context = None

    def open(self, url, width=1000, height=900, **options):
        """Options are those of a playwright context; a new one takes three times as long to open."""
        if self._context and options == self._options:
            self.page.mouse.move(0, 0)  # where it points to nothing
            self.page.goto("about:blank")
            self.page.set_viewport_size({"width": width, "height": height})
        else:
            self.leave()
            size = {"width": width, "height": height}
            self._options, self._context = (
                options,
                self.browser.new_context(viewport=size, **options),
            )
            self.page = self._context.new_page()
            self.page.on("pageerror", lambda error: self._errors.append(str(error)))
            self.page.on("console", self._said)
        self._errors = []
        self.page.goto(url)

    def _said(self, message):
        # Tests read canvases, and Chromium has advice on that.
        if message.type in ("error", "warning") and "willReadFrequently" not in message.text:
            self._errors.append(message.text)

    def run(self, script, *arguments):
        return json.loads(self.page.evaluate(f"(async () => {{ {_call(script, arguments)} }})()"))

    def mouse(self, *moves):
        for kind, *at in moves:
            getattr(self.page.mouse, kind)(*at)

    def keys(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def shot(self):
        return self.page.screenshot()

    def errors(self):
        return self._errors

    def leave(self):
        if self._context:
            self._context.close()

    def close(self):
        self.leave()


class Firefox:
    name = "Firefox"

    def __init__(self):
        import websocket

        path = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
        if not path:
            raise Missing("no Firefox: set FIREFOX, or install firefox-esr")
        self._profile = Path(tempfile.mkdtemp(prefix="firefox-"))
        quiet = ("app.normandy.enabled", "browser.search.update", "extensions.update.enabled",
                 "app.update.enabled", "toolkit.telemetry.enabled", "network.captive-portal-service.enabled",
                 "datareporting.policy.dataSubmissionEnabled", "network.connectivity-service.enabled")  # fmt: skip
        preferences = [f'user_pref("{name}", false);' for name in quiet]
        preferences.append('user_pref("services.settings.server", "data:,");')
        (self._profile / "user.js").write_text("\n".join(preferences), "utf-8")
        log = self._profile / "log"
        with log.open("w") as out:
            self._process = subprocess.Popen(
                [path, "--headless", "--no-remote", "--profile", str(self._profile),
                 "--remote-debugging-port", "0", "about:blank"],
                stdout=out, stderr=out,
            )  # fmt: skip
        end = time.monotonic() + 60
        while "BiDi listening on " not in log.read_text("utf-8", "replace"):
            if time.monotonic() > end or self._process.poll() is not None:
                raise RuntimeError(f"Firefox did not start: {log.read_text('utf-8', 'replace')}")
            time.sleep(0.1)
        address = log.read_text("utf-8", "replace").split("BiDi listening on ")[1].split()[0]
        self._socket = websocket.create_connection(
            f"{address}/session", timeout=60, suppress_origin=True
        )
        self._ids, self._errors = itertools.count(1), []
        self.version = self._send("session.new", capabilities={})["capabilities"]["browserVersion"]
        self._send("session.subscribe", events=["log.entryAdded"])
        self._context = self._send("browsingContext.getTree")["contexts"][0]["context"]

    def _send(self, method, **parameters):
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("method") == "log.entryAdded":
                entry = answer["params"]
                if entry["level"] in ("error", "warn"):
                    self._errors.append(entry["text"])
            elif answer.get("id") == number:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['error']}: {answer['message']}")
                return answer["result"]

    def open(self, url, width=1000, height=900):
        self._send(
            "browsingContext.navigate", context=self._context, url="about:blank", wait="complete"
        )
        self._errors = []
        self._send("browsingContext.setViewport", context=self._context,
                   viewport={"width": width, "height": height})  # fmt: skip
        self._send("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def run(self, script, *arguments):
        answer = self._send(
            "script.callFunction", functionDeclaration=f"async () => {{ {_call(script, arguments)} }}",
            awaitPromise=True, target={"context": self._context}, arguments=[],
        )  # fmt: skip
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def mouse(self, *moves):
        self._send("input.performActions", context=self._context, actions=_actions(moves))

    def keys(self, *keys):
        self._send("input.performActions", context=self._context, actions=_actions((), keys))

    def shot(self):
        return base64.b64decode(
            self._send("browsingContext.captureScreenshot", context=self._context)["data"]
        )

    def errors(self):
        self.run("() => null")  # what was logged before has arrived after this
        return self._errors

    def close(self):
        self._socket.close()
        self._process.terminate()
        self._process.wait(20)
        shutil.rmtree(self._profile, ignore_errors=True)


class WebKit:
    name = "WebKit"

    def __init__(self):
        driver, screen = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
        if not (driver and screen):
            raise Missing("no WebKit: install webkit2gtk-driver and xvfb")
        reading, writing = os.pipe()
        self._screen = subprocess.Popen(
            [screen, "-displayfd", str(writing), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"],
            pass_fds=[writing], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading) as display:
            # The sandbox of WebKitGTK needs rights that containers do not give.
            environment = {
                "DISPLAY": f":{display.readline().strip()}",
                "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
                "LIBGL_ALWAYS_SOFTWARE": "1",
            }
        port = _free_port()
        self._driver = subprocess.Popen(
            [driver, f"--port={port}"], env=os.environ | environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._base = f"http://127.0.0.1:{port}/session"
        end = time.monotonic() + 30
        while True:
            try:
                session = self._send("POST", "", capabilities={"alwaysMatch": {}})
                break
            except urllib.error.URLError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        self.version = session["capabilities"]["browserVersion"]
        self._base += f"/{session['sessionId']}"
        # The window's frame and tool bar are not the page's.  Both sizes have come to rest after this.
        time.sleep(0.5)
        rect, has = self._send("GET", "/window/rect"), self.run("() => [innerWidth, innerHeight]")
        self._frame = rect["width"] - has[0], rect["height"] - has[1]

    def _send(self, method, path, **body):
        request = urllib.request.Request(
            self._base + path,
            method=method,
            data=json.dumps(body).encode() if method == "POST" else None,
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()}") from None

    def open(self, url, width=1000, height=900):
        self._send("POST", "/url", url="about:blank")
        self._resize(width, height)
        self._send("POST", "/url", url=url)
        # Where the window is wider than the telephone that was asked for, the page is as narrow.
        self.run(
            f"() => innerWidth > {width} && (document.documentElement.style.width = '{width}px')"
        )

    def _resize(self, width, height):
        """Give the page this size.  The page hears of it some time after the window has it, and the
        tool bar keeps the window from being as narrow as a telephone."""
        self._send(
            "POST", "/window/rect", width=width + self._frame[0], height=height + self._frame[1]
        )
        end = time.monotonic() + 20
        while True:
            wide, high = self.run("() => [innerWidth, innerHeight]")
            if high == height and (wide == width or width < wide < 500):
                return
            if time.monotonic() > end:
                raise RuntimeError(f"the page is {wide} x {high} and not {width} x {height}")
            time.sleep(0.02)

    def run(self, script, *arguments):
        body = f"return (async () => {{ {_call(script, arguments)} }})();"
        return json.loads(self._send("POST", "/execute/sync", script=body, args=[]))

    def mouse(self, *moves):
        self._send("POST", "/actions", actions=_actions(moves))

    def keys(self, *keys):
        self._send("POST", "/actions", actions=_actions((), keys))

    def shot(self):
        return base64.b64decode(self._send("GET", "/screenshot"))

    def errors(self):
        return self.run(
            "() => window.wrong ?? []"
        )  # the driver has no log: tests/explorer collects

    def close(self):
        self._send("DELETE", "")
        for process in (self._driver, self._screen):
            process.terminate()
            process.wait(20)


def _free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

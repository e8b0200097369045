"""The built book behind a server, and what a page that runs says of itself."""

import functools
import http.server
import os
import threading
import time

import pytest

from book.live import files


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {"": "application/octet-stream", ".html": "text/html", ".css": "text/css"}
    extensions_map |= {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml"}

    def log_message(self, *arguments):
        pass

    def end_headers(self):
        self.send_header("cache-control", "max-age=600")
        super().end_headers()


@pytest.fixture(scope="session")
def python():
    """The Python that pages load.  Where it was not fetched its tests are skipped; under CI=true they fail."""
    if files.missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "no Python: `make pyodide`"
        )


@pytest.fixture(scope="session")
def served(python, book):
    """The address of the book."""
    handler = functools.partial(Handler, directory=book.folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


STATE = """() => {
  const bar = document.querySelector(".python-bar");
  return bar && !bar.hidden && !bar.classList.contains("busy") ? bar.querySelector("[role=status]").textContent : null;
}"""


@pytest.fixture(scope="session")
def finished():
    """Wait until the cells of a page have run; returns what the page says then."""

    def wait(run, seconds=300):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if said := run(STATE):
                return said
            time.sleep(0.1)
        raise TimeoutError(f"the cells of the page still run after {seconds} s")

    return wait

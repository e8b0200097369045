"""What the tests of the book share: the book, built once for all workers, and a Chromium."""

import fcntl
import json
import os
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from engines import Chromium, Firefox, Missing, WebKit
from small_book import markdown

from book.config import Book
from book.site import render

try:
    from playwright.sync_api import Error, sync_playwright
except ImportError:
    sync_playwright = None

if not render.find_quarto("auto")[0]:
    collect_ignore = ["site/test_quarto_rendered.py"]  # test_quarto.py names what it tests

ROOT = Path(__file__).resolve().parents[1]

#: Without the pages that Chromium keeps ready below its address bar, a visit takes half the work.
#: The list takes the place of playwright's own, so what matters of that one stands here too.
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,PaintHolding,"
    "HttpsFirstBalancedModeAutoEnable,DestroyProfileOnBrowserClose,ThirdPartyStoragePartitioning,"
    "RenderDocument,MediaRouter,OptimizationHints,Translate",
]

# The book of the tests lives nowhere, whatever this clone was made from.
os.environ["GITHUB_REPOSITORY"] = ""

#: What `make test` begins with, the longest first, so that no worker is alone at the end.
LONGEST = ["test_pages", "test_book_browser", "test_export_runs", "beyond-workers"]
LONGEST += ["test_explorer_browser", "test_first_visits", "test_recorded", "test_book_editions"]
LONGEST += ["test_beyond_workers", "test_quarto", "test_export", "test_beyond", "test_book_build"]
LONGEST += ["test_make", "test_serve", "test_explorer_chromium", "test_prove", "test_run"]
LONGEST += ["test_figures", "test_ledger", "test_tolerant", "test_quarto_rendered"]
#: What `make check` leaves to it: whatever wants the built book or a browser, and these.
SLOW_FIXTURES = {"book", "chromium", "verdicts"}
SLOW_FILES = {*LONGEST} - {"test_quarto", "test_book_editions"}


def pytest_collection_modifyitems(items):
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())) or item.path.stem in SLOW_FILES:
            item.add_marker("slow")
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Like --dist loadscope, and what one module does in three browsers goes to three workers."""
    from xdist.scheduler import LoadScopeScheduling

    class ByEngine(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            engine = re.search(r"\[(chromium|firefox|webkit)\b", nodeid)
            return super()._split_scope(nodeid) + (engine[0] if engine else "")

    return ByEngine(config, log) if config.getvalue("dist") == "loadscope" else None


@dataclass(frozen=True)
class Built:
    """The built book: its folder and its pages in order."""

    folder: Path
    pages: tuple

    @cached_property
    def html(self):
        return {
            str(page.target): (self.folder / page.target).read_text("utf-8") for page in self.pages
        }


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """The whole book by Pandoc, HTML, PDF and EPUB; one worker builds it and the others wait."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    out = base / "built-book"
    with (base / "built-book.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not out.exists():
            render.build(ROOT, out, renderer="pandoc", say=lambda line: None)
    return Built(out, Book.read(ROOT).pages)


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium: CHROMIUM, one on the path, or playwright's own.  CI must have one."""
    missing = "no Chromium: set CHROMIUM, or run `playwright install chromium`"
    if sync_playwright is None:
        found, missing = None, "playwright is not installed"
    else:
        path = (
            os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        )
        with sync_playwright() as playwright:
            try:
                found = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
            except Error as error:
                found, missing = None, f"{missing} ({str(error).splitlines()[0]})"
            if found:
                yield found
                found.close()
                return
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)


@pytest.fixture(scope="module", params=["chromium", "firefox", "webkit"])
def engine(request):
    """Each browser in turn.  One that is not installed is skipped; under CI=true that is a failure."""
    try:
        if request.param == "chromium":
            found = Chromium(request.getfixturevalue("chromium"))
        else:
            found = {"firefox": Firefox, "webkit": WebKit}[request.param]()
    except Missing as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))
    yield found
    found.close()


@pytest.fixture
def project(tmp_path):
    """Make a small book: ``project(cell, ...)``; ``config`` is added to its ``_quarto.yml``."""

    def make(*cells, pages=(), **config):
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        cells = [markdown("# 5.1 A page\n", "title"), *cells]
        (folder / "page.ipynb").write_text(
            json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}),
            "utf-8",
        )
        book = {"title": "A book", "chapters": ["page.ipynb", *pages]} | config.pop("book", {})
        (folder / "_quarto.yml").write_text(
            json.dumps({"project": {"type": "book"}, "book": book} | config), "utf-8"
        )
        return folder

    return make


def pytest_terminal_summary(terminalreporter):
    """The browsers that the tests of the explorer have run in, and the tests that were not run."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    properties = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    tested = sorted({value for name, value in properties if name == "engine"})
    missing = [
        name
        for name in ("Chromium", "Firefox", "WebKit")
        if tested and not any(one.startswith(name) for one in tested)
    ]
    if tested:
        absent = f"; not tested here: {', '.join(missing)}" if missing else ""
        terminalreporter.write_line(f"Browsers tested: {', '.join(tested)}{absent}")
    for line in sorted({value for name, value in properties if name == "not run"}):
        terminalreporter.write_line(f"Not run: {line}")

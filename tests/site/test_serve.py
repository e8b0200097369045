"""`make serve`: what is saved is in the browser within 1.5 s, and a broken page stays as it was."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_book import code, markdown

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def serve(project):
    """Preview a small book: its folder, its address, and a function that reads what the terminal says."""
    tag = {"tags": ["setup"]}
    folder = project(
        code("import numpy", name="setup") | {"metadata": tag},
        markdown("The first text."),
        pages=["b.qmd"],
    )
    (folder / "b.qmd").write_text("# B\n\nAnother page.\n", "utf-8")
    for name in ("utils", "explorer", "exercises"):  # of which every exported notebook takes
        (folder / name).symlink_to(ROOT / name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "book.site.serve", "--project", folder, "--port", str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        try:
            line = run.stdout.readline()
            assert line == f"http://127.0.0.1:{port}/  (Ctrl-C stops)\n"
            yield folder, line.split()[0], run.stdout.readline
        finally:
            run.terminate()


def edit(path, text):
    notebook = json.loads(path.read_text("utf-8"))
    notebook["cells"][-1]["source"] = text
    path.write_text(json.dumps(notebook), "utf-8")
    return time.perf_counter()


def test_a_saved_page_is_in_the_browser_within_a_second_and_a_half(serve, chromium):
    folder, address, said = serve
    page = chromium.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: m.type in ("error", "warning") and wrong.append(m.text))
    with page.expect_websocket():
        page.goto(f"{address}page.html", wait_until="load")
    page.get_by_text("The first text.").wait_for()
    seconds = []
    for number in range(2, 10):  # a busy machine may disturb one save, but not each
        text = f"Text {number}."
        with page.expect_websocket():  # of the reloaded page
            saved = edit(folder / "page.ipynb", text)
            page.get_by_text(text).wait_for()
            seconds.append(time.perf_counter() - saved)
        assert said().startswith("page.ipynb: ")
        if number > 2 and min(seconds) < 1.5:
            break
    assert min(seconds) < 1.5, seconds
    assert wrong == []

    edit(folder / "page.ipynb", "{{< broken >}}")
    assert said() == "The page stays as it was.\n"
    assert "page.ipynb, cell 3 (words): a Quarto shortcode" in said()
    page.reload()
    page.get_by_text(text).wait_for()
    edit(folder / "page.ipynb", "[gone](#nowhere)")
    assert said() == "The page stays as it was.\n"
    assert "page.html: a link to '#nowhere'" in said()
    edit(folder / "page.ipynb", "Mended.")
    page.get_by_text("Mended.").wait_for()
    page.close()

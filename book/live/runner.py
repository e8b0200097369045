"""Runs the cells of one page in the reader's browser: worker.js calls ``needs``, then ``run``.

What a cell shows goes to the page piece by piece, as ``show(kind, text, more)``: "text", "html",
"figure" (a drawing made as the book makes its stored ones), "explorer", and "error" with its traceback.
"""

import ast
import io
import linecache
import sys
import time
import traceback
from pathlib import Path

from book.live import cells
from book.site import svg

ROOT = Path(__file__).resolve().parents[2]
MOST = 200_000  # characters that one cell may print
PAUSE = 0.05  # seconds between two pieces of what it prints
NAMESPACE = {"__name__": "__main__"}


class NotHere(Exception):
    """A library that does not run in a page."""


class Absent:
    """Stands where a missing library, or a part of one, would; whoever uses it is told."""

    def __init__(self, library):
        vars(self)["library"] = library

    def __getattr__(self, name):
        raise NotHere(
            f"{self.library} does not run in a page. Colab, or the downloaded notebook, has it."
        )

    def __call__(self, *args, **more):
        return self.anything


class Printed(io.TextIOBase):
    """Standard output: what is printed, in pieces."""

    def __init__(self, show):
        self.show, self.waiting, self.count, self.last = show, [], 0, 0.0

    def write(self, text):
        if self.count <= MOST:
            self.waiting.append(text)
            self.count += len(text)
            if self.count > MOST:
                self.waiting.append("\n... and more, which is not shown.\n")
            if time.monotonic() - self.last > PAUSE:
                self.flush()
        return len(text)

    def flush(self):
        if text := "".join(self.waiting):
            self.show("text", text, "")
        self.waiting.clear()
        self.last = time.monotonic()


def ours(module: str) -> str | None:
    """The text of one of the book's modules."""
    path = ROOT / module.replace(".", "/")
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file() and module.partition(".")[0] in ("utils", "explorer", "exercises"):
            return file.read_text("utf-8")
    return None


def needs(code: str) -> list[str]:
    """The libraries that the cell imports; none if it cannot be read, which ``run`` will say."""
    try:
        return sorted(cells.libraries(code, ours))
    except SyntaxError:
        return []


def run(code: str, name: str, known: list[str], alts: list[str], show) -> None:
    """Run a cell and show what it prints, draws and is.

    Parameters: name, the cell's, in tracebacks; known, the libraries that can be had; alts, what to
    say of its figures to those who do not see them.
    """
    printed = Printed(show)
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = printed
    linecache.cache[name] = len(code), None, code.splitlines(True), name
    figures = Figures(alts, printed, show)
    try:
        tree = ast.parse(code, name)
        absent = cells.without(tree, set(known), ours)
        NAMESPACE.update({bound: Absent(library) for bound, library in absent.items()})
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        if "matplotlib" in {*needs(code), *sys.modules}:
            figures.catch()
        exec(compile(tree, name, "exec"), NAMESPACE)
        if last:
            value = eval(compile(ast.Expression(last.value), name, "eval"), NAMESPACE)
            printed.flush()
            if not code.rstrip().endswith(";"):
                display(value, figures, show)
        figures.show()
    except BaseException as error:  # whatever the reader's code raises
        printed.flush()
        figures.close()
        show("error", *told(error, name))
    finally:
        printed.flush()
        sys.stdout, sys.stderr = before


class Figures:
    """What matplotlib has drawn, shown and closed as a notebook does it."""

    count = 0  # of all that were shown: no two drawings of a page share a name

    def __init__(self, alts, printed, show):
        self.alts, self.printed, self.emit = list(alts), printed, show

    def catch(self):
        """Let ``plt.show()`` show them."""
        import matplotlib.pyplot as plt

        plt.show = lambda *args, **more: self.show()

    def show(self):
        plt = sys.modules.get("matplotlib.pyplot")
        for number in plt.get_fignums() if plt else ():
            text = io.StringIO()
            plt.figure(number).savefig(
                text, format="svg", bbox_inches="tight", metadata={"Date": None}
            )
            self.drawing("figure", text.getvalue(), self.alts.pop(0) if self.alts else "A figure")
        self.close()

    def drawing(self, kind, text, alt, more=""):
        page = svg.Page()
        Figures.count += 1
        page.count = 10_000 * Figures.count
        self.printed.flush()
        self.emit(kind, page.inline(text, alt), more)

    def close(self):
        if plt := sys.modules.get("matplotlib.pyplot"):
            plt.close("all")


def display(value, figures, show) -> None:
    """Show the value of a cell's last line as a notebook would."""
    if value is None:
        return
    NAMESPACE["_"] = value
    if type(value).__module__ == "explorer":
        figures.drawing("explorer", value.still(), value.alt(), value.tag())
    elif hasattr(value, "_repr_html_"):
        show("html", value._repr_html_(), "")
    else:
        show("text", f"{value!r}\n", "")


def told(error, name: str) -> tuple[str, str]:
    """An error in one line, and the traceback from the cell on."""
    trace, lines = error.__traceback__, []
    while trace and trace.tb_frame.f_code.co_filename != name:
        trace = trace.tb_next
    lines = [frame.lineno for frame in traceback.extract_tb(trace) if frame.filename == name]
    if isinstance(error, SyntaxError) and error.filename == name:
        lines.append(error.lineno)
    short = " ".join(traceback.format_exception_only(error)[-1].split())
    where = f"Line {lines[-1]}: " if lines else ""
    return where + short, "".join(traceback.format_exception(type(error), error, trace))

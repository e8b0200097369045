"""Runs the cells of one page in the reader's browser: worker.js calls ``run``.

What a cell shows goes to the page piece by piece, as ``show(kind, text, more)``: "text", "html",
"figure" (a drawing made as the book makes its stored ones), "explorer", and "error" with its traceback.
"""

import ast
import io
import linecache
import sys
import time
import traceback

from book.site import svg

MOST = 200_000  # characters that one cell may print
PAUSE = 0.05  # seconds between two pieces of what it prints
NAMESPACE = {"__name__": "__main__"}
ABSENT = {}  # a name that an import would have made -> the library that does not run here


class Shown(io.TextIOBase):
    """What a cell shows, sent to the page in order; standard output while the cell runs."""

    def __init__(self, place, alts, show):
        self.alts, self.show, self.waiting, self.count, self.last = [*alts], show, [], 0, 0.0
        self.names = 100_000 * (place + 1)  # of what the cell draws: no two of a page are the same

    def write(self, text: str) -> int:
        if self.count <= MOST:
            self.waiting.append(text)
            self.count += len(text)
            if self.count > MOST:
                self.waiting.append("\n... and more, which is not shown.\n")
            if time.monotonic() - self.last > PAUSE:
                self.flush()
        return len(text)

    def flush(self) -> None:
        if text := "".join(self.waiting):
            self.show("text", text, "")
        self.waiting.clear()
        self.last = time.monotonic()

    def figures(self) -> None:
        """Show and close what matplotlib has drawn, as a notebook does."""
        plt = sys.modules.get("matplotlib.pyplot")
        for number in plt.get_fignums() if plt else ():
            text, plain = io.StringIO(), {"bbox_inches": "tight", "metadata": {"Date": None}}
            plt.figure(number).savefig(text, format="svg", **plain)
            plt.close(number)
            alt = self.alts.pop(0) if self.alts else "A figure that this cell draws"
            self.drawing("figure", text.getvalue(), alt)

    def drawing(self, kind: str, text: str, alt: str, more: str = "") -> None:
        page = svg.Page()
        page.count = self.names = self.names + 10_000
        self.flush()
        self.show(kind, page.inline(text, alt), more)

    def value(self, value) -> None:
        """Show the value of a cell's last line."""
        self.flush()
        if type(value).__module__ == "explorer":
            self.drawing("explorer", value.still(), value.alt(), value.tag())
        elif hasattr(value, "_repr_html_"):
            self.show("html", value._repr_html_(), "")
        elif value is not None:
            self.write(f"{value!r}\n")


def run(code: str, name: str, place: int, elsewhere: dict[str, str], alts, show) -> None:
    """Run a cell and show what it prints, draws and is.

    Parameters: name, the cell's, in tracebacks; place, its own among the page's; elsewhere, the
    libraries that do not run here, and what they are called; alts, what to say of its figures.
    """
    shown, before = Shown(place, alts, show), (sys.stdout, sys.stderr)
    sys.stdout = sys.stderr = shown
    linecache.cache[name] = len(code), None, code.splitlines(True), name
    try:
        tree = ast.parse(code, name)
        leave_out(tree, elsewhere)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        if "matplotlib" in code or "matplotlib" in sys.modules:
            import matplotlib.pyplot as plt

            plt.show = lambda *args, **more: shown.figures()
        exec(compile(tree, name, "exec"), NAMESPACE)
        if last:
            value = eval(compile(ast.Expression(last.value), name, "eval"), NAMESPACE)
            shown.value(None if code.rstrip().endswith(";") else value)
        shown.figures()
        shown.flush()
    except BaseException as error:  # whatever the reader's code raises
        shown.flush()
        show("error", *told(error, name))
        if plt := sys.modules.get("matplotlib.pyplot"):
            plt.close("all")
    finally:
        sys.stdout, sys.stderr = before


def leave_out(tree: ast.Module, elsewhere: dict[str, str]) -> None:
    """Take the imports of libraries that do not run here out of a cell; who uses their names is told."""
    for node in [*tree.body]:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None) or node.names[0].name
            if library := elsewhere.get(module.partition(".")[0]):
                tree.body.remove(node)
                names = (alias.asname or alias.name.partition(".")[0] for alias in node.names)
                ABSENT.update(dict.fromkeys(names, library))


def told(error, name: str) -> tuple[str, str]:
    """An error in one line, and the traceback from the cell on."""
    trace, lines = error.__traceback__, []
    while trace and trace.tb_frame.f_code.co_filename != name:
        trace = trace.tb_next
    lines = [frame.lineno for frame in traceback.extract_tb(trace) if frame.filename == name]
    if isinstance(error, SyntaxError) and error.filename == name:
        lines.append(error.lineno)
    short = " ".join(traceback.format_exception_only(error)[-1].split())
    if isinstance(error, NameError) and (library := ABSENT.get(error.name)):
        short = f"{library} does not run in a page. Colab, or the downloaded notebook, has it."
    where = f"Line {lines[-1]}: " if lines else ""
    return where + short, "".join(traceback.format_exception(type(error), error, trace))

"""The outputs of a notebook as its page shows them: one form of each, and the drawings set aside."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from book import BookError, notebooks
from book.notebooks import Node
from book.site.svg import parsed


@dataclass(frozen=True)
class Drawing:
    """A drawing, and the opening tag of the explorer whose still figure it is."""

    svg: str
    explorer: str = ""


class _Html(HTMLParser):
    """An output in HTML: the opening tag of its explorer, and what is refused."""

    def __init__(self, text: str):
        super().__init__()
        self.explorer, self.script = "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.script |= tag == "script"
        if tag == "gd-explorer":
            self.explorer = self.get_starttag_text()
        for name, value in attributes:
            if name.startswith("on") or (value or "").strip().lower().startswith("javascript:"):
                raise BookError(f"an output that runs script: {name}={value!r}")


def read(path: Path, name: str) -> tuple[Node, dict[str, Drawing]]:
    """A notebook for the filter, and its drawings by the names that stand for them.

    Raises: BookError naming the cell and what its outputs may not be.
    """
    notebook, drawings = notebooks.load(path, name), {}
    for number, cell in notebooks.code_cells(notebook):
        with notebooks.at(name, number, cell):
            options, code = notebooks.options(cell.source)
            if cell.execution_count is None and code.strip():
                raise BookError("a code cell that was never run")
            before = len(drawings)
            shown = (
                _shown(o, options, f"{number}-{n}", drawings) for n, o in enumerate(cell.outputs)
            )
            cell.outputs = [output for output in shown if output]
            if len(drawings) == before and {"fig-cap", "fig-alt"} & options.keys():
                raise BookError("'fig-cap' and 'fig-alt' belong to a cell that draws")
    return notebook, drawings


def _shown(output: Node, options: dict, place: str, drawings: dict) -> Node | None:
    """The output in the richest form that the book knows; a drawing goes to ``drawings``."""
    if output.output_type == "error":
        raise BookError("a stored error in the output")
    if output.output_type == "stream":
        if output.name == "stderr":
            raise BookError("a stored warning in the output (stderr)")
        return _text(output.text)
    data = output.get("data") or {}
    html, svg = _Html(data.get("text/html", "")), data.get("image/svg+xml")
    others = [kind for kind in data if kind.startswith("image/") and kind != "image/svg+xml"]
    if others and not svg:
        raise BookError(f"a figure of the type {others[0]}; only SVG is known")
    if html.explorer and not svg:
        raise BookError("an explorer without its still figure (image/svg+xml)")
    if svg:
        if not options.get("fig-cap"):
            raise BookError("a cell that draws needs the option 'fig-cap'")
        if len(options.get("fig-alt", "")) < 60:
            raise BookError("a cell that draws needs the option 'fig-alt', 60 characters or more")
        parsed(svg)
        name = f"{'explorer' if html.explorer else 'drawing'}-{place}"
        drawings[name] = Drawing(svg, html.explorer)
        return _bundle("text/markdown", name)
    if html.script:
        raise BookError("an output with a script")
    if "text/html" in data:
        return _bundle("text/html", data["text/html"])
    return _text(data.get("text/plain", ""))


def _text(text: str) -> Node | None:
    if "\x1b" in text:
        raise BookError("an output has terminal colours")
    return Node(output_type="stream", name="stdout", text=text) if text.strip() else None


def _bundle(kind: str, text: str) -> Node:
    return Node(output_type="display_data", metadata=Node(), data=Node({kind: text}))

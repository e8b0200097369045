"""A page as Pandoc wrote it, made what the book publishes, in one pass that also learns what it holds.

The pages' policy forbids styles, so alignments become classes, and a style that is left is refused,
as script is.  Drawings are put where images stand for them.  The annotations of MathML go.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from html.parser import HTMLParser

from book import BookError
from book.site.mathml import laid

VOID = {"br", "col", "hr", "img", "input", "link", "meta", "wbr"}
#: What the search passes over: elements, and classes.
SKIPPED = {"nav", "svg", "output", "permalink", "page-tools"}
DROPPED = {"xmlns", "columnalign"}  # of MathML
BREAKS = {"p", "li", "pre", "td", "th", "figcaption", "dt", "dd", "summary"}


class Finished(HTMLParser):
    """A finished page: ``html``; ``ids`` and ``links``, what it holds; ``sections``, what it says.

    Parameters: text, the page; address, where it will be; drawing, a function of an image's source
    and text that returns the element to stand there.
    Raises: BookError naming a style or script in the text.
    """

    def __init__(self, text: str, address: str, drawing: Callable[[str, str], str]):
        super().__init__()
        self.address, self.drawing = address, drawing
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self._out: list[str] = []
        self._open: list[tuple[str, bool]] = []  # what ends each open element; does search see it?
        self._found: list[dict] = []
        self._box: dict = {}
        self._heading = self._muted = False
        self._math = 0  # where the formula begins
        self.feed(text)
        self.close()
        self.html = "".join(self._out)

    @property
    def sections(self) -> list[dict]:
        """For the search: u, a section's address; t, its heading; x, its text; p, the page's title."""
        found = [{k: " ".join(text.split()) for k, text in one.items()} for one in self._found]
        return found[:1] + [{**one, "p": found[0]["t"]} for one in found[1:]]

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if tag == "math":
            self._math = len(self._out)
        start, end = self._written(tag, given)
        self._out.append(start)
        if tag in VOID:
            return
        classes = {tag, *(given.get("class") or "").split()}
        seen = self._open[-1][1] if self._open else False
        self._open.append((end, tag == "main" or (seen and not classes & SKIPPED)))
        if not self._open[-1][1]:
            return
        if tag == "section" and "id" in given:
            self._found.append({"u": f"{self.address}#{given['id']}", "t": "", "x": ""})
        self._heading |= tag in ("h1", "h2", "h3", "h4")
        if "id" in given and self._open[-2][0] == "</dt>":  # a term of the glossary
            self._found.append({"u": f"{self.address}#{given['id']}", "t": "", "x": ""})
            self._heading = True
        if tag in BREAKS:
            self._say(" ")

    def handle_endtag(self, tag):
        end, _ = self._open.pop()
        self._heading &= tag not in ("h1", "h2", "h3", "h4", "dt")
        self._muted &= tag != "annotation"
        self._out.append(end)
        if tag == "math":
            self._out[self._math :] = [laid("".join(self._out[self._math :]))]

    def handle_startendtag(self, tag, attributes):
        start, end = self._written(tag, dict(attributes))
        self._out.append(start)

    def handle_data(self, text):
        if not self._muted:
            self._out.append(escape(text, quote=False))
            self._say(text)

    def handle_decl(self, declaration):
        self._out.append(f"<!{declaration}>")

    def _say(self, text: str) -> None:
        if self._found and self._open and self._open[-1][1]:
            self._found[-1]["t" if self._heading else "x"] += text

    def _written(self, tag: str, given: dict) -> tuple[str, str]:
        """An element's opening and closing tags as they are published."""
        classes = (given.get("class") or "").split()
        if tag == "img":
            return self.drawing(given["src"], given["alt"]), ""
        if tag in ("annotation", "semantics"):
            self._muted = tag == "annotation"
            return "", ""
        kept = {key: value for key, value in given.items() if key not in DROPPED}
        # What Pandoc writes around highlighted code: a box, and a numbered link in each line.
        if tag == "div" and "sourceCode" in classes:
            self._box = {
                key: kept[key] for key in ("tabindex", "role", "aria-label") if key in kept
            }
            return "", ""
        if (tag == "span" and given.get("id", "").startswith("cb")) or (
            tag == "a" and given.get("href", "").startswith("#cb")
        ):
            return "", ""
        if "sourceCode" in classes:
            kept = {"class": "code", **self._box} if tag == "pre" else {}
        style = kept.pop("style", "text-align: ").split(";")[0]
        if style.removeprefix("text-align: ") not in ("", "left", "right", "center"):
            tag = "style"
        elif "style" in given:
            kept["class"] = style.removeprefix("text-align: ")
        if (
            tag == "style"
            or (tag == "script" and "src" not in given)
            or any(name.startswith("on") for name in given)
        ):
            raise BookError(f"style or script in the text: {self.get_starttag_text()[:80]}")
        if kept == given:
            return self.get_starttag_text(), f"</{tag}>"
        written = (f' {key}="{escape(value or "")}"' for key, value in kept.items())
        return f"<{tag}{''.join(written)}>", f"</{tag}>"

"""The search index of the web edition: what each section of a page says, as plain text."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "col", "hr", "img", "input", "link", "meta", "wbr"}
SKIPPED = {"svg", "script", "style", "annotation"}


class _Sections(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found: list[dict] = []
        self.path: list[tuple[str, str | None]] = []  # open elements in <main>, with section ids
        self.skip = 0
        self.heading = False

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag in VOID:
            return
        if not self.path:
            if tag == "main":
                self.path.append((tag, None))
            return
        classes = (attributes.get("class") or "").split()
        hidden = (
            tag in SKIPPED
            or "output" in classes
            or "permalink" in classes
            or tag == "nav"
            or "page-tools" in classes
        )
        if hidden or self.skip:
            self.skip += 1
        elif tag == "section" and attributes.get("id"):
            self.found.append({"a": attributes["id"], "t": "", "x": ""})
        elif tag in ("h1", "h2", "h3", "h4"):
            self.heading = True
        self.path.append((tag, attributes.get("id") if tag == "section" else None))
        if tag in ("p", "li", "pre", "td", "th", "figcaption", "dt", "dd", "summary"):
            self._add(" ")

    def handle_endtag(self, tag):
        if not self.path or tag in VOID:
            return
        if self.skip:
            self.skip -= 1
        elif tag in ("h1", "h2", "h3", "h4"):
            self.heading = False
        self.path.pop()

    def handle_data(self, data):
        if self.path and not self.skip:
            self._add(data)

    def _add(self, text):
        if self.found:
            self.found[-1]["t" if self.heading else "x"] += text


def sections(page: str, address: str) -> list[dict]:
    """The sections of a page: u, its address; t, its heading; x, its text; p, the page's title."""
    parser = _Sections()
    parser.feed(page)
    found = [{key: " ".join(value.split()) for key, value in one.items()} for one in parser.found]
    return [
        {"u": f"{address}#{one['a']}", "t": one["t"], "x": one["x"]}
        | ({"p": found[0]["t"]} if number else {})
        for number, one in enumerate(found)
    ]

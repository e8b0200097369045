"""Lower the book's Markdown (Pandoc, Quarto) to what Jupyter, Colab, Kaggle and VS Code show well.

Only the constructs of the book's notebook grammar (CONTRIBUTING.md) are known.  Anything else is
refused by name, because a notebook that shows its markup is worse than a build that stops.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

CALLOUTS = ("note", "tip", "warning", "important", "caution")

_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})\s*(.*)$")
_DIV = re.compile(r"^:{3,}\s*(.*?)\s*$")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*$")
_ATTRIBUTES = re.compile(r"\s*\{([^{}]*)\}\s*$")
# What holds no markup: code, then mathematics (Pandoc's rule: no space inside a single $), comments.
_VERBATIM = re.compile(
    r"(?P<code>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<display>\$\$.+?\$\$)"
    r"|(?P<math>(?<![\\$])\$(?=\S)(?:\\.|[^$\\\n]|\n(?!\s*\n))+?(?<=\S)\$(?!\d))"
    r"|(?P<comment><!--.*?-->)"
    r"|(?P<escape>\\[$@\[\]{}`*_-])",
    re.DOTALL,
)
_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]"
    r"\(\s*(?P<target>[^()\s]*)(?:\s+\"[^\"]*\")?\s*\)(?P<attributes>\{[^{}]*\})?"
)
_CITATIONS = re.compile(r"\[(?P<body>[^\[\]]*(?<![\w.])@[\w][^\[\]]*)\](?!\()")
_NARRATIVE = re.compile(r"(?<![\w./@])@(?P<key>[A-Za-z][\w-]*)")
_SPAN = re.compile(r"\[(?P<text>[^\[\]]*)\]\{(?P<attributes>[^{}]*)\}")


class NotLowered(ValueError):
    """A construct of the source that the exporter does not know."""


@dataclass
class Page:
    """What the lowering of one page needs to know, and the works that it finds cited."""

    #: (target of a link) -> the target in the exported notebook, or None for text without a link.
    link: Callable[[str], str | None]
    #: (key) -> the work, as CSL data.
    works: dict[str, dict]
    #: identifiers of headings to which some page links.
    anchors: frozenset[str] = frozenset()
    cited: list[str] = field(default_factory=list)


def markdown(text: str, page: Page) -> str:
    """Return ``text`` with callouts, equations, citations, links and attributes lowered.

    Raises: NotLowered naming the construct.
    """
    blocks, rest = _parse(text.splitlines(), depth=0)
    assert not rest
    return "\n".join(_blocks(blocks, page)).strip("\n")


def identifier(heading: str) -> str:
    """Return Pandoc's automatic identifier of a heading's text (extension auto_identifiers)."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[`*$]", "", text)
    text = "".join(c for c in text.lower() if c.isalnum() or c in "_-." or c.isspace())
    text = re.sub(r"\s+", "-", text.strip())
    first = next((i for i, c in enumerate(text) if c.isalpha()), len(text))
    return text[first:] or "section"


def headings(text: str) -> list[tuple[int, str, str]]:
    """Return (level, text, identifier) of the headings in a Markdown cell, code fences left out."""
    found, fence = [], None
    for line in text.splitlines():
        fence, inside = _fence_state(line, fence)
        match = None if inside else _HEADING.match(line)
        if match:
            text_, attributes = _split_attributes(match[2])
            found.append((len(match[1]), text_, attributes.get("id") or identifier(text_)))
    return found


def explicit_ids(text: str) -> list[str]:
    """Return the identifiers given to divs and spans, such as ``equation-5-1``."""
    return re.findall(r"(?:^:{3,}\s*|\])\{#([\w-]+)", text, flags=re.MULTILINE)


# --- blocks -----------------------------------------------------------------------------------


@dataclass
class _Div:
    attributes: dict
    children: list


def _parse(lines: list[str], depth: int) -> tuple[list, list[str]]:
    """Read lines up to the end of the enclosing div; return its blocks and the lines after it."""
    blocks, fence = [], None
    while lines:
        line, lines = lines[0], lines[1:]
        fence, inside = _fence_state(line, fence)
        match = None if inside else _DIV.match(line)
        if match is None:
            blocks.append(line)
        elif not match[1]:
            if depth == 0:
                raise NotLowered("a ':::' that closes nothing")
            return blocks, lines
        else:
            children, lines = _parse(lines, depth + 1)
            blocks.append(_Div(_attributes(match[1]), children))
    if depth:
        raise NotLowered("a ':::' block that is not closed in its cell")
    if fence:
        raise NotLowered("a code fence that is not closed in its cell")
    return blocks, []


def _fence_state(line: str, fence: str | None) -> tuple[str | None, bool]:
    """Return the code fence that is open after this line, and whether the line belongs to one."""
    match = _FENCE.match(line)
    if fence is None:
        if not match:
            return None, False
        if match[2] and not re.fullmatch(r"[\w+-]+", match[2]):
            raise NotLowered(f"the code fence {line.strip()!r}")
        return match[1], True
    closes = match and match[1][0] == fence[0] and len(match[1]) >= len(fence) and not match[2]
    return (None if closes else fence), True


def _blocks(blocks: list, page: Page) -> list[str]:
    out, prose, fence = [], [], None
    for block in blocks:
        if isinstance(block, _Div):
            out += _prose(prose, page)
            prose = []
            while out and not out[-1]:
                out.pop()
            out += [*([""] if out else []), *_div(block, page), ""]
            continue
        fence, inside = _fence_state(block, fence)
        if inside:
            out += [*_prose(prose, page), block]
            prose = []
        else:
            prose.append(block)
    return out + _prose(prose, page)


def _div(div: _Div, page: Page) -> list[str]:
    attributes = dict(div.attributes)
    classes, anchor = attributes.pop("classes"), attributes.pop("id")
    body = "\n".join(_blocks(div.children, page)).strip("\n").split("\n")
    if not classes and not attributes and anchor:
        return [f'<a id="{anchor}"></a>', "", *body]
    kind = classes[0].removeprefix("callout-") if len(classes) == 1 else ""
    if not (classes and classes[0].startswith("callout-") and kind in CALLOUTS):
        raise NotLowered(f"the block '::: {{{' '.join('.' + c for c in classes)}}}'")
    title = attributes.pop("title", None)
    collapse = attributes.pop("collapse", None)
    if title is None:
        raise NotLowered(f"a callout-{kind} without a title")
    if attributes:
        raise NotLowered(f"the attribute {next(iter(attributes))!r} of callout {title!r}")
    head = [f'<a id="{anchor}"></a>', ""] if anchor else []
    if collapse is not None:
        opened = " open" if collapse == "false" else ""
        # The blank lines make Markdown and mathematics inside an HTML element work in Jupyter.
        return [
            *head,
            f"<details{opened}>",
            f"<summary><b>{_inline_html(title)}</b></summary>",
            "",
            *body,
            "",
            "</details>",
        ]
    # Jupyter sets mathematics aside before it reads Markdown, so that the quotation mark of a
    # second line would land in the formula: one line a formula.
    joined = re.sub(
        r"\$\$.+?\$\$", lambda m: re.sub(r"\s*\n\s*", " ", m[0]), "\n".join(body), flags=re.DOTALL
    )
    quoted = [f"> **{_inline(title, page)}**", ">"]
    return [*head, *quoted, *(f"> {line}".rstrip() for line in joined.split("\n"))]


def _prose(lines: list[str], page: Page) -> list[str]:
    if not lines:
        return []
    out = []
    for line in _inline("\n".join(lines), page).split("\n"):
        match = _HEADING.match(line)
        if match:
            text, attributes = _split_attributes(match[2])
            name = attributes.get("id") or identifier(text)
            line = f"{match[1]} {text}"
            if attributes.get("id") or name in page.anchors:
                anchor = f'<a id="{name}"></a>'
                # Before the heading, so that a jump shows it; but a page begins with its title.
                out += [line, "", anchor] if match[1] == "#" else [anchor, "", line]
                continue
        elif re.match(r"^:\s{1,3}\S", line):
            raise NotLowered(f"the definition list at {line!r}")
        out.append(line)
    return out


# --- inline -----------------------------------------------------------------------------------


def _inline(text: str, page: Page) -> str:
    kept: list[str] = []

    def keep(piece: str) -> str:
        kept.append(piece)
        return chr(0xE000 + len(kept) - 1)  # a private-use character stands for what is verbatim

    if re.search(r"[\ue000-\uf8ff]", text):
        raise NotLowered("a private-use character")
    text = _VERBATIM.sub(lambda m: keep(m[0]), text)
    for pattern, name in (
        (r"\{\{<.*?>\}\}", "the shortcode"),
        (r"\[\^[^\]]*\]", "the footnote"),
        (r"<(?:script|iframe|img|link|video|audio)\b[^>]*>", "the element"),
        (r"[\ue000-\uf8ff]\{=\w+\}", "the raw attribute"),
        (r"^\[[^\]]+\]:\s", "the link definition"),
    ):
        match = re.search(pattern, text, flags=re.MULTILINE)
        if match:
            raise NotLowered(f"{name} {_restore(match[0], kept)!r}")

    def link(match: re.Match) -> str:
        if match["image"]:
            raise NotLowered(f"the image {match['target']!r}: a picture does not travel")
        target = page.link(match["target"])
        return match["text"] if target is None else keep(f"[{match['text']}]({target})")

    text = _CITATIONS.sub(lambda m: keep(_citations(m["body"], page)), text)
    text = _NARRATIVE.sub(lambda m: keep(_narrative(m["key"], page)), text)
    text = _LINK.sub(link, text)
    text = _SPAN.sub(lambda m: _span(m["text"], m["attributes"]), text)
    # Pandoc's dashes; not those of a table's rule or of a horizontal rule.
    text = re.sub(r"(?<=[^\s|:-])( ?)---( ?)(?=[^\s|:-])", r"\1—\2", text)
    text = re.sub(r"(?<=[^\s|:-])( ?)--( ?)(?=[^\s|:-])", r"\1–\2", text)
    return _restore(text, kept)


def _restore(text: str, kept: list[str]) -> str:
    pattern = re.compile(r"[\ue000-\uf8ff]")
    while pattern.search(text):  # a link's text may hold code, so what was kept may hold more
        text = pattern.sub(lambda m: kept[ord(m[0]) - 0xE000], text)
    return text


def _span(text: str, attributes: str) -> str:
    parsed = _attributes("{" + attributes + "}")
    if parsed["classes"] or set(parsed) - {"id", "classes"}:
        raise NotLowered(f"the span '[{text}]{{{attributes}}}'")
    return f'<a id="{parsed["id"]}"></a>{text}'


def _inline_html(text: str) -> str:
    """The little Markdown that a title may hold, as HTML (a summary is not read as Markdown)."""
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", text)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)


# --- attributes -------------------------------------------------------------------------------


def _split_attributes(text: str) -> tuple[str, dict]:
    match = _ATTRIBUTES.search(text)
    if not match or not re.match(r"[#.\-]|\w+=", match[1].strip()):
        return text, {"id": None, "classes": []}
    return text[: match.start()], _attributes("{" + match[1] + "}")


def _attributes(text: str) -> dict:
    """Parse ``{#id .class key="value"}`` to {"id": ..., "classes": [...], key: value}."""
    if not (text.startswith("{") and text.endswith("}")):
        raise NotLowered(f"the block '::: {text}'")
    found: dict = {"id": None, "classes": []}
    rest = text[1:-1].strip()
    while rest:
        match = re.match(
            r"#(?P<id>[\w.:-]+)|\.(?P<class>[\w-]+)|(?P<unnumbered>-)(?=\s|$)"
            r"|(?P<key>[\w-]+)=(?:\"(?P<quoted>(?:\\.|[^\"\\])*)\"|(?P<bare>[^\s\"}]+))",
            rest,
        )
        if not match:
            raise NotLowered(f"the attributes {text!r}")
        if match["id"]:
            found["id"] = match["id"]
        elif match["class"]:
            found["classes"].append(match["class"])
        elif match["key"]:
            value = match["bare"] if match["quoted"] is None else match["quoted"]
            found[match["key"]] = re.sub(r"\\(.)", r"\1", value)
        rest = rest[match.end() :].strip()
    return found


# --- citations --------------------------------------------------------------------------------


def load_works(bibliography: Path | None) -> dict[str, dict]:
    """Read a BibTeX file by Pandoc: key -> CSL data.  No file, no works."""
    if bibliography is None or not bibliography.is_file():
        return {}
    import pypandoc

    return {
        work["id"]: work
        for work in json.loads(pypandoc.convert_file(str(bibliography), "csljson", "biblatex"))
    }


def reference(work: dict) -> str:
    """One line of a list of references, in Markdown."""
    authors = [
        " ".join(filter(None, (name.get("given"), name.get("family") or name.get("literal"))))
        for name in work.get("author", [])
    ]
    if authors[1:] and authors[-1] == "others":
        authors[-1] = "et al"
    where = [
        f"*{work['container-title']}*" if work.get("container-title") else None,
        work.get("publisher"),
    ]
    parts = [", ".join(authors), f"*{work['title']}*" if not where[0] else work["title"], *where]
    link = f"https://doi.org/{work['DOI']}" if work.get("DOI") else work.get("URL")
    line = f"{'. '.join(filter(None, parts))}, {_year(work)}."
    return f"{line} <{link}>" if link else line


def _citations(body: str, page: Page) -> str:
    parts = []
    for item in body.split(";"):
        match = re.fullmatch(r"\s*(.*?)(-?)@([\w:.-]*\w)\s*(?:,?\s*(.*?))?\s*", item, re.DOTALL)
        if not match:
            raise NotLowered(f"the citation {item.strip()!r}")
        prefix, bare, key, suffix = match.groups()
        work = _work(key, page)
        text = _year(work) if bare else f"{_names(work)} {_year(work)}"
        parts.append(f"{prefix}{text}" + (f", {suffix}" if suffix else ""))
    return f"({'; '.join(parts)})"


def _narrative(key: str, page: Page) -> str:
    work = _work(key, page)
    return f"{_names(work)} ({_year(work)})"


def _work(key: str, page: Page) -> dict:
    if key not in page.works:
        raise NotLowered(f"the reference '@{key}', which is not in the bibliography")
    if key not in page.cited:
        page.cited.append(key)
    return page.works[key]


def _names(work: dict) -> str:
    names = [n.get("family") or n.get("literal") for n in work.get("author", [])]
    if not names:
        return f"*{work['title']}*"
    if len(names) > 2 or names[-1] == "others":
        return f"{names[0]} et al."
    return " and ".join(names)


def _year(work: dict) -> str:
    parts = work.get("issued", {}).get("date-parts", [[None]])
    return str(parts[0][0]) if parts[0][0] else "no date"

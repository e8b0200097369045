"""What the pages say, and what bears it out: the claims of tests/chapters/claims/PAGE.txt.

A line is a quotation that must stand exactly once on the page (``text_of`` shows how a page reads):

    Of the {{len(all_X)}} points, {{N}} are for training
    its loss is even lower than that of the line  <- J(BEST) < J((2.3, 1.2))
    the three lines that make them  # counted

``{{...}}`` is computed, as in an f-string; what stands behind ``<-``, or indented below, must be true;
``#`` names why a number needs no code.  Indented lines before the first quotation prepare the page.
Phrases of everywhere.txt may stand on any page, any number of times; it prepares all pages.
"""

import ast
import difflib
import io
import json
import re
import textwrap
import tokenize
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from book import config, notebooks, pandoc

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "chapters" / "claims"
EVERYWHERE = "everywhere"

#: Why a number may stand without code.  Its quotation still has to stand.
EXCUSES = {
    "counted": "the reader counts it in the sentence, the formula, the code or the picture beside it",
    "example": "made up for the sentence; it is no result",
    "name": "part of a name",
    "defined": "a definition or advice: its words are what it says",
    "unknown": "no check on this machine can know it; the Notes say so",
}
WORDS = [
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
    ),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
]
#: A word with a digit, or one that counts.  "One" mostly stands for a thing, and is left out.
NUMBER = re.compile(
    r"-?\.?\d+(?:[.,]\d+)*\w*|[^\W\d_]\w*\d\w*|\b(?:"
    + "|".join(WORDS[2:])
    + r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"|(?:hundred|thousand|million|billion|third|quarter|fourth|fifth|tenth|hundredth)s?|thousandth|half|halves|twice|percent)\b",
    re.IGNORECASE,
)
#: Numbers of the book's own order; the tests of links and headings hold them.
NAMED = re.compile(
    r"(?:Section|Chapter|Figure|Equation|Exercise)s? \d+(?:\.\d+)*(?:(?:, | and | to )\d(?:(?:\.\d+)+|(?!\d)))*|§\S+"
)


# --- How a page reads -----------------------------------------------------------------------------


def sources() -> dict[str, Path]:
    """Page -> file: the pages of the book, the README, and what the checks of 5.5 may answer."""
    pages = [ROOT / source for source, _ in config.Book.read(ROOT).listed]
    return {path.stem: path for path in [*pages, ROOT / "README.md", ROOT / "exercises"]}


@cache
def trees() -> dict[str, list]:
    """Page -> its blocks as Pandoc reads them, by one call for all."""
    mark, found = "the-next-page-is", {}
    document = "".join(
        f"\n\n# {mark} {page}\n\n{_markdown(path)}" for page, path in sources().items()
    )
    tree = pandoc.run("--from=markdown-smart", "--to=json", stdin=document.encode("utf-8"))
    for block in json.loads(tree)["blocks"]:
        words = "".join(_words(block)).split()
        if words and words[0] == mark:
            found[words[1]] = []
        else:
            found[list(found)[-1]].append(block)
    return found


@cache
def text_of(page: str) -> str:
    """All that is told on a page, as one line: prose, captions, alternative texts, comments in code.

    Emphasis, code and formulas keep their marks, and a link is its text.  Displayed equations are
    left out: test_formulas.py is about them.
    """
    return " ".join("".join(_words(trees()[page])).split())


def _words(node):
    """The text in a part of Pandoc's tree."""
    if isinstance(node, list):
        for part in node:
            yield from _words(part)
    if not isinstance(node, dict) or "t" not in node:
        return
    kind, content = node["t"], node.get("c")
    mark = {"Emph": "*", "Strong": "**", "Code": "`", "Math": "$"}.get(kind, "")
    if kind == "Str":
        yield content
    elif kind in ("Space", "SoftBreak", "LineBreak"):
        yield " "
    elif kind == "Code" or (kind == "Math" and content[0]["t"] == "InlineMath"):
        yield mark + content[1] + mark
    elif kind == "CodeBlock":
        yield f" {content[1]} "
    elif kind == "Cite":
        yield "[@]"  # citeproc resolves it, or the build stops
    elif kind == "Link":
        numbered = re.match(r"\d(\.\d)+", text := "".join(_words(content[1])))
        yield "§" * bool(numbered) + text
    elif kind == "Image":
        yield from _words(content[1])
        yield " " + dict(content[0][2]).get("fig-alt", "")
    elif kind == "Figure":  # its caption is that of its image
        yield from _words(content[2])
    elif kind not in ("Math", "RawBlock", "RawInline"):
        space = " " * (kind in ("Para", "Plain", "Header"))
        numbered = kind == "Header" and re.match(r"\d+(\.\d+)+", "".join(_words(content[2])))
        title = dict(content[0][2]).get("title", "") + " " if kind == "Div" else ""
        yield space + "§" * bool(numbered) + title + mark
        yield from _words(content)
        yield mark + space


def _markdown(path: Path) -> str:
    if path.is_dir():
        modules = (ast.parse(module.read_text("utf-8")) for module in sorted(path.glob("*.py")))
        return "\n\n".join(text for module in modules for text in _messages(module))
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    parts, comments = [], []
    for cell in notebooks.load(path).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        else:
            options, code = notebooks.options(cell.source)
            parts += [options[key] for key in ("fig-cap", "fig-alt") if key in options]
            tokens = tokenize.generate_tokens(io.StringIO(code).readline)
            comments += [f"`{text}`" for kind, text, *_ in tokens if kind == tokenize.COMMENT]
    return "\n\n".join(parts + comments)


def _messages(node):
    """The texts in a module that are sentences and no docstrings, with {} for what is computed."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
        yield node.value
    elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        for part in ast.iter_child_nodes(node):
            yield from _messages(part)


def links():
    """(page, text, target) of each link."""

    def walk(node):
        if isinstance(node, dict):
            if node.get("t") == "Link":
                yield "".join(_words(node["c"][1])), node["c"][2][0]
            node = node.get("c")
        for part in node if isinstance(node, list) else ():
            yield from walk(part)

    return [(page, *link) for page, tree in trees().items() for link in walk(tree)]


@cache
def headings(page: str) -> dict[str, str]:
    """Anchor -> text of the headings of a page, and "" -> the first."""
    found = {block["c"][1][0]: "".join(_words(block["c"][2])) for block in _headers(page)}
    known = {block["c"][1][0] for other in trees() for block in _headers(other)}
    plain = {}  # Pandoc numbers an anchor that an earlier page has
    for anchor, title in found.items():
        base = re.sub(r"-\d+$", "", anchor)
        plain[base if base in known else anchor] = title
    return {"": next(iter(found.values()), "")} | plain


def _headers(page: str):
    return [block for block in trees()[page] if block["t"] == "Header"]


# --- Claims ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    page: str
    line: int
    template: str
    code: str = ""
    excuse: str = ""

    def __str__(self):
        return f"{self.page}.txt:{self.line}: {self.template}"


@cache
def read(page: str) -> tuple[str, list[Claim]]:
    """The preparation of a page, and its claims."""
    path = FOLDER / f"{page}.txt"
    blocks = [["", 0, []]]
    for number, line in enumerate(path.read_text("utf-8").splitlines() if path.exists() else (), 1):
        if line.startswith("    ") or not line:
            blocks[-1][2].append(line)
        elif not line.startswith("#"):
            blocks.append([line, number, []])
    setup, *claims = ((*head, textwrap.dedent("\n".join(code)).strip()) for *head, code in blocks)
    return setup[2], [_claim(page, *claim) for claim in claims]


def _claim(page: str, line: str, number: int, code: str) -> Claim:
    template, _, short = line.partition("  <- ")
    template, _, excuse = (template, "", "") if short else line.partition("  # ")
    claim = Claim(page, number, template.strip(), short or code, excuse)
    assert claim.code or claim.excuse or "{{" in template, f"{claim}: nothing bears it out"
    assert not claim.excuse or claim.excuse in EXCUSES, f"{claim}: excuses are {[*EXCUSES]}"
    return claim


@cache
def _prepared() -> dict:
    scope = {}
    exec(compile(read(EVERYWHERE)[0], "everywhere.txt", "exec"), scope)
    return scope


@cache
def own(page: str) -> dict:
    """What a page's claims know of it: its code, and what that printed."""
    path = sources().get(page, ROOT)
    cells = notebooks.load(path).cells if path.suffix == ".ipynb" else []
    cells = [cell for cell in cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    printed = (o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)
    return {"code": "\n".join(cell.source for cell in cells), "printed": "\n".join(printed)}


def scope_of(page: str) -> dict:
    """Fresh names for a claim of the page."""
    scope = _prepared() | own(page)
    exec(compile(read(page)[0], f"{page}.txt", "exec"), scope)
    return scope


@cache
def pieces(claim: Claim) -> list[str]:
    """The quotation, cut into what is written (even) and what is computed (odd)."""
    scope, parts = scope_of(claim.page), re.split(r"\{\{(.+?)\}\}(?!\})", claim.template)
    return [eval(f'f"""{{{p}}}"""', scope) if n % 2 else p for n, p in enumerate(parts)]


def fault_of(claim: Claim) -> str:
    """What is wrong with a claim, or nothing."""
    quotation = "".join(pieces(claim))
    if claim.page != EVERYWHERE and (count := text_of(claim.page).count(quotation)) != 1:
        near = difflib.get_close_matches(quotation, sentences(text_of(claim.page)), 1, 0.3)
        return f"{claim}\nstands {count} times on the page: {quotation}\nnearest: {near}"
    if claim.code:
        scope = scope_of(claim.page)
        *first, last = ast.parse(claim.code).body
        exec(compile(ast.Module(first, []), str(claim), "exec"), scope)
        if not eval(compile(ast.Expression(last.value), str(claim), "eval"), scope):
            return f"{claim}\nis not true: {claim.code}"
    return ""


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.:?!]) (?=\S)", text)


def uncovered(page: str, text: str = "") -> list[tuple[str, str]]:
    """Each number of a page that no claim computes or tests and no excuse names, in its sentence."""
    text = text or text_of(page)
    covered = [match.span() for match in NAMED.finditer(text)]
    for claim in read(page)[1] + read(EVERYWHERE)[1]:
        parts = pieces(claim)
        for match in re.finditer(re.escape("".join(parts)), text):
            place = match.start()
            if claim.code or claim.excuse:
                covered.append(match.span())
            for n, part in enumerate(parts):
                covered += [(place, place + len(part))] * (n % 2)
                place += len(part)
    found, place = [], 0
    for sentence in sentences(text):
        for match in NUMBER.finditer(sentence):
            start, end = place + match.start(), place + match.end()
            if not any(first <= start and end <= last for first, last in covered):
                found.append((match[0], sentence))
        place += len(sentence) + 1
    return found


def sees(page: str, text: str) -> bool:
    """Whether the claims notice that a page reads otherwise."""
    quotations = ("".join(pieces(claim)) for claim in read(page)[1])
    return any(text.count(each) != 1 for each in quotations) or bool(uncovered(page, text))

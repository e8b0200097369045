"""Render the book: ``python -m book.site.render [--renderer auto|quarto|pandoc] [--html-only]``.

``_quarto.yml`` says what the book is; both renderings read it.  Where there is no Quarto, Pandoc
does the work: ``book/filter.lua`` for the few constructs that it does not know, a template,
a style sheet.  The book is built beside its place and moved there when all of it is done, so a
build that fails or is interrupted leaves the last one as it was.
"""

from __future__ import annotations

import argparse
import gzip
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from book import BookError, export, pandoc
from book.config import Book, Page
from book.site import search_index as index

HERE = Path(__file__).resolve().parent
WEB = ("book.css", "theme.js", "book.js", "search.js", "favicon.svg", "card.png")
FILE = "linear-regression"  # .pdf and .epub

# ---- The web edition ----------------------------------------------------------------------------


def render_page(book: Book, page: Page, editions: bool) -> str:
    """The HTML of one page."""
    place = book.pages.index(page)
    neighbours = {"previous": book.pages[:place][-1:], "next": book.pages[place + 1 :][:1]}

    def link(other: Page) -> dict:
        return {"title": other.title, "href": page.root + str(other.target)}

    parts: list[dict] = []
    for other in book.pages:
        if not parts or parts[-1].get("name") != other.part:
            parts.append({"name": other.part, "pages": []} if other.part else {"pages": []})
        entry = link(other) | ({"current": True} if other == page else {})
        parts[-1]["pages"].append(entry)
    texts = {"title": book.title, "subtitle": book.subtitle, "description": book.description}
    variables = {
        "book": {key: html.escape(value) for key, value in texts.items() if value},
        "root": page.root,
        "start": page.root + str(book.pages[0].target),
        "home": page.source.name == "index.qmd",
        "parts": parts,
        **{name: link(other) for name, found in neighbours.items() for other in found},
        **({"editions": FILE} if editions else {}),
        **({"site": book.site, "address": f"{book.site}/{page.target}"} if book.site else {}),
    }
    if book.repository:
        variables["source-url"] = book.source_url(page.source)
    if page.is_notebook:
        variables["notebook"] = f"{page.root}notebooks/{page.source.name}"
        colab = book.colab_url(page.source.name)
        variables |= {"colab": colab} if colab else {}
    return finish(
        pandoc.read_page(
            book,
            page.source,
            "html",
            f"--defaults={HERE / 'html.yaml'}",
            *(f"--variable-json={name}:{json.dumps(value)}" for name, value in variables.items()),
        ).decode("utf-8"),
        page,
    )


def finish(text: str, page: Page) -> str:
    """What the template cannot do: no style attributes (the policy forbids them), permalinks."""
    text = re.sub(r'<mo accent="true">(\^|\u0302)</mo>', r'<mo stretchy="false">^</mo>', text)
    text = re.sub(r' columnalign="[^"]*"', "", text)
    text = re.sub(r'<mtd style="text-align: (\w)[^"]*"', r'<mtd class="\1"', text)
    text = text.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
    text = re.sub(
        r'<annotation encoding="application/x-tex">.*?</annotation>', "", text, flags=re.DOTALL
    )
    text = re.sub(r"<semantics>(.*?)</semantics>", r"\1", text, flags=re.DOTALL)
    text = re.sub(r"<colgroup>.*?</colgroup>", "", text, flags=re.DOTALL)
    text = re.sub(r' style="text-align: (\w+);?"', r' class="\1"', text)

    def permalink(match):
        section, identifier, level, inner = match[1], match[2], match[3], match[4]
        inner = re.sub(r"^(\d+(?:\.\d+)*)\s", r'<span class="number">\1</span> ', inner)
        if level == "1":
            return f"{section}<h1>{inner}</h1>"
        plain = re.sub(r"<[^>]*>", "", inner)
        anchor = f'<a class="permalink" href="#{identifier}" aria-label="Link to {plain}">#</a>'
        return f"{section}<h{level}>{inner} {anchor}</h{level}>"

    text = re.sub(
        r'(<section id="([^"]*)"[^>]*>\s*)<h([1-4])[^>]*>(.*?)</h\3>',
        permalink,
        text,
        flags=re.DOTALL,
    )
    if "<gd-explorer" in text:
        # Not deferred: an element that is known before it is read does not shift the page below it.
        script = f'<script src="{page.root}assets/gd-explorer.js"></script>\n</head>'
        text = text.replace("</head>", script, 1)
    body = text[text.index("<body") :]
    styled = re.search(r'<[^<>]*\sstyle="[^>]*>|<style|<script(?! src)', body)
    if styled:
        raise BookError(f"{page.source}: style or script in the text: {styled[0][:80]}")
    return text


def write_assets(book: Book, out: Path) -> None:
    assets = out / "assets"
    (assets / "fonts").mkdir(parents=True)
    for name in WEB:
        shutil.copy(HERE / name, assets / name)
    for font in (HERE / "fonts").glob("*.woff2"):
        shutil.copy(font, assets / "fonts")
    shutil.copy(HERE / "vendor" / "minisearch.min.js", assets)
    shutil.copytree(HERE / "licences", assets / "licences")
    explorer = book.root / "explorer" / "gd-explorer.js"
    if explorer.is_file():  # without comments and indentation, as explorer.script() has it
        lines = (line.strip() for line in explorer.read_text("utf-8").splitlines())
        kept = "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))
        (assets / explorer.name).write_text(kept, "utf-8")
    shutil.copy(HERE / "404.html", out / "404.html")
    if book.site:
        lines = "".join(
            f"  <url><loc>{html.escape(book.site)}/{page.target}</loc></url>\n"
            for page in book.pages
        )
        (out / "sitemap.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}</urlset>\n',
            "utf-8",
        )


def render_html(book: Book, out: Path, editions: bool, say) -> None:
    """All pages, their assets and the search index into ``out``."""
    write_assets(book, out)
    sections, texts = [], {}
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        done = [pool.submit(render_page, book, page, editions) for page in book.pages]
        try:
            for number, (page, future) in enumerate(zip(book.pages, done, strict=True), 1):
                text = future.result()
                path = out / page.target
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
                texts[str(page.target)] = text
                sections += index.sections(text, str(page.target))
                say(f"  [{number:2d}/{len(done)}] {page.target}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    dead = dead_links(texts)
    if dead:
        raise BookError("\n".join(dead))
    (out / "assets" / "search-index.js").write_text(
        f"window.bookIndex = {json.dumps(sections, ensure_ascii=False, separators=(',', ':'))};\n",
        "utf-8",
    )


def dead_links(texts: dict[str, str]) -> list[str]:
    """The links from page to page, or within one, that lead nowhere.

    Parameters: texts, the HTML of each page by its address.  Returns: a line for each dead link.
    """
    places = {address: set(re.findall(r'\sid="([^"]+)"', text)) for address, text in texts.items()}
    dead = []
    for address, text in texts.items():
        for link in sorted(set(re.findall(r'<a\s[^>]*?href="([^"]*)"', text))):
            path, _, fragment = html.unescape(link).partition("#")
            if re.match(r"[a-z]+:", path):
                continue
            page = (
                os.path.normpath(os.path.join(os.path.dirname(address), path)) if path else address
            )
            if path and not page.endswith(".html"):
                continue
            if page not in places:
                dead.append(f"{address}: a link to '{link}', but there is no such page")
            elif fragment and fragment not in places[page]:
                dead.append(
                    f"{address}: a link to '{link}', but there is no such place in that page"
                )
    return dead


# ---- PDF and EPUB -------------------------------------------------------------------------------


def one_document(book: Book, edition: str, scratch: Path) -> dict:
    """All pages as one Pandoc document, their drawings as files in ``scratch/media``."""
    (scratch / "media").mkdir(exist_ok=True)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        documents = pool.map(
            lambda page: json.loads(
                pandoc.read_page(book, page.source, edition, "--to=json", media=scratch / "media")
            ),
            book.pages,
        )
        document, blocks, part = None, [], None
        for page, one in zip(book.pages, documents, strict=True):
            document = document or one
            if page.part != part and edition == "typst":
                blocks.append({"t": "RawBlock", "c": ["typst", f"#part[{page.part}]"]})
            part = page.part
            blocks += one["blocks"]
    text = lambda value: {"t": "MetaString", "c": value}  # noqa: E731
    names = ("title", "subtitle", "description", "lang")
    meta = {name: text(getattr(book, name)) for name in names if getattr(book, name)}
    return {**document, "meta": meta, "blocks": blocks}


def render_pdf(book: Book, out: Path, scratch: Path) -> Path:
    import typst

    document = one_document(book, "typst", scratch)
    source = scratch / "book.typ"
    source.write_bytes(
        pandoc.run(
            "--from=json",
            "--to=typst",
            "--wrap=none",
            f"--template={HERE / 'book.typ'}",
            stdin=json.dumps(document).encode("utf-8"),
            page="PDF",
        )
    )
    path = out / f"{FILE}.pdf"
    try:
        typst.compile(
            str(source), output=str(path), root=str(scratch), font_paths=[str(HERE / "print")]
        )
    except Exception as error:
        raise BookError(f"PDF: {error}") from None
    return path


def render_epub(book: Book, out: Path, scratch: Path) -> Path:
    document = one_document(book, "epub", scratch)
    path = out / f"{FILE}.epub"
    pandoc.run(
        "--from=json",
        "--to=epub3",
        "--mathml",
        "--toc-depth=2",
        "--split-level=1",
        f"--css={HERE / 'epub.css'}",
        f"--epub-cover-image={HERE / 'cover.png'}",
        f"--resource-path={scratch}",
        f"--output={path}",
        stdin=json.dumps(document).encode("utf-8"),
        page="EPUB",
    )
    return path


# ---- The build ----------------------------------------------------------------------------------


def render_with_quarto(project: Path, out: Path) -> None:
    run = subprocess.run(
        [
            "quarto",
            "render",
            str(project),
            "--to",
            "html",
            "--output-dir",
            os.path.relpath(out, project),
        ],
        check=False,
    )
    if run.returncode:
        raise BookError(f"quarto render ended with {run.returncode}; its message is above")
    shutil.copy(HERE / "404.html", out / "404.html")


def _clear_stale(out: Path) -> None:
    for stale in out.parent.glob(f"{out.name}.tmp-*"):
        try:
            os.kill(int(stale.name.rpartition("-")[2]), 0)
        except (ValueError, ProcessLookupError):
            shutil.rmtree(stale, ignore_errors=True)
        except PermissionError:
            pass


def swap(built: Path, out: Path) -> None:
    """Put ``built`` in the place of ``out``; whatever happens, one of the two stands there."""
    old = built.with_name(built.name.replace(".tmp-", ".tmp-old-"))
    if out.exists():
        out.rename(old)
    try:
        built.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _fill(book: Book, built: Path, scratch: Path, renderer: str, html_only: bool, say) -> None:
    """Everything that the book consists of, into the folder ``built``."""
    say(f"Rendering {len(book.pages)} pages with {renderer.capitalize()}")
    if renderer == "quarto":
        render_with_quarto(book.root, built)
    else:
        render_html(book, built, not html_only, say)
    try:
        notebooks = export.export_all(book.root, built)
    except ValueError as error:
        raise BookError(str(error)) from None
    say(f"  {len(notebooks)} notebooks to download")
    if not html_only:
        for name, make in (("PDF", render_pdf), ("EPUB", render_epub)):
            path = make(book, built, scratch)
            say(f"  {name}: {path.name}, {path.stat().st_size / 1000:.0f} kB")


def build(
    project: Path, out: Path, *, renderer: str = "auto", html_only: bool = False, say=print
) -> dict:
    """Build the book.  Returns: what was built, its sizes in bytes.  Raises: BookError."""
    begin = time.perf_counter()
    if renderer == "auto":
        renderer = "quarto" if shutil.which("quarto") else "pandoc"
    if renderer == "quarto" and not shutil.which("quarto"):
        raise BookError("there is no 'quarto' on PATH; use --renderer pandoc")
    book = Book.read(project)
    out.parent.mkdir(parents=True, exist_ok=True)
    _clear_stale(out)
    built = out.with_name(f"{out.name}.tmp-{os.getpid()}")
    scratch = out.with_name(f"{out.name}.tmp-work-{os.getpid()}")
    for folder in (built, scratch):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    try:
        _fill(book, built, scratch, renderer, html_only, say)
        swap(built, out)
    finally:
        shutil.rmtree(built, ignore_errors=True)
        shutil.rmtree(scratch, ignore_errors=True)
    seconds = time.perf_counter() - begin
    weights = [len(gzip.compress((out / page.target).read_bytes())) for page in book.pages]
    summary = {"pages": len(book.pages), "seconds": seconds, "largest": max(weights)}
    editions = "" if html_only else ", PDF, EPUB"
    say(
        f"{len(book.pages)} pages (the largest {max(weights) / 1000:.0f} kB gzipped){editions}"
        f" in {seconds:.1f} s. Open {out / 'index.html'}"
    )
    return summary


def _terminated(number, frame):
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m book.site.render", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--renderer", choices=["auto", "quarto", "pandoc"], default="auto")
    parser.add_argument("--html-only", action="store_true", help="no PDF and no EPUB")
    parser.add_argument("--project", type=Path, default=Path.cwd(), help="where _quarto.yml is")
    parser.add_argument("--output", type=Path, help="the folder to build (default: output-dir)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    project = options.project.resolve()
    try:
        out = options.output or Book.read(project).output
        build(project, out.resolve(), renderer=options.renderer, html_only=options.html_only)
    except BookError as error:
        print(f"The book was not built, and the last one is as it was.\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the last book is as it was.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

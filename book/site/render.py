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
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import yaml

from book import export
from book.site import search_index as index

HERE = Path(__file__).resolve().parent
WEB = ("book.css", "theme.js", "book.js", "search.js", "favicon.svg", "card.png")
FILE = "linear-regression"  # .pdf and .epub

#: What the Pandoc edition understands in ``_quarto.yml``; None is a value, a dict is a level below.
KEYS = {
    "project": {"type": None, "output-dir": None},
    "lang": None,
    "book": {
        **dict.fromkeys(
            ["title", "subtitle", "author", "description", "favicon", "cover-image", "open-graph"]
        ),
        **dict.fromkeys(["search", "page-navigation", "site-url", "repo-url", "repo-actions"]),
        "sidebar": {"style": None},
        "chapters": None,
    },
    "bibliography": None,
    "link-citations": None,
    "execute": {"enabled": None},
    "filters": None,
    "format": {
        "html": {
            "theme": None,
            **dict.fromkeys(["css", "number-sections", "toc", "toc-depth", "code-copy"]),
            **dict.fromkeys(["code-overflow", "anchor-sections"]),
        }
    },
}

# Pandoc's own Markdown, for the cells of a notebook too.
MARKDOWN = (
    "-gfm_auto_identifiers+auto_identifiers+fenced_divs+bracketed_spans+link_attributes+citations"
    "+footnotes+inline_notes+header_attributes+definition_lists+implicit_figures+raw_attribute"
    "+fenced_code_attributes+fancy_lists+startnum+superscript+subscript+escaped_line_breaks"
    "+table_captions+simple_tables+multiline_tables+grid_tables+blank_before_header"
    "+blank_before_blockquote+implicit_header_references+inline_code_attributes"
    "-lists_without_preceding_blankline+smart-autolink_bare_uris"
)


class BookError(Exception):
    """The book cannot be built: the message says which file, which cell and why."""


@dataclass(frozen=True)
class Page:
    source: PurePosixPath  # chapters/5-1-math.ipynb
    part: str | None
    title: str  # as HTML
    anchor: str  # the identifier of the first heading

    @property
    def target(self) -> PurePosixPath:
        return self.source.with_suffix(".html")

    @property
    def root(self) -> str:
        return "../" * (len(self.source.parts) - 1)

    @property
    def is_notebook(self) -> bool:
        return self.source.suffix == ".ipynb"


# ---- What the book is ---------------------------------------------------------------------------


def read_config(project: Path) -> dict:
    """The contents of ``_quarto.yml``.  Raises: BookError naming what is unknown or missing."""
    path = project / "_quarto.yml"
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BookError(
            f"{path.name}: there is no such file in {project.name or project}"
        ) from None
    except yaml.YAMLError as error:
        raise BookError(f"_quarto.yml: not YAML: {' '.join(str(error).split())}") from None

    def check(value, known, name):
        if known is None:
            return
        if not isinstance(value, dict):
            raise BookError(f"_quarto.yml: '{name}' wants keys below it, not {value!r}")
        for key, below in value.items():
            full = f"{name}.{key}".lstrip(".")
            if key not in known:
                raise BookError(f"_quarto.yml: unknown key '{full}'")
            check(below, known[key], full)

    check(config, KEYS, "")
    for name in ("title", "chapters"):
        if name not in config.get("book", {}):
            raise BookError(f"_quarto.yml: 'book.{name}' is missing")
    return config


def read_pages(project: Path, config: dict) -> list[Page]:
    """The pages in the book's order, their titles read from their first headings."""
    listed: list[tuple[str, str | None]] = []
    for entry in config["book"]["chapters"]:
        if isinstance(entry, str):
            listed.append((entry, None))
        elif isinstance(entry, dict) and set(entry) == {"part", "chapters"}:
            listed += [(chapter, entry["part"]) for chapter in entry["chapters"]]
        else:
            raise BookError(
                f"_quarto.yml: a chapter is a file or a part with chapters, not {entry!r}"
            )
    headings = []
    for name, _ in listed:
        path = project / name
        if path.suffix not in (".ipynb", ".qmd"):
            raise BookError(f"{name}: a page is a notebook (.ipynb) or Markdown (.qmd)")
        if not path.is_file():
            raise BookError(f"{name}: listed in _quarto.yml, but there is no such file")
        headings.append(f"# {_first_heading(path, name)}")
    # One call tells what Pandoc makes of all titles: their text and their identifiers.
    document = json.loads(
        pandoc("-f", "markdown", "-t", "json", stdin="\n\n".join(headings).encode("utf-8"))
    )
    titles = json.loads(json.dumps(document))
    titles["blocks"] = [{"t": "Plain", "c": block["c"][2]} for block in document["blocks"]]
    lines = pandoc("-f", "json", "-t", "html", "--wrap=none", stdin=json.dumps(titles).encode())
    texts = [line for line in lines.decode("utf-8").splitlines() if line]
    return [
        Page(PurePosixPath(name), part, text, re.sub(r"-\d+$", "", block["c"][1][0]))
        for (name, part), text, block in zip(listed, texts, document["blocks"], strict=True)
    ]


def _first_heading(path: Path, name: str) -> str:
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        try:
            cells = json.loads(text)["cells"]
            text = "".join(cells[0]["source"]) if cells else ""
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise BookError(f"{name}: not a notebook ({type(error).__name__}: {error})") from None
    match = re.search(r"^# +(.+?)(?: +\{[^}]*\})?$", text, re.MULTILINE)
    if not match:
        where = f"{name}, cell 1" if path.suffix == ".ipynb" else name
        raise BookError(f"{where}: no heading of level 1 ('# ...')")
    return match[1]


def bibliography_of(project: Path, config: dict) -> str:
    bibliography = config.get("bibliography")
    if bibliography and not (project / bibliography).is_file():
        raise BookError(f"{bibliography}: named in _quarto.yml, but there is no such file")
    return bibliography


# ---- Pandoc -------------------------------------------------------------------------------------


@cache
def pandoc_path() -> str:
    import pypandoc

    return pypandoc.get_pandoc_path()


def pandoc(*arguments: str, stdin: bytes | None = None, page: str = "") -> bytes:
    """Run Pandoc.  Raises: BookError with the filter's message, or Pandoc's own with the page."""
    run = subprocess.run(
        [pandoc_path(), *map(str, arguments)], input=stdin, capture_output=True, check=False
    )
    message = run.stderr.decode("utf-8", "replace").strip()
    if run.returncode or message:
        ours = re.search(r"^BOOK (.*)$", message, re.MULTILINE)
        raise BookError(ours[1] if ours else f"{page}: {message}".lstrip(": "))
    return run.stdout


def read_page(
    project: Path, config: dict, page: Page, pages: list[Page], edition: str, *more: str, **metadata
):
    """One page through the filter; ``more`` says what to write."""
    metadata |= {
        "edition": edition,
        "page": str(page.source),
        "project": str(project),
        "lang": config.get("lang", "en"),
        "anchors": {str(other.source): other.anchor for other in pages},
        "link-citations": True,
    }
    bibliography = bibliography_of(project, config)
    reader = "ipynb" if page.is_notebook else "markdown"
    return pandoc(
        f"--from={reader}{MARKDOWN}",
        "--ipynb-output=all",
        "--wrap=none",
        *(["--citeproc", f"--bibliography={project / bibliography}"] if bibliography else []),
        f"--lua-filter={HERE.parent / 'filter.lua'}",
        f"--metadata-file={_metadata_file(metadata)}",
        *more,
        str(project / page.source),
        page=str(page.source),
    )


_scratch: list[Path] = []  # where the files that Pandoc reads beside a page are written


@contextmanager
def scratch_folder(path: Path):
    """Pandoc's metadata files go to ``path`` for the time being."""
    _scratch.append(path)
    try:
        yield
    finally:
        _scratch.pop()


def _metadata_file(metadata: dict) -> Path:
    name = metadata["page"].replace("/", "--") + f".{metadata['edition']}.json"
    path = _scratch[-1] / name
    path.write_text(json.dumps(metadata), "utf-8")
    return path


# ---- The web edition ----------------------------------------------------------------------------


def render_page(project: Path, config: dict, page: Page, pages: list[Page], editions: bool) -> str:
    """The HTML of one page."""
    book, place = config["book"], pages.index(page)
    site, repository = book.get("site-url"), book.get("repo-url")
    before = pages[place - 1] if place else None
    after = pages[place + 1] if place + 1 < len(pages) else None

    def link(other: Page) -> dict:
        return {"title": other.title, "href": page.root + str(other.target)}

    parts: list[dict] = []
    for other in pages:
        if not parts or parts[-1].get("name") != other.part:
            parts.append({"name": other.part, "pages": []} if other.part else {"pages": []})
        entry = link(other) | ({"current": True} if other == page else {})
        parts[-1]["pages"].append(entry)
    metadata = {
        "book": {key: book[key] for key in ("title", "subtitle", "description") if key in book},
        "root": page.root,
        "start": page.root + str(pages[0].target),
        "home": page.source.name == "index.qmd",
        "parts": parts,
        **({"previous": link(before)} if before else {}),
        **({"next": link(after)} if after else {}),
        **({"editions": FILE} if editions else {}),
    }
    if site:
        metadata |= {"site": site.rstrip("/"), "address": f"{site.rstrip('/')}/{page.target}"}
    if repository:
        metadata["source-url"] = f"{repository.rstrip('/')}/blob/HEAD/{page.source}"
    if page.is_notebook and has_exporter(project):
        metadata["notebook"] = f"{page.root}notebooks/{page.source.name}"
        colab = export.colab_url(config, page.source.name)
        metadata |= {"colab": colab} if colab else {}
    text = read_page(
        project,
        config,
        page,
        pages,
        "html",
        "--to=html5",
        "--mathml",
        "--section-divs",
        f"--template={HERE / 'page.html'}",
        **metadata,
    ).decode("utf-8")
    return finish(text, page)


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


def has_exporter(project: Path) -> bool:
    return (HERE.parent / "export.py").is_file()


def write_assets(project: Path, out: Path, site: str | None, pages: list[Page]) -> None:
    assets = out / "assets"
    (assets / "fonts").mkdir(parents=True)
    for name in WEB:
        shutil.copy(HERE / name, assets / name)
    for font in (HERE / "fonts").glob("*.woff2"):
        shutil.copy(font, assets / "fonts")
    shutil.copy(HERE / "vendor" / "minisearch.min.js", assets)
    shutil.copytree(HERE / "licences", assets / "licences")
    explorer = project / "explorer" / "gd-explorer.js"
    if explorer.is_file():  # without comments and indentation, as explorer.script() has it
        lines = (line.strip() for line in explorer.read_text("utf-8").splitlines())
        kept = "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))
        (assets / explorer.name).write_text(kept, "utf-8")
    shutil.copy(HERE / "404.html", out / "404.html")
    if site:
        lines = "".join(
            f"  <url><loc>{html.escape(site.rstrip('/'))}/{page.target}</loc></url>\n"
            for page in pages
        )
        (out / "sitemap.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}</urlset>\n',
            "utf-8",
        )


def render_html(
    project: Path, out: Path, config: dict, pages: list[Page], editions: bool, say
) -> None:
    """All pages, their assets and the search index into ``out``."""
    write_assets(project, out, config["book"].get("site-url"), pages)
    sections, texts = [], {}
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        done = [pool.submit(render_page, project, config, page, pages, editions) for page in pages]
        try:
            for number, (page, future) in enumerate(zip(pages, done, strict=True), 1):
                text = future.result()
                path = out / page.target
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
                texts[str(page.target)] = text
                sections += index.sections(text, str(page.target))
                say(f"  [{number:2d}/{len(pages)}] {page.target}")
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


def one_document(
    project: Path, config: dict, pages: list[Page], edition: str, scratch: Path
) -> dict:
    """All pages as one Pandoc document, their drawings as files in ``scratch/media``."""
    (scratch / "media").mkdir(exist_ok=True)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        documents = pool.map(
            lambda page: json.loads(
                read_page(
                    project, config, page, pages, edition, "--to=json", media=str(scratch / "media")
                )
            ),
            pages,
        )
        document, blocks, part = None, [], None
        for page, one in zip(pages, documents, strict=True):
            document = document or one
            if page.part != part and edition == "typst":
                blocks.append({"t": "RawBlock", "c": ["typst", f"#part[{page.part}]"]})
            part = page.part
            blocks += one["blocks"]
    text = lambda value: {"t": "MetaString", "c": value}  # noqa: E731
    names = {"title": "title", "subtitle": "subtitle", "description": "description"}
    meta = {
        key: text(config["book"][name]) for key, name in names.items() if name in config["book"]
    }
    return {**document, "meta": meta | {"lang": text(config.get("lang", "en"))}, "blocks": blocks}


def render_pdf(project: Path, out: Path, config: dict, pages: list[Page], scratch: Path) -> Path:
    import typst

    document = one_document(project, config, pages, "typst", scratch)
    source = scratch / "book.typ"
    source.write_bytes(
        pandoc(
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


def render_epub(project: Path, out: Path, config: dict, pages: list[Page], scratch: Path) -> Path:
    document = one_document(project, config, pages, "epub", scratch)
    path = out / f"{FILE}.epub"
    pandoc(
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


def _fill(
    project: Path, built: Path, config: dict, pages: list[Page], renderer: str, html_only: bool, say
) -> None:
    """Everything that the book consists of, into the folder ``built``."""
    say(f"Rendering {len(pages)} pages with {renderer.capitalize()}")
    if renderer == "quarto":
        render_with_quarto(project, built)
    else:
        render_html(project, built, config, pages, not html_only, say)
    if has_exporter(project):
        try:
            notebooks = export.export_all(project, built)
        except ValueError as error:
            raise BookError(str(error)) from None
        say(f"  {len(notebooks)} notebooks to download")
    if not html_only:
        for name, make in (("PDF", render_pdf), ("EPUB", render_epub)):
            path = make(project, built, config, pages, _scratch[-1])
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
    config = read_config(project)
    pages = read_pages(project, config)
    out.parent.mkdir(parents=True, exist_ok=True)
    _clear_stale(out)
    built = out.with_name(f"{out.name}.tmp-{os.getpid()}")
    scratch = out.with_name(f"{out.name}.tmp-work-{os.getpid()}")
    for folder in (built, scratch):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    try:
        with scratch_folder(scratch):
            _fill(project, built, config, pages, renderer, html_only, say)
        swap(built, out)
    finally:
        shutil.rmtree(built, ignore_errors=True)
        shutil.rmtree(scratch, ignore_errors=True)
    seconds = time.perf_counter() - begin
    weights = [len(gzip.compress((out / page.target).read_bytes())) for page in pages]
    summary = {"pages": len(pages), "seconds": seconds, "largest": max(weights)}
    editions = "" if html_only else ", PDF, EPUB"
    say(
        f"{len(pages)} pages (the largest {max(weights) / 1000:.0f} kB gzipped){editions}"
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
        out = options.output or project / read_config(project).get("project", {}).get(
            "output-dir", "_book"
        )
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

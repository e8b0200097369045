"""Render the book: ``python -m book.site.render [--renderer auto|quarto|pandoc] [--html-only]``.

``_quarto.yml`` says what the book is; both renderings read it.  Where there is no Quarto, Pandoc
does the work: ``book/filter.lua`` for the few constructs that it does not know, a template,
a style sheet.  The book is built beside its place and moved there when all of it is done, so a
build that fails or is interrupted leaves the last one as it was.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from book import BookError, export, read_text
from book.config import Book
from book.live import files
from book.site import editions, pages
from book.site.finish import Finished
from book.site.pages import HERE, squeezed

WEB = ("book.js", "search.js", "favicon.svg", "card.png", "vendor/minisearch.min.js")


def write_assets(book: Book, out: Path) -> None:
    """Everything around the pages: style, scripts, fonts, licences; a sitemap if there is an address."""
    assets = out / "assets"
    unread = shutil.ignore_patterns("README.md")
    for name in ("licences", "fonts"):
        shutil.copytree(HERE / name, assets / name, ignore=unread, dirs_exist_ok=True)
    for name in WEB:
        shutil.copy(HERE / name, assets)
    (assets / "book.js").write_text(squeezed(HERE / "book.js"), "utf-8")
    css = figure_colours(book.root / "utils" / "plots.py") + read_text(HERE / "book.css")
    (assets / "book.css").write_text(css, "utf-8")
    script = book.root / "explorer" / "gd-explorer.js"
    if script.is_file():  # as explorer.script() has it
        style = json.dumps(squeezed(script.with_suffix(".css")))
        text = squeezed(script).replace('"gd-explorer.css"', style)
        (assets / script.name).write_text(text, "utf-8")
    if book.site:
        root = ElementTree.Element("urlset", xmlns="http://www.sitemaps.org/schemas/sitemap/0.9")
        for page in book.pages:
            url = ElementTree.SubElement(root, "url")
            ElementTree.SubElement(url, "loc").text = f"{book.site}/{page.target}"
        ElementTree.ElementTree(root).write(out / "sitemap.xml", "utf-8", xml_declaration=True)


def figure_colours(plots: Path) -> str:
    """The colours that ``utils/plots.py`` names, as variables of the style sheet, and the rules by
    which a drawing takes the theme's colours for them."""
    colours = {
        name.id.lower(): value.value
        for node in (ast.parse(read_text(plots)).body if plots.is_file() else [])
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
        for name, value in zip(getattr(node.targets[0], "elts", []), node.value.elts)
    }
    variables = " ".join(f"--plots-{name}: {colour};" for name, colour in colours.items())
    return f":root {{ {variables} }}\n" + "".join(
        f'[{kind}="{colour}"] {{ {kind}: var(--figure-{name}); }}\n'
        for name, colour in colours.items()
        for kind in ("fill", "stroke")
    )


def write_pages(book: Book, out: Path, wanted, done: dict[str, Finished], say, **options) -> None:
    """Render the pages ``wanted`` and write them, with the search index, if no link is dead.

    Parameters: done, the book's pages by their addresses, which is brought up to date; options, of
    ``pages.render``.  Raises: BookError, and then nothing was written.
    """
    made = {}
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(pages.render, book, page, **options) for page in wanted]
        try:
            for page, future in zip(wanted, waiting):
                made[str(page.target)] = future.result()
                say(f"  [{len(made):2d}/{len(waiting)}] {page.target}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if dead := pages.dead_links(done | made):
        raise BookError("\n".join(dead))
    done |= made
    for address, page in made.items():
        (out / address).parent.mkdir(parents=True, exist_ok=True)
        (out / address).write_text(page.html, "utf-8")
    sections = [section for page in book.pages for section in done[str(page.target)].sections]
    index = json.dumps(sections, ensure_ascii=False, separators=(",", ":"))
    (out / "assets" / "search-index.js").write_text(f"window.bookIndex = {index};\n", "utf-8")


def find_quarto(renderer: str) -> tuple[str | None, str]:
    """The Quarto to render with, or None for Pandoc; and why.  Raises: BookError."""
    if renderer == "pandoc":
        return None, "as asked"
    beside = shutil.which("quarto", path=str(Path(sys.executable).parent))
    if found := beside or shutil.which("quarto"):
        return found, f"{found}, {'beside the running Python' if beside else 'on the PATH'}"
    if renderer == "quarto":
        raise BookError(
            "there is no quarto beside the running Python or on the PATH:"
            f" {sys.executable} -m pip install -r book/requirements-quarto.txt, or --renderer pandoc"
        )
    return None, "no quarto beside the running Python or on the PATH"


def render_with_quarto(quarto: str, book: Book, out: Path, html_only: bool) -> None:
    """The pages, and by ``post-render`` in ``_quarto.yml`` what they link to.

    An address that ``_quarto.yml`` does not have is told to Quarto in a profile, a file that is
    there while it renders.
    """
    command = [quarto, "render", str(book.root), "--to", "html"]
    command += ["--output-dir", os.path.relpath(out, book.root)]
    environment = os.environ | {"QUARTO_PYTHON": sys.executable}
    if html_only:
        environment["BOOK_HTML_ONLY"] = "1"
    profile = book.root / "_quarto-address.yml"
    try:
        if book.address_from not in (None, "_quarto.yml"):
            address = {"site-url": book.site, "repo-url": book.repository}
            address["repo-actions"] = ["source", "issue"]
            profile.write_text(json.dumps({"book": address}), "utf-8")
            command += ["--profile", "address"]
        status = subprocess.run(command, check=False, env=environment).returncode
    finally:
        profile.unlink(missing_ok=True)
    if status:
        raise BookError(f"quarto render ended with {status}; its message is above")


# ---- The build ----------------------------------------------------------------------------------


def tidy(out: Path) -> None:
    """Bring back the book that a build ended between two steps of ``swap``; remove what else builds
    that no longer run have left beside ``out``."""
    for path in out.parent.glob(f"{out.name}.tmp-*"):
        try:
            os.kill(int(path.name.rpartition("-")[2]), 0)
        except (ValueError, ProcessLookupError):
            if path.name.startswith(f"{out.name}.tmp-old-") and not out.exists():
                path.rename(out)
            else:
                shutil.rmtree(path, ignore_errors=True)
        except PermissionError:
            pass  # it runs, for somebody else


def swap(built: Path, out: Path) -> None:
    """Put ``built`` in the place of ``out``.  If it fails, ``out`` is back; if it is killed on its
    way, ``tidy`` brings it back."""
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


def fill(book: Book, built: Path, renderer: str, html_only: bool, python: bool, say) -> None:
    """Everything that the book consists of, into the folder ``built``."""
    quarto, why = find_quarto(renderer)
    say(f"Rendering {len(book.pages)} pages with {'Quarto' if quarto else 'Pandoc'} ({why})")
    say(
        f"  at {book.site}, source {book.repository} (from {book.address_from})"
        if book.address_from
        else "  without an address: no links to Colab and to the source, no sitemap"
    )
    if quarto:
        render_with_quarto(quarto, book, built, html_only)
    else:
        write_assets(book, built)
        python = python and files.place(book, built / "assets", say)
        write_pages(book, built, book.pages, {}, say, editions=not html_only, python=python)
        accompany(book, built, html_only, say)


def accompany(book: Book, built: Path, html_only: bool, say) -> None:
    """What the pages of either edition link to; and a page for addresses that are none."""
    shutil.copy(HERE / "404.html", built)
    say(f"  {len(export.export_all(book, built))} notebooks to download")
    for name, make in () if html_only else (("PDF", editions.pdf), ("EPUB", editions.epub)):
        with tempfile.TemporaryDirectory() as scratch:
            path = make(book, built, Path(scratch))
            say(f"  {name}: {path.name}, {path.stat().st_size / 1000:.0f} kB")


def build(
    project: Path,
    out: Path | None = None,
    *,
    renderer="auto",
    html_only=False,
    python=True,
    say=print,
) -> None:
    """Build the book in ``out``, by default where ``_quarto.yml`` says.  Raises: BookError."""
    begin = time.perf_counter()
    book = Book.read(project)
    out = (out or book.output).resolve()  # a link is followed: the folder that it names is replaced
    if (out.exists() and not out.is_dir()) or out in (book.root, *book.root.parents):
        raise BookError(f"{out}: the book cannot be built there, it is not a folder of its own")
    out.parent.mkdir(parents=True, exist_ok=True)
    tidy(out)
    built = out.with_name(f"{out.name}.tmp-{os.getpid()}")
    shutil.rmtree(built, ignore_errors=True)
    built.mkdir()
    try:
        fill(book, built, renderer, html_only, python, say)
        swap(built, out)
    finally:
        shutil.rmtree(built, ignore_errors=True)
    say(
        f"{len(book.pages)} pages{'' if html_only else ', PDF, EPUB'}"
        f" in {time.perf_counter() - begin:.1f} s. Open {out / 'index.html'}"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m book.site.render", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--renderer", choices=["auto", "quarto", "pandoc"], default="auto")
    parser.add_argument("--html-only", action="store_true", help="no PDF and no EPUB")
    parser.add_argument(
        "--no-python", dest="python", action="store_false", help="no cells that run in the pages"
    )
    parser.add_argument("--project", type=Path, default=Path.cwd(), help="where _quarto.yml is")
    parser.add_argument(
        "--output", dest="out", type=Path, help="the folder to build (default: output-dir)"
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        build(**vars(options))
    except (BookError, OSError) as error:
        print(f"The book was not built, and the last one is as it was.\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the last book is as it was.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

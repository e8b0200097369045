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
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from book import BookError, export
from book.config import Book
from book.site import editions, pages
from book.site.finish import Finished
from book.site.pages import HERE

WEB = ("book.css", "theme.js", "book.js", "search.js", "favicon.svg", "card.png")


def squeezed(path: Path) -> str:
    """A script or a style sheet without comment lines and indentation."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("//", "/*")))


def write_assets(book: Book, out: Path) -> None:
    assets = out / "assets"
    (assets / "fonts").mkdir(parents=True)
    for name in WEB:
        shutil.copy(HERE / name, assets / name)
    for font in (HERE / "fonts").glob("*.woff2"):
        shutil.copy(font, assets / "fonts")
    shutil.copy(HERE / "vendor" / "minisearch.min.js", assets)
    shutil.copytree(HERE / "licences", assets / "licences")
    if (book.root / "explorer").is_dir():  # as explorer.script() has it
        css, js = (
            squeezed(book.root / "explorer" / f"gd-explorer.{kind}") for kind in ("css", "js")
        )
        script = js.replace('"gd-explorer.css"', json.dumps(css))
        (assets / "gd-explorer.js").write_text(script, "utf-8")
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


def write_pages(book: Book, out: Path, editions: bool, say) -> None:
    """All pages and the search index into ``out``."""
    done: dict[str, Finished] = {}
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(pages.render, book, page, editions=editions) for page in book.pages]
        try:
            for page, future in zip(book.pages, waiting):
                path = out / page.target
                done[str(page.target)] = future.result()
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(done[str(page.target)].html, "utf-8")
                say(f"  [{len(done):2d}/{len(waiting)}] {page.target}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if dead := pages.dead_links(done):
        raise BookError("\n".join(dead))
    sections = [section for page in done.values() for section in page.sections]
    index = json.dumps(sections, ensure_ascii=False, separators=(",", ":"))
    (out / "assets" / "search-index.js").write_text(f"window.bookIndex = {index};\n", "utf-8")


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
        write_assets(book, built)
        write_pages(book, built, not html_only, say)
    try:
        notebooks = export.export_all(book, built)
    except ValueError as error:
        raise BookError(str(error)) from None
    say(f"  {len(notebooks)} notebooks to download")
    if not html_only:
        for name, make in (("PDF", editions.pdf), ("EPUB", editions.epub)):
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

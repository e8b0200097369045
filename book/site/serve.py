"""Preview while you write: ``python -m book.site.serve [--port 8000]``.

A page that is saved is rendered again by the function that builds the book, and the browser reloads.
A page that cannot be rendered says why in the terminal, and its last good form stays.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path

import arel
import uvicorn
import watchfiles
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from book import BookError, export
from book.config import Book
from book.live import files
from book.site import render
from book.site.pages import HERE

HOST = "127.0.0.1"


class Preview:
    """The book in a folder of its own, kept up to date."""

    def __init__(self, project: Path, out: Path):
        self.project, self.out, self.done = project.resolve(), out, {}
        book = Book.read(project)
        self.folders = {self.project, self.project / "figures", HERE}
        self.folders |= {(self.project / source).parent for source, _ in book.listed}
        self.update(None)
        export.export_all(book, out)

    def update(self, changed: set[Path] | None) -> None:
        """Render the pages among the files ``changed``; if there is another, or for None, all."""
        book = Book.read(self.project)
        wanted = [page for page in book.pages if book.root / page.source in (changed or ())]
        if changed is None or len(wanted) < len(changed):
            render.write_assets(book, self.out)
            self.python = files.place(book, self.out / "assets", print)
            wanted = book.pages
        options = {"live": True, "python": self.python}
        render.write_pages(book, self.out, wanted, self.done, lambda line: None, **options)

    async def follow(self, hot: arel.HotReload) -> None:
        folders = (folder for folder in self.folders if folder.is_dir())
        kinds = (".ipynb", ".qmd", ".yml", ".bib", ".svg", ".css", ".js", ".lua", ".html")
        async for changes in watchfiles.awatch(*folders, recursive=False, debounce=200):
            changed = {Path(path) for _, path in changes if path.endswith(kinds)}
            begin = time.perf_counter()
            try:
                if changed:
                    await asyncio.to_thread(self.update, changed)
                    await hot.notify.notify()
                    names = ", ".join(sorted(path.name for path in changed))
                    print(f"{names}: {time.perf_counter() - begin:.1f} s", flush=True)
            except (BookError, OSError) as error:
                print(f"The page stays as it was.\n{error}", file=sys.stderr, flush=True)


def application(preview: Preview, port: int) -> Starlette:
    hot = arel.HotReload([])
    element = hot.script(f"ws://{HOST}:{port}/reload")
    script = element.removeprefix("<script>").removesuffix("</script>")

    @asynccontextmanager
    async def lifespan(app):
        following = asyncio.create_task(preview.follow(hot))
        yield
        following.cancel()

    return Starlette(
        lifespan=lifespan,
        routes=[
            WebSocketRoute("/reload", hot),
            Route("/reload.js", lambda request: Response(script, media_type="text/javascript")),
            Mount("/", StaticFiles(directory=preview.out, html=True)),
        ],
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m book.site.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--project", type=Path, default=Path.cwd(), help="where _quarto.yml is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            preview = Preview(options.project, Path(folder))
            listening = socket.create_server((HOST, options.port))
        except (BookError, OSError) as error:
            print(error, file=sys.stderr)
            return 1
        print(f"http://{HOST}:{options.port}/  (Ctrl-C stops)", flush=True)
        server = uvicorn.Config(application(preview, options.port), log_level="warning")
        uvicorn.Server(server).run(sockets=[listening])
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``_quarto.yml``: what the book is called, where it lives, which pages it has."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from xml.etree import ElementTree

import yaml

from book import BookError, notebooks, pandoc, read_text

#: What the Pandoc edition understands in ``_quarto.yml``.
KEYS = yaml.safe_load("""
project: {type, output-dir, resources, post-render}
lang:
book: {title, subtitle, author, description, favicon, cover-image, open-graph, search,
  page-navigation, site-url, repo-url, repo-actions, sidebar: {style}, chapters}
bibliography:
link-citations:
execute: {enabled}
ipynb-filters:
filters:
format: {html: {theme, css, number-sections, toc, toc-depth, code-copy, code-overflow, anchor-sections,
  respect-user-color-scheme, html-math-method}}
""")


@dataclass(frozen=True)
class Page:
    """A page of the book."""

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


@dataclass(frozen=True)
class Book:
    """What ``_quarto.yml`` says; ``Book.read(project)`` reads and checks it."""

    root: Path
    title: str
    subtitle: str | None
    author: str | None
    description: str | None
    lang: str
    site: str | None  # without a slash at its end
    repository: str | None  # the same
    address_from: str | None  # who named the repository
    bibliography: Path | None
    output: Path
    listed: tuple[tuple[PurePosixPath, str | None], ...]  # each page's source and its part

    @classmethod
    def read(cls, project: Path) -> Book:
        """Raises: BookError naming what is unknown or missing."""
        root = Path(project).resolve()
        try:
            config = yaml.safe_load(read_text(root / "_quarto.yml"))
        except yaml.YAMLError as error:
            raise BookError(f"_quarto.yml: not YAML: {' '.join(str(error).split())}") from None
        if config is None:
            raise BookError("_quarto.yml: the file is empty")
        _check(config, KEYS, "")
        book = config.get("book") or {}
        for key in ("title", "chapters"):
            if not book.get(key):
                raise BookError(f"_quarto.yml: 'book.{key}' is missing")
        texts = ("title", "subtitle", "author", "description", "site-url", "repo-url")
        *names, site, repository = map(book.get, texts)
        for key in texts:
            if not isinstance(book.get(key) or "", str):
                raise BookError(f"_quarto.yml: 'book.{key}' wants a text, not {book[key]!r}")
        bibliography = config.get("bibliography")
        if bibliography and not (root / bibliography).is_file():
            raise BookError(f"{bibliography}: named in _quarto.yml, but there is no such file")
        return cls(
            root,
            *names,
            config.get("lang") or "en",
            *_addresses(root, site, repository),
            root / bibliography if bibliography else None,
            root / ((config.get("project") or {}).get("output-dir") or "_book"),
            tuple(_listed(root, book["chapters"])),
        )

    @property
    def notebooks(self) -> list[PurePosixPath]:
        return [source for source, _ in self.listed if source.suffix == ".ipynb"]

    @cached_property
    def pages(self) -> tuple[Page, ...]:
        """The pages in the book's order, their titles read from their first headings."""
        headings = [_first_heading(self.root / source, str(source)) for source, _ in self.listed]
        # One call tells what Pandoc makes of all titles: their text and their identifiers.
        made = pandoc.run(
            "--from=markdown", "--to=html", "--wrap=none", stdin="\n\n".join(headings).encode()
        ).decode()
        pages, seen = [], set()
        for (source, part), line in zip(self.listed, made.splitlines(), strict=True):
            heading = ElementTree.fromstring(line)
            base, _, count = (anchor := heading.get("id")).rpartition("-")
            anchor = base if base in seen and count.isdigit() else anchor  # unique in its own page
            seen.add(anchor)
            inner = (ElementTree.tostring(child, encoding="unicode") for child in heading)
            pages.append(Page(source, part, "".join([escape(heading.text or ""), *inner]), anchor))
        return tuple(pages)

    def source_url(self, path: PurePosixPath | str) -> str | None:
        """Where a file of the project stands in its repository; None without a ``repo-url``."""
        return f"{self.repository}/blob/HEAD/{path}" if self.repository else None

    def colab_url(self, name: str) -> str | None:
        """The address that opens an exported notebook in Colab; None without a home on GitHub."""
        if not (home := github(self.repository)):
            return None
        colab = "https://colab.research.google.com/github"
        return f"{colab}/{'/'.join(home)}/blob/gh-pages/notebooks/{name}"


def _addresses(root: Path, site: str | None, repository: str | None) -> tuple:
    """Where the book and its source live, and who says so.

    ``_quarto.yml`` comes first, then GITHUB_REPOSITORY ("owner/name", as GitHub's runners set it;
    empty means nowhere), then the git remote ``origin`` if it is on GitHub.  A repository on GitHub
    has its book on GitHub Pages unless ``site-url`` says otherwise.
    """
    source = "_quarto.yml" if repository or site else None
    if not repository:
        told = "GITHUB_REPOSITORY" in os.environ
        if name := os.environ["GITHUB_REPOSITORY"] if told else _origin(root):
            repository = f"https://github.com/{name}"
            source = "GITHUB_REPOSITORY" if told else "git remote origin"
    if not site and (home := github(repository)):
        owner, name = home
        host = f"{owner.lower()}.github.io"
        site = f"https://{host}" if name.lower() == host else f"https://{host}/{name}"
    return *((url or "").rstrip("/") or None for url in (site, repository)), source


def _origin(root: Path) -> str | None:
    """ "owner/name" of the remote that this folder, the top of a clone, was cloned from."""
    git = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
    if not (root / ".git").exists():
        return None
    try:
        url = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:  # there is no git
        return None
    found = re.fullmatch(
        r"(?:(?:https|ssh|git)://(?:[^/@]+@)?|git@)github\.com[/:]([^/]+/[^/]+?)(?:\.git)?/?", url
    )
    return found and found[1]


def github(repository: str | None) -> list[str] | None:
    """[owner, name] of a repository on GitHub; None of any other."""
    home = urlsplit(repository or "")
    parts = home.path.removesuffix(".git").strip("/").split("/")
    return parts if home.netloc == "github.com" and len(parts) == 2 else None


def _check(value, known: dict | None, name: str) -> None:
    if known is None or (value is None and name):
        return
    if not isinstance(value, dict):
        name = f"'{name}'" if name else "the file"
        raise BookError(f"_quarto.yml: {name} wants keys below it, not {value!r}")
    for key, below in value.items():
        full = f"{name}.{key}".lstrip(".")
        if key not in known:
            raise BookError(f"_quarto.yml: unknown key '{full}'")
        _check(below, known[key], full)


def _listed(root: Path, chapters):
    """(source, part) of each page that ``book.chapters`` lists."""
    if not isinstance(chapters, list):
        raise BookError(f"_quarto.yml: 'book.chapters' wants a list, not {chapters!r}")
    for entry in chapters:
        if isinstance(entry, str):
            names, part = [entry], None
        elif isinstance(entry, dict) and set(entry) == {"part", "chapters"} and entry["chapters"]:
            names, part = entry["chapters"], entry["part"]
        else:
            raise BookError(
                f"_quarto.yml: a chapter is a file or a part with chapters, not {entry!r}"
            )
        for name in names:
            source = PurePosixPath(name)
            if source.suffix not in (".ipynb", ".qmd"):
                raise BookError(f"{name}: a page is a notebook (.ipynb) or Markdown (.qmd)")
            if not (root / source).is_file():
                raise BookError(f"{name}: listed in _quarto.yml, but there is no such file")
            yield source, part


def _first_heading(path: Path, name: str) -> str:
    if path.suffix == ".ipynb":
        cells = notebooks.load(path, name).cells
        text, name = cells[0].source if cells else "", f"{name}, cell 1"
    else:
        text = read_text(path, name)
    found = next((line for line in text.splitlines() if line.startswith("# ")), None)
    if not found:
        raise BookError(f"{name}: no heading of level 1 ('# ...')")
    return found

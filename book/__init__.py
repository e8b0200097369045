"""The book's tooling; what its rooms share is how they refuse, and how they read a text."""

from pathlib import Path


class BookError(ValueError):
    """The book cannot be built: the message says which file, which cell and why."""


def read_text(path: Path, name: str | None = None) -> str:
    """The text of a file.  Raises: BookError that calls it ``name`` and says what is wrong."""
    name = name or Path(path).name
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise BookError(f"{name}: there is no such file") from None
    except OSError as error:
        raise BookError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BookError(f"{name}: not UTF-8, at byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise BookError(f"{name}: begins with a byte order mark; save it as UTF-8 without one")
    return text

"""A table for the last line of a cell: an HTML table on a page, aligned text everywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, repr=False)
class Table:
    """``rows`` under the names ``columns``; ``caption`` says what they are.

    Numbers stand on the right and texts on the left.  A ``folded`` table shows its caption
    first, and its rows when the reader opens it.
    """

    caption: str
    columns: tuple
    rows: list
    folded: bool = False

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"rows must have {len(self.columns)} entries each, got {row!r}")

    def __repr__(self) -> str:
        columns = list(zip(self.columns, *self.rows))
        widths = [max(len(str(cell)) for cell in column) for column in columns]
        right = [_is_number(column[-1]) for column in columns]
        lines = [
            "  ".join(
                str(cell).rjust(width) if is_right else str(cell).ljust(width)
                for cell, width, is_right in zip(row, widths, right)
            ).rstrip()
            for row in (self.columns, *self.rows)
        ]
        rule = "-" * max(len(line) for line in lines)
        return "\n".join([self.caption, rule, lines[0], rule, *lines[1:], rule])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in self.columns)
        body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        caption = escape(self.caption)
        table = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
        if self.folded:
            return f"<details><summary>{caption}</summary>\n<table>\n{table}\n</details>"
        return f"<table>\n<caption>{caption}</caption>\n{table}"


def _cell(value) -> str:
    align = ' align="right"' if _is_number(value) else ""
    return f"<td{align}>{escape(str(value))}</td>"


def _is_number(value) -> bool:
    return isinstance(value, (int, float))

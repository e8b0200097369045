"""Draw the six published figures of Section 5.1 into figures/: ``make figures``.

The notebook is the one source: its cells are run, and each figure is saved as the cell drew it.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from book import notebooks

ROOT = Path(__file__).resolve().parent.parent
NAMES = {
    1: "data",
    2: "candidates",
    3: "contours",
    4: "gradient-descent",
    5: "learning-rates",
    6: "learning-curve",
}


@dataclass(frozen=True)
class Drawn:
    """A figure as a notebook draws it: ``caption``, ``alt`` and the matplotlib ``figure``."""

    caption: str
    alt: str
    figure: Figure

    @property
    def number(self) -> int | None:
        """The n of a caption "Figure n. ...", None for an unnumbered one."""
        match = re.match(r"Figure (\d+)\. ", self.caption)
        return int(match[1]) if match else None


def run(notebook: Path) -> tuple[list[Drawn], dict]:
    """Run the notebook's code in this process; return what it drew, and its variables.

    Raises: whatever a cell raises, with a note that names the notebook and the cell.
    """
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    drawn, names, here = [], {"__name__": "__main__"}, Path.cwd()
    os.chdir(notebook.parent)
    path = sys.path.copy()
    try:
        plt.close("all")
        for number, cell in notebooks.code_cells(notebooks.load(notebook)):
            try:
                with warnings.catch_warnings(), redirect_stdout(StringIO()):
                    # plt.show() says under Agg that it shows nothing; that is what we want
                    warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
                    exec(compile(cell.source, f"{notebook.name} cell {number}", "exec"), names)
            except Exception as error:
                error.add_note(f"in {notebook}, cell {number}")
                raise
            for figure in map(plt.figure, plt.get_fignums()):
                options, _ = notebooks.options(cell.source)
                drawn.append(Drawn(options.get("fig-cap", ""), options.get("fig-alt", ""), figure))
            plt.close("all")
    finally:
        os.chdir(here)
        sys.path[:] = path
    return drawn, names


def save(drawn: list[Drawn], folder: Path) -> list[Path]:
    """Save the numbered figures as SVG and PNG, the same bytes at every run."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for each in drawn:
        if each.number is None:
            continue
        for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            path = folder / f"5-1-fig-{each.number}-{NAMES[each.number]}.{kind}"
            each.figure.savefig(path, bbox_inches="tight", dpi=200, metadata=metadata)
            paths.append(path)
    return paths


def main() -> int:
    drawn, _ = run(ROOT / "chapters" / "5-1-math.ipynb")
    for path in save(drawn, ROOT / "figures"):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())

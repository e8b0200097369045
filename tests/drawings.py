"""What a notebook draws, as matplotlib's own objects: its code is run here, in this process."""

import re
import sys
import warnings
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from book import notebooks


@dataclass(frozen=True)
class Drawn:
    """A figure as a notebook draws it: its ``caption``, the matplotlib ``figure``, and the ``names``
    that the page has defined by then."""

    caption: str
    figure: Figure
    names: dict

    @property
    def number(self) -> int | None:
        """The n of a caption "Figure n. ...", None for an unnumbered one."""
        match = re.match(r"Figure (\d+)\. ", self.caption)
        return int(match[1]) if match else None


def run(notebook: Path, without: str | None = None) -> list[Drawn]:
    """Run the notebook's code in this process, as far as it has captions; return what it drew.

    Parameters: notebook, its path; without, the id of a cell that is left out, or None.

    Raises: whatever a cell raises, with a note that names the notebook and the cell.
    """
    matplotlib.use("Agg")
    drawn, names, path = [], {"__name__": "__main__"}, sys.path.copy()
    with chdir(notebook.parent), redirect_stdout(StringIO()), warnings.catch_warnings():
        # plt.show() says under Agg that it shows nothing; that is what we want
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        cells = list(notebooks.code_cells(notebooks.load(notebook)))
        cells = [(number, cell) for number, cell in cells if cell.get("id") != without]
        captions = [notebooks.options(cell.source)[0].get("fig-cap", "") for _, cell in cells]
        while captions and not captions[-1]:
            captions.pop()
        for (number, cell), caption in zip(cells, captions):
            plt.close("all")
            try:
                exec(compile(cell.source, f"{notebook.name} cell {number}", "exec"), names)
            except Exception as error:
                error.add_note(f"in {notebook}, cell {number}")
                raise
            drawn += [Drawn(caption, plt.figure(n), dict(names)) for n in plt.get_fignums()]
    plt.close("all")
    sys.path[:] = path
    return drawn

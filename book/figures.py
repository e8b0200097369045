"""Write the six published figures of Section 5.1 into figures/: ``make figures``.

The notebook is the one source: each file, SVG or PNG, is the picture that is stored there.
"""

from __future__ import annotations

import re
from pathlib import Path

from book import export, notebooks

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["data", "candidates", "contours", "gradient-descent", "learning-rates", "learning-curve"]


def stored(notebook: Path) -> dict[str, str]:
    """The SVG of each cell with a caption "Figure n. ...", by the name of its file."""
    found = {}
    for _, cell in notebooks.code_cells(notebooks.load(notebook)):
        caption = notebooks.options(cell.source)[0].get("fig-cap", "")
        if number := re.match(r"Figure (\d+)\. ", caption):
            (picture,) = [o.data["image/svg+xml"] for o in cell.outputs if "data" in o]
            found[f"5-1-fig-{number[1]}-{NAMES[int(number[1]) - 1]}"] = picture
    return found


if __name__ == "__main__":
    for name, picture in stored(ROOT / "chapters" / "5-1-math.ipynb").items():
        path = ROOT / "figures" / name
        path.with_suffix(".svg").write_text(picture, encoding="utf-8")
        path.with_suffix(".png").write_bytes(export.png(picture, ppi=200))

"""Write the front page's stills and element beside this file: ``python -m explorer``."""

from __future__ import annotations

import matplotlib.pyplot as plt

from explorer import SCRIPT, Explorer, draw_data, draw_map, svg_of
from utils import plots


def front() -> dict[str, str]:
    """The files by name: the element's opening tag, and a still for each of its two pictures."""
    explorer = Explorer("5.1.3/gd", show="front")
    files = {"front.html": explorer.tag() + "\n"}
    for name, draw in (("front-data.svg", draw_data), ("front-map.svg", draw_map)):
        with plt.style.context(plots.STYLE):
            figure, ax = plt.subplots(figsize=(3.6, 3.3), layout="constrained")
            draw(ax, explorer.run())
            files[name] = svg_of(figure)
    return files


if __name__ == "__main__":
    for name, text in front().items():
        SCRIPT.with_name(name).write_text(text, encoding="utf-8")

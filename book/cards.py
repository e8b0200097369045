"""Draw the social preview card and the EPUB's cover: ``python -m book.cards`` (needs Chromium).

Both show the chapter's own loss and a descent on it, so the picture is made of the same numbers.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import yaml

from utils import data, descent, gradients

HERE = Path(__file__).resolve().parent / "pandoc"


def picture(x, y, *, scale: float, lr: float, steps: int) -> str:
    """Contours and a path as SVG, its minimum ``scale`` units a parameter from (x, y)."""
    X, _, Y, _ = data.load_chapter_data()
    best, hessian = gradients.least_squares(X, Y), gradients.mse_hessian(X)
    run = descent.gradient_descent(X, Y, lr=lr, steps=steps)

    def place(points):
        b, w = (np.asarray(points) - best).T * scale
        return [f"{x + u:.1f},{y - v:.1f}" for u, v in zip(b, w, strict=True)]

    sizes, axes = np.linalg.eigh(hessian)
    angle = np.linspace(0, 2 * np.pi, 180)
    shapes = []
    for level in (0.01, 0.04, 0.1, 0.18, 0.28):
        ring = (axes * np.sqrt(2 * level / sizes)) @ np.array([np.cos(angle), np.sin(angle)])
        shapes.append(
            f'<polygon points="{" ".join(place(best + ring.T))}" fill="none" stroke="#1f5fa8"'
            f' stroke-width="2" stroke-opacity="{0.75 - 1.8 * level:.2f}"/>'
        )
    points = place(run.path)
    shapes.append(
        f'<polyline points="{" ".join(points)}" fill="none" stroke="#c8500a" stroke-width="3"/>'
    )
    for number, point in enumerate(points):
        u, v = point.split(",")
        shapes.append(f'<circle cx="{u}" cy="{v}" r="{9 if number == 0 else 6}" fill="#c8500a"/>')
    return "".join(shapes)


def page(width: int, height: int, drawing: str, text: str) -> str:
    return f"""<!DOCTYPE html><meta charset="utf-8"><style>
@font-face {{ font-family: Book; src: url(file://{HERE}/fonts/serif-regular.woff2); }}
@font-face {{ font-family: Book; src: url(file://{HERE}/fonts/serif-semibold.woff2); font-weight: 600; }}
* {{ margin: 0; }} body {{ width: {width}px; height: {height}px; position: relative; background: #fdfcfa; color: #1f2430;
  font-family: Book; overflow: hidden; }} svg {{ position: absolute; inset: 0; }}
h1 {{ font-weight: 600; letter-spacing: -.015em; line-height: 1.08; }} p {{ color: #59606e; line-height: 1.3; }}
div {{ position: absolute; }} hr {{ border: 0; height: 5px; background: #1f5fa8; width: 110px; }}
</style><body><svg width="{width}" height="{height}">{drawing}</svg>{text}"""


def main() -> None:
    from playwright.sync_api import sync_playwright

    book = yaml.safe_load((HERE.parent.parent / "_quarto.yml").read_text("utf-8"))["book"]
    title, subtitle = book["title"].replace(", ", ",<br>"), book["subtitle"]
    card = page(
        1200,
        630,
        picture(965, 345, scale=210, lr=0.74, steps=26),
        f'<div style="left:72px;top:150px;width:600px"><h1 style="font-size:70px">{title}</h1>'
        f'<hr style="margin:36px 0"><p style="font-size:30px;width:420px">{subtitle}</p></div>',
    )
    cover = page(
        1200,
        1800,
        picture(650, 1190, scale=330, lr=0.74, steps=26),
        f'<div style="left:110px;top:150px;width:1000px"><h1 style="font-size:122px">{title}</h1>'
        f'<hr style="margin:52px 0"><p style="font-size:46px">{subtitle}</p></div>',
    )
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or None
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        scratch = HERE / "card.tmp.html"
        for name, size, text in (("card", (1200, 630), card), ("cover", (1200, 1800), cover)):
            tab = browser.new_page(viewport={"width": size[0], "height": size[1]})
            scratch.write_text(text, "utf-8")
            tab.goto(scratch.as_uri())
            tab.wait_for_timeout(300)
            tab.screenshot(path=HERE / f"{name}.png")
        scratch.unlink()
        browser.close()


if __name__ == "__main__":
    main()

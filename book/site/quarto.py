"""What Quarto calls, as ``_quarto.yml`` says: a filter of each notebook, and what follows the pages."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def for_quarto(notebook: dict) -> dict:
    """The notebook with its HTML outputs as raw Markdown.

    For an output of the type HTML Quarto adds two scripts from another host to the page.  The
    explorer's caption goes below it here, as Quarto would make it a sentence of the text.
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data") or {}
            if "text/html" not in data:
                continue
            html = "".join(data["text/html"]).strip()
            output["data"] = {"text/markdown": f"```{{=html}}\n{html}\n```\n"}
    return notebook


def main() -> None:
    if "--after" not in sys.argv:
        json.dump(for_quarto(json.load(sys.stdin)), sys.stdout)
        return
    print("after", {k: v for k, v in os.environ.items() if k.startswith("QUARTO")})


if __name__ == "__main__":
    main()

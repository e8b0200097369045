"""Write the front page's stills and element beside this file: ``python -m explorer``."""

from explorer import SCRIPT, Explorer

for name, text in Explorer("5.1.3/gd", show="front").front().items():
    SCRIPT.with_name(name).write_text(text, encoding="utf-8")

"""A formula as Pandoc writes it, made what Chromium, Firefox and WebKit set alike."""

from __future__ import annotations

from xml.etree import ElementTree

BARS = {"¯", "‾", "\u0304", "\u0305"}
#: The signs over a letter, as the font has them at the height of an accent.
SIGNS = dict.fromkeys(BARS, "¯") | {"^": "ˆ", "\u0302": "ˆ", "~": "˜", "\u0303": "˜"}


def laid(text: str, *, styled: bool = True) -> str:
    """The element ``math`` with accents that are accents and cells that hold one thing; where it is
    ``styled``, long bars are left to the style sheet."""
    math = ElementTree.fromstring(text)
    for element in list(math.iter()):
        if element.tag == "mover" and element[1].get("accent"):
            base, sign = element
            if sign.text in BARS and len("".join(base.itertext())) > 1:
                if styled:
                    element.tag, element.attrib = "mrow", {"class": "overline"}
                    element.remove(sign)
            else:
                element.set("accent", "true")
                sign.attrib, sign.text = {"stretchy": "false"}, SIGNS.get(sign.text, sign.text)
        elif element.tag == "mtd":  # by which Chromium can align it
            row = ElementTree.Element("mrow")
            row.extend(element)
            element[:] = [row]
        elif element.tag == "msqrt":  # of a height for which the font has a root
            element.insert(0, ElementTree.Element("mspace", height=".72em", depth=".2em"))
    return ElementTree.tostring(math, encoding="unicode", short_empty_elements=False)

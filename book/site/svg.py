"""A drawing made fit to stand inside a page: short, without styles, with a name for those who cannot see it."""

from __future__ import annotations

import cmath
import math
import re
from xml.etree import ElementTree

from book import BookError

POINTS = {"M": 1, "L": 1, "Q": 2, "C": 3}  # how many points a command of a path takes
ROUNDED = ("x", "y", "cx", "cy", "r", "points", "width", "height")
REFERENCE = re.compile(r"url\(#([^)]*)\)")


def parsed(text: str):
    """The element of a drawing.  Raises: BookError if it is none."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise BookError(f"a figure is not an SVG drawing: {error}") from None
    if root.tag.rpartition("}")[2] != "svg":
        raise BookError(f"a figure is not an SVG drawing: <{root.tag}>")
    return root


class Page:
    """The drawings of one page: what several show, a glyph or a marker, is defined by the first."""

    def __init__(self):
        self.shared: dict[str, str] = {}
        self.count = 0

    def inline(self, text: str, alt: str) -> str:
        """The drawing as an element of the page.  Raises: BookError if it is none."""
        root = parsed(text)
        _plain(root)
        panels = _panels(root)
        _prune(root)
        _gather(root)
        definitions = {element for defs in root.iter("defs") for element in defs.iter()}
        for element in root.iter("path"):
            if not (path := element.get("d")):
                continue
            # Glyphs and markers, which are scaled, keep two decimals; what stands in place has
            # one, a fifteenth of a pixel.
            scaled = element in definitions
            element.set("d", relative(path if scaled else simplified(path), 100 if scaled else 10))
        self._name(root)
        name = {"role": "img", "aria-label": alt}
        for one in panels or [root]:
            _, _, width, height = map(float, one.get("viewBox", "0 0 0 0").split())
            size = {"width": width, "height": height} if width else {}
            one.attrib = {
                **(name if one is root else {"aria-hidden": "true"}),
                **{key: f"{length * 4 // 3:.0f}" for key, length in size.items()},
                **{k: v for k, v in one.items() if k not in ("width", "height", "version")},
            }
        if panels:
            root.tag, root.attrib = "div", {"class": "panels", **name}
        return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")

    def _name(self, root) -> None:
        """Give what is referred to a short identifier, unique in the page; the others lose theirs."""
        names: dict[str, str] = {}

        def new(name: str) -> str:
            if name not in names:
                self.count += 1
                names[name] = f"d{self.count}"
            return names[name]

        for defs in root.iter("defs"):
            for element in defs.findall("path"):
                key = repr(element.attrib)
                if key in self.shared:
                    names[element.get("id")] = self.shared[key]
                    defs.remove(element)
                else:
                    self.shared[key] = new(element.get("id"))
        for element in root.iter():
            for key, value in element.items():
                if key == "href":
                    element.set(key, f"#{new(value.removeprefix('#'))}")
                elif value.startswith("url(#"):
                    element.set(key, REFERENCE.sub(lambda found: f"url(#{new(found[1])})", value))
        for parent in list(root.iter()):
            for defs in parent.findall("defs"):
                if not len(defs):
                    parent.remove(defs)
        for element in root.iter():
            if "id" in element.attrib:
                name = names.get(element.attrib.pop("id"))
                element.attrib = ({"id": name} if name else {}) | element.attrib


def _plain(root) -> None:
    """Names without namespaces, attributes for styles, numbers with two decimals, no blank text."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {key.rpartition("}")[2]: value for key, value in element.items()}
        for rule in filter(str.strip, attributes.pop("style", "").split(";")):
            key, _, value = rule.partition(":")
            attributes[key.strip()] = value.strip()
        for key in attributes.keys() & {*ROUNDED, "transform"}:
            attributes[key] = rounded(attributes[key], "translate" if key == "transform" else "")
        moved = re.fullmatch(r"translate\((\S+) (\S+)\)", attributes.get("transform", ""))
        if element.tag == "use" and moved and "x" not in attributes:
            del attributes["transform"]
            attributes |= {axis: n for axis, n in zip("xy", moved.groups()) if n != "0"}
        element.attrib = attributes
        element.text = element.text if (element.text or "").strip() else None
        element.tail = element.tail if (element.tail or "").strip() else None


def _panels(root) -> list:
    """What stands side by side, each a drawing of its own with its part of the width, so that they
    stack on a phone.  Empty if the drawing is whole: something reaches across, or is a colour bar."""
    named = {element.get("id"): element for element in root.iter()}
    if "axes_2" not in named:
        return []
    figure, parts, panels = root.find("g"), [], []  # of each part: from where to where, and what
    for one in figure:
        across = [point.real for point in _corners(one, named)]
        if across and one.get("id") != "patch_1":  # the page's own white
            parts.append((min(across), max(across), [one]))
    for left, right, inside in sorted(parts, key=lambda part: part[0]):
        if panels and left < panels[-1][1] + 2:
            left, before, others = panels.pop()
            right, inside = max(right, before), others + inside
        panels.append((left, right, inside))
    x, y, width, height = map(float, root.get("viewBox").split())
    cuts = [0, width]  # at whole pixels, where there is room as far left of each as of the first
    for (_, end, _), (begin, _, _) in zip(panels, panels[1:]):
        place = max((end + begin) / 2, begin - panels[0][0] + x) - x
        cuts.insert(-1, 0.75 * math.floor(place / 0.75))
    if len(panels) < 2 or min(b - a for a, b in zip(cuts, cuts[1:])) < width / 5:
        return []
    rest = [one for one in root if one is not figure]
    root[:] = [ElementTree.Element("svg", root.attrib) for _ in panels]
    for one, a, b, (_, _, inside) in zip(root, cuts, cuts[1:], panels):
        one.set("viewBox", f"{_short(x + a)} {y:g} {_short(b - a)} {height:g}")
        one.extend(inside)
    root[0].extend(rest)
    return list(root)


def _corners(element, named: dict) -> list[complex]:
    """Points between which the element draws; of what is clipped, those of the clip."""
    x, y, width, height = (float(element.get(key, 0)) for key in ("x", "y", "width", "height"))
    if clip := REFERENCE.match(element.get("clip-path", "")):
        points = _corners(named[clip[1]], named)
    elif element.tag == "path":
        numbers = [n for _, numbers in _commands(element.get("d", "")) for n in numbers]
        points = list(map(complex, numbers[::2], numbers[1::2]))
    elif element.tag == "use":
        points = [complex(x, y) + p for p in _corners(named[element.get("href")[1:]], named)]
    elif element.tag in ("rect", "image"):
        points = [complex(x, y), complex(x + width, y + height)]
    else:
        points = [p for one in element if one.tag != "defs" for p in _corners(one, named)]
    for name, numbers in reversed(re.findall(r"(\w+)\(([^)]*)", element.get("transform", ""))):
        a, b = (*map(float, numbers.split()), 0.0)[:2]
        if name == "translate":
            points = [p + complex(a, b) for p in points]
        elif name == "scale":
            points = [complex(p.real * a, p.imag * (b or a)) for p in points]
        elif name == "rotate":
            points = [p * cmath.rect(1, math.radians(a)) for p in points]
    return points


def _prune(element) -> None:
    """Remove what draws nothing: metadata, styles, empty definitions, groups without a word."""
    for place, child in reversed(list(enumerate(element))):
        _prune(child)
        if child.tag == "g":  # matplotlib names its groups, and nothing refers to them
            child.attrib.pop("id", None)
        if child.tag in ("metadata", "style") or (child.tag == "defs" and not len(child)):
            element.remove(child)
        elif child.tag == "g" and not child.attrib:
            element[place : place + 1] = list(child)


def _gather(root) -> None:
    """Signs that differ in place alone are one group, or if they are plain dots, one path."""
    marks = {f"#{path.get('id')}": path for defs in root.iter("defs") for path in defs}
    for parent in [element for element in root.iter() if element.tag in ("svg", "g")]:
        runs: list[tuple[dict, list]] = []
        for child in list(parent):
            words = {key: value for key, value in child.items() if key not in ("x", "y")}
            alike = child.tag == "use" and "x" in child.attrib and "transform" not in words
            if not (alike and runs and runs[-1][0] == words):
                runs.append((words if alike else {}, []))
            runs[-1][1].append(child)
        parent[:] = [
            one
            for words, run in runs
            for one in (
                # The place of a reference moves its own clip path, too: that stays on a group.
                [_group(marks[words["href"]], words, run)]
                if len(run) > 3 or "clip-path" in words
                else run
            )
        ]
    used = {element.get("href") for element in root.iter("use")}
    for defs in root.iter("defs"):
        defs[:] = [path for path in defs if path.tag != "path" or f"#{path.get('id')}" in used]


def _group(mark, words: dict, run: list):
    look = {
        key: word for key, word in (mark.attrib | words).items() if key not in ("d", "href", "id")
    }
    places = [(use.get("x", "0"), use.get("y", "0")) for use in run]
    radius = _radius(mark.get("d", ""))
    if radius and look.get("stroke") == look.get("fill"):
        dots = "".join(f"M{x} {y}L{x} {y}" for x, y in places)
        width = _short(2 * radius + float(look.get("stroke-width", 1)))
        look |= {"d": dots, "fill": "none", "stroke-width": width, "stroke-linecap": "round"}
        return ElementTree.Element("path", look)
    href = words.pop("href")
    group = ElementTree.Element("g", words)
    for x, y in places:
        ElementTree.SubElement(group, "use", href=href, x=x, y=y)
    return group


def _radius(path: str) -> float:
    """The radius of a circle about 0, as matplotlib draws it in eight curves; 0 of another path."""
    commands = _commands(path)
    if "".join(command for command, _ in commands) != "MCCCCCCCCz":
        return 0.0
    distances = [math.hypot(*numbers[-2:]) for _, numbers in commands[:-1]]
    return distances[0] if max(distances) - min(distances) < 0.01 * distances[0] else 0.0


def rounded(text: str, function: str = "") -> str:
    """The numbers of a text with two decimals, or only those in the brackets of a ``function``."""
    if function:
        return re.sub(rf"{function}\([^)]*\)", lambda found: rounded(found[0]), text)
    return re.sub(r"-?\d+\.\d{3,}", lambda found: _short(float(found[0])), text)


def _short(number: float) -> str:
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _commands(path: str) -> list[tuple[str, list[float]]]:
    found = re.findall(r"([A-Za-z])([^A-Za-z]*)", path)
    return [
        (command, [float(number) for number in re.findall(r"-?[\d.]+", numbers)])
        for command, numbers in found
    ]


def simplified(path: str) -> str:
    """A polyline of 20 points or more without those within 0.06 of the line through the others
    (Douglas and Peucker): a contour keeps its shape to a twelfth of a pixel; other paths stay."""
    commands = _commands(path)
    letters = "".join(command for command, _ in commands)
    end = "z" if letters.endswith("z") else ""
    points = [numbers for _, numbers in commands[: len(commands) - len(end)]]
    if len(points) < 20 or letters != "M" + "L" * (len(points) - 1) + end:
        return path
    keep, stack = {0, len(points) - 1}, [(0, len(points) - 1)]
    while stack:
        first, last = stack.pop()
        (x, y), (to_x, to_y) = points[first], points[last]
        dx, dy = to_x - x, to_y - y
        length, farthest, at = math.hypot(dx, dy), 0.06, None
        for i in range(first + 1, last):
            ex, ey = points[i][0] - x, points[i][1] - y
            if length and 0 <= ex * dx + ey * dy <= length * length:
                distance = abs(ex * dy - ey * dx) / length
            else:
                distance = math.hypot(ex, ey)
            if distance > farthest:
                farthest, at = distance, i
        if at is not None:
            keep.add(at)
            stack += [(first, at), (at, last)]
    return "M" + "L".join(f"{points[i][0]} {points[i][1]}" for i in sorted(keep)) + end


def relative(path: str, scale: int) -> str:
    """A path in relative steps, rounded to 1 / scale: the same line in fewer bytes.

    A path with other commands than M, L, Q, C and z stays as it is.
    """
    out, x, y, start, last = [], 0, 0, (0, 0), ""
    for command, numbers in _commands(path):
        if command in "zZ":
            out.append("z")
            last, (x, y) = "z", start
            continue
        count = 2 * POINTS.get(command, 0)
        if not count or len(numbers) % count:
            return path
        whole = [math.floor(number * scale + 0.5) for number in numbers]
        for first in range(0, len(whole), count):
            steps = whole[first : first + count]
            text = " ".join(
                _step((value - (y if n % 2 else x)) / scale) for n, value in enumerate(steps)
            ).replace(" -", "-")
            x, y = steps[-2:]
            letter = command.lower()
            # A letter that repeats is left out; after "m", pairs are lines.
            if letter == last or (last == "m" and letter == "l"):
                out.append(text if text[0] == "-" else f" {text}")
            else:
                out.append(letter + text)
            last = letter
            if letter == "m":
                start = x, y
    return "".join(out)


def _step(number: float) -> str:
    return _short(number).replace("0.", ".", 1) if -1 < number < 1 else _short(number)

"""What code imports and uses: asked when a page is built, and in the reader's browser.

Only the standard library is used here.  ``ours`` is a function of a module's full name that returns
its text if it is one of the book's, else None.
"""

from __future__ import annotations

import ast
import dis
import sys
from collections.abc import Callable, Iterator

Ours = Callable[[str], "str | None"]


def libraries(code: str, ours: Ours) -> set[str]:
    """The libraries that the code imports, itself or by the book's own modules."""
    found, seen, waiting = set(), set(), [code]
    while waiting:
        for name in set(modules(ast.parse(waiting.pop()))) - seen:
            seen.add(name)
            top = name.partition(".")[0]
            if (text := ours(name)) is not None:
                waiting.append(text)
            elif ours(top) is None and top not in sys.stdlib_module_names:
                found.add(top)
    return found


def modules(tree: ast.AST) -> Iterator[str]:
    """The full names of the modules that are imported, or may be, from a package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def bound(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The names that an import makes."""
    return [alias.asname or alias.name.partition(".")[0] for alias in node.names]


def runnable(cells: list[tuple[str, bool]], ours: Ours, elsewhere: set[str]) -> list[bool]:
    """Which cells of a page run where the libraries ``elsewhere`` are not.

    A cell needs what the names need that it uses; an import alone uses nothing.  And a cell that shows
    nothing does not run if all that it makes is for cells that do not: an answer is made for its check.

    Parameters: cells, the code of each and whether it shows something.
    """
    lost, used, made, runs = set(), [], [], []
    for code, _ in cells:
        absent = _absent(code, ours, elsewhere)
        names = _names(code, absent)
        used.append(names[0])
        made.append(names[1])
        runs.append(not used[-1] & (lost | absent))
        lost = absent | (lost - made[-1] if runs[-1] else lost | made[-1])
    for place in reversed(range(len(cells))):
        users = [later for later in range(place + 1, len(cells)) if made[place] & used[later]]
        if users and not cells[place][1]:
            runs[place] &= any(runs[later] for later in users)
    return runs


def _absent(code: str, ours: Ours, elsewhere: set[str]) -> set[str]:
    """The names that code imports and that need what is elsewhere: a library, or the book's own
    function that imports one when it is called."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        if (text := ours(getattr(node, "module", None) or node.names[0].name)) is None:
            found |= {*bound(node)} if libraries(ast.unparse(node), ours) & elsewhere else set()
            continue
        for part in ast.parse(text).body:
            inside = {module.partition(".")[0] for module in modules(part)}
            if isinstance(part, ast.FunctionDef) and inside & elsewhere:
                found |= {part.name} & {*bound(node)}
    return found


def _names(code: str, absent: set[str]) -> tuple[set[str], set[str]]:
    """The names that a cell uses before it makes them, and those that it makes; ``absent`` is not made."""
    used, made = set(), set()
    waiting = [top := compile(code, "cell", "exec")]
    for part in waiting:  # it grows: functions have functions inside
        waiting += [inside for inside in part.co_consts if hasattr(inside, "co_code")]
        for step in dis.get_instructions(part):
            if step.opname in ("LOAD_NAME", "LOAD_GLOBAL") and step.argval not in made:
                used.add(step.argval)
            elif step.opname == "STORE_NAME" and part is top and step.argval not in absent:
                made.add(step.argval)
    return used, made

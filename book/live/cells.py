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


def runnable(cells: list[tuple[str, bool]], ours: Ours, known: set[str]) -> list[bool]:
    """Which cells of a page run where only the libraries ``known`` are.

    A cell needs what the names need that it uses; an import alone uses nothing.  And a cell that shows
    nothing does not run if all that it makes is for cells that do not: an answer is made for its check.

    Parameters: cells, the code of each and whether it shows something.
    """
    lost, used, made, runs = set(), [], [], []
    for code, _ in cells:
        absent = {name for name, needs in _imported(ast.parse(code), ours) if needs - known}
        for names, found in zip((used, made), _names(code, absent)):
            names.append(found)
        runs.append(not used[-1] & (lost | absent))
        lost = absent | (lost - made[-1] if runs[-1] else lost | made[-1])
    for place in reversed(range(len(cells))):
        users = [later for later in range(place + 1, len(cells)) if made[place] & used[later]]
        if users and not cells[place][1]:
            runs[place] &= any(runs[later] for later in users)
    return runs


def _names(code: str, absent: set[str]) -> tuple[set[str], set[str]]:
    """The names that a cell uses before it makes them, and those that it makes; ``absent`` is not made."""
    used, made = set(), set()
    top = compile(code, "cell", "exec")
    for step in dis.get_instructions(top):
        if step.opname == "LOAD_NAME" and step.argval not in made:
            used.add(step.argval)
        elif step.opname == "STORE_NAME" and step.argval not in absent:
            made.add(step.argval)
    waiting = [part for part in top.co_consts if hasattr(part, "co_code")]
    for function in waiting:  # it grows: functions have functions inside
        waiting += [part for part in function.co_consts if hasattr(part, "co_code")]
        steps = dis.get_instructions(function)
        used |= {s.argval for s in steps if s.opname in ("LOAD_GLOBAL", "LOAD_NAME")} - made
    return used, made


def without(tree: ast.Module, known: set[str], ours: Ours) -> dict[str, str]:
    """Take the imports of libraries that are not known out of a cell.

    Returns: for each name that they would have bound, the library.
    """
    names = {}
    for node in [*tree.body]:
        needs = libraries(ast.unparse(node), ours) - known if _is_import(node) else ()
        if needs and not any(ours(name) for name in modules(node)):
            tree.body.remove(node)
            names |= {_bound(alias): min(needs) for alias in node.names}
    return names


def _is_import(node) -> bool:
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def modules(tree: ast.AST) -> Iterator[str]:
    """The full names of the modules that are imported, or may be, from a package."""
    for node in filter(_is_import, ast.walk(tree)):
        base = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        yield from ([base[:-1]] if base else [])
        yield from (base + alias.name for alias in node.names)


def _imported(tree: ast.AST, ours: Ours) -> Iterator[tuple[str, set[str]]]:
    """Each name that is imported, and the libraries that whoever uses it needs."""
    for node in filter(_is_import, ast.walk(tree)):
        module = getattr(node, "module", None)
        for alias in node.names:
            if (text := ours(module or alias.name)) is None:
                yield _bound(alias), libraries(ast.unparse(node), ours)
            else:  # a function of ours may import a library when it is called
                inside = (
                    part for part in ast.parse(text).body if getattr(part, "name", "") == alias.name
                )
                needs = (
                    libraries(ast.unparse(part), ours) for part in inside if hasattr(part, "body")
                )
                yield _bound(alias), set().union(*needs)

"""The numbers that the published chapter prints, and the comparison of ours with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils import _validate

_FILE = Path(__file__).with_name("published.json")
_RECORDS = {each["id"]: each for each in json.loads(_FILE.read_text(encoding="utf-8"))["records"]}

#: How far, in units in the last place, a value computed on another processor, device or library
#: version may lie from the published one.  Appendix "Why is my number different?" has the evidence.
TOLERANCE_ULP = 16


@dataclass(frozen=True)
class Comparison:
    """``total`` values compared, ``exact`` of them equal to the last digit; ``max_ulp`` is the
    largest distance of a float from the published one in units in the last place (inf if a text,
    such as a dtype, differs)."""

    id: str
    total: int
    exact: int
    max_ulp: float

    @property
    def agrees(self) -> bool:
        """Whether every value lies within ``TOLERANCE_ULP``."""
        return self.max_ulp <= TOLERANCE_ULP


def ids() -> list[str]:
    """The identifiers of all records, in the chapter's order."""
    return list(_RECORDS)


def record(id: str) -> dict:
    """Return the record: ``id``, ``section``, ``what`` and ``values`` (nested lists of strings).

    Raises: ValueError naming ``id`` and the known ones.
    """
    return _RECORDS[_validate.choice("id", id, _RECORDS)]


def compare(id: str, values) -> Comparison:
    """Compare computed values with the published record ``id``.

    Parameters: values, of the record's shape: floats (lists or an ndarray) where the record
    prints numbers, else the printed texts.
    Raises: ValueError naming ``id`` or ``values``.
    """
    published = _flatten(record(id)["values"])
    ours = _flatten(values)
    if len(ours) != len(published):
        raise ValueError(f"values must hold {len(published)} entries for {id}, got {len(ours)}")
    distances = [_distance(text, value) for text, value in zip(published, ours)]
    return Comparison(id, len(ours), distances.count(0), max(distances))


def report(id: str, values) -> str:
    """One line that says whether ``values`` agree with the record, the same on every device."""
    result = compare(id, values)
    if result.agrees:
        return f"{id}: {result.total} of {result.total} values agree with the published ones"
    return (
        f"{id}: DIFFERS from the published values, by up to {result.max_ulp:g} units in the last "
        f"place; {result.exact} of {result.total} are equal"
    )


def ulp_distance(a: float, b: float) -> int:
    """How many float64 numbers lie between a and b, one of them counted.

    Raises: ValueError naming ``a`` or ``b`` where it is not finite.
    """
    return abs(_ordinal("a", a) - _ordinal("b", b))


def _ordinal(name: str, value: float) -> int:
    value = _validate.real(name, value)
    if not np.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    bits = int(np.float64(value).view(np.int64))
    # Negative floats count downwards from zero, so that neighbours stay neighbours.
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def _distance(published: str, ours) -> float:
    if isinstance(ours, str):
        return 0 if ours == published else float("inf")
    ours = _validate.real("values", ours)
    try:
        return ulp_distance(float(published), ours)
    except ValueError:  # a text against a number, or a number that is not finite
        return float("inf")


def _flatten(values) -> list:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return [leaf for value in values for leaf in _flatten(value)]
    return [values]

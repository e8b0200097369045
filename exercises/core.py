"""What all checks share: the verdict, the reading of answers, and known mistakes made messages."""

from __future__ import annotations

import contextlib
import dis
import functools
import itertools
import random
import re
import sys
import textwrap
import types
import warnings
from dataclasses import dataclass
from numbers import Real

import numpy as np

RIGHT, NOT_YET, NO_ANSWER = "right", "not yet", "no answer yet"


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check found: ``exercise``, its number; ``state``, one of ``RIGHT``, ``NOT_YET`` and
    ``NO_ANSWER``; ``message``, what to tell the student."""

    exercise: str
    state: str
    message: str

    @property
    def ok(self) -> bool:
        """Whether the answer is right."""
        return self.state == RIGHT

    def __repr__(self) -> str:
        return textwrap.fill(f"Exercise {self.exercise}: {self.state}. {self.message}", width=76)


class NotYet(Exception):
    """The answer is not right; the text is meant for the student."""


class NoAnswer(Exception):
    """Nothing has been answered."""


def exercise(number: str, todo: str):
    """Turn a function that raises ``NotYet``, or returns the praise, into a check."""

    def decorate(examine):
        @functools.wraps(examine)
        def check(answer=None) -> Verdict:
            try:
                if is_unanswered(answer):
                    raise NoAnswer
                with _streams_left_alone():
                    return Verdict(number, RIGHT, examine(answer))
            except NoAnswer:
                return Verdict(number, NO_ANSWER, f"{todo} Then run the check again.")
            except NotYet as reason:
                return Verdict(number, NOT_YET, str(reason))
            except (Exception, SystemExit) as error:  # a check must never fall over an answer
                return Verdict(number, NOT_YET, f"The check could not read it: {say(error)}")

        check.number = number
        return check

    return decorate


@contextlib.contextmanager
def _streams_left_alone():
    """Give back the random streams of Python, NumPy and PyTorch as they were."""
    torch = sys.modules.get("torch")
    python, legacy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]) if torch else contextlib.nullcontext():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)


# --- Known mistakes ---------------------------------------------------------------------------


def near(found, wanted, tolerance: float) -> bool:
    """Whether numbers, arrays or lists of arrays have one shape, and entries within tolerance."""
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(
            near(f, w, tolerance) for f, w in zip(found, wanted)
        )
    if np.shape(found) != np.shape(wanted):
        return False
    return bool((np.abs(np.subtract(found, wanted)) <= tolerance).all())


def recognise(found, mistakes, same) -> None:
    """Raise ``NotYet`` with the message of the first mistake that gives what was found.

    Parameters: mistakes, pairs (wrong, message), where wrong is what the mistake gives, or a plain
    function without arguments that computes it; same, a function (found, wrong) -> bool.
    """
    for wrong, message in mistakes:
        if same(found, wrong() if isinstance(wrong, types.FunctionType) else wrong):
            raise NotYet(message)


# --- Reading answers ----------------------------------------------------------------------------


def is_unanswered(answer) -> bool:
    """Whether the answer is None, ``...``, a stub, or a list of nothing else."""
    if answer is None or answer is Ellipsis:
        return True
    if isinstance(answer, (list, tuple)) and len(answer):
        return all(is_unanswered(item) for item in answer)
    if isinstance(answer, type):  # a class in which nothing is defined yet
        return answer.__module__ != "builtins" and not any(map(callable, vars(answer).values()))
    return _is_stub(answer)


def _is_stub(answer) -> bool:
    """Whether ``answer`` is a function without a body: ``...``, ``pass`` or a docstring alone."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("RESUME", "NOP")]
    return all(
        step.opname.startswith(("LOAD_CONST", "RETURN_")) and step.argval in (None, Ellipsis)
        for step in steps
    )


def call(function, *arguments, errors=()):
    """Call the student's function; what goes wrong becomes a message.

    Parameters: errors, pairs (pattern, message) for errors whose text matches the pattern.
    """
    if not callable(function):
        raise NotYet(
            f"The answer is a function, without brackets behind it; you handed in {kind(function)}."
        )
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = function(*arguments)
    except NotImplementedError:
        raise NoAnswer from None
    except Exception as error:  # whatever the student's code raises
        recognise(str(error), errors, lambda text, pattern: re.search(pattern, text))
        raise NotYet(f"Your code stops with {say(error)}") from error
    if value is None:
        raise NotYet("Your function returns None. Is a `return` missing?")
    return value


def say(error) -> str:
    """The kind of an error and the first line of its text."""
    text = (str(error).strip().splitlines() or [""])[0]
    name = type(error).__name__
    return f"{name}: {textwrap.shorten(text, 160)}" if text else name


def kind(value) -> str:
    """What ``value`` is, in a few words."""
    if is_tensor(value):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Real):
        return "one number"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "a function" if callable(value) else f"an object of type {type(value).__name__}"


def is_tensor(value) -> bool:
    torch = sys.modules.get("torch")  # who holds a tensor has imported it
    return torch is not None and isinstance(value, torch.Tensor)


def number(value, lead: str = "You handed in") -> float:
    """Return one finite Python number, or say what ``value`` is instead."""
    if is_tensor(value):
        raise NotYet(
            f"{lead} a tensor. A one-element tensor is still a tensor; `.item()` gives its number."
        )
    if isinstance(value, str):
        raise NotYet(f"{lead} a text. Leave the quotation marks away.")
    if isinstance(value, bool) or not isinstance(value, Real):
        raise NotYet(f"{lead} {kind(value)}; asked for is one number.")
    try:
        result = float(value)
    except OverflowError:
        result = float("inf")
    if not np.isfinite(result):
        raise NotYet(f"{lead} {result}: somewhere the run left the finite numbers.")
    return result


def numbers(value, what: str) -> np.ndarray:
    """Return finite numbers as an array, or say what is wrong with them."""
    if is_tensor(value):
        raise NotYet(
            f"The {what} is a tensor. Python numbers are wanted: `.item()` of one entry, "
            "`.tolist()` of many."
        )
    if isinstance(value, (str, dict, set)) or callable(value):
        raise NotYet(f"The {what} should be numbers, not {kind(value)}.")
    leaves = list(_leaves(value))
    if any(map(is_tensor, leaves)):
        raise NotYet(f"The {what} holds tensors. Take the Python number out of each: `.item()`.")
    if any(isinstance(leaf, str) for leaf in leaves):
        raise NotYet(f"The {what} holds texts. Leave the quotation marks away: `float(...)`.")
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise NotYet(f"The {what} should be numbers in rows of one length.") from None
    if not np.isfinite(array).all():
        raise NotYet(f"The {what} holds NaN or inf: somewhere the numbers got out of hand.")
    return array


def _leaves(value):
    if isinstance(value, (list, tuple)):
        return itertools.chain.from_iterable(map(_leaves, value))
    return iter([value])


def listed(items) -> str:
    """Numbers or names in a row: "1, 2, 5"."""
    return ", ".join(map(str, items))

"""What all checks share: the verdict, the reading of answers, and known mistakes made messages."""

from __future__ import annotations

import dis
import functools
import itertools
import operator
import random
import re
import sys
import textwrap
import traceback
import warnings
from contextlib import ExitStack
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


def exercise(number: str, todo: str):
    """Turn a function that raises ``NotYet``, or returns the praise, into a check.

    The check leaves warnings and the random streams of Python, NumPy and PyTorch as they were.
    """

    def decorate(examine):
        @functools.wraps(examine)
        def check(answer=None) -> Verdict:
            with ExitStack() as after, warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                after.callback(random.setstate, random.getstate())
                after.callback(np.random.set_state, np.random.get_state())
                if torch := sys.modules.get("torch"):
                    after.callback(torch.set_rng_state, torch.get_rng_state())
                try:
                    if is_unanswered(answer):
                        raise NotImplementedError
                    return Verdict(number, RIGHT, examine(answer))
                except NotImplementedError:
                    return Verdict(number, NO_ANSWER, f"{todo} Then run the check again.")
                except NotYet as reason:
                    return Verdict(number, NOT_YET, str(reason))
                except (Exception, SystemExit) as error:  # a check never falls over an answer
                    return Verdict(number, NOT_YET, f"The check could not read it: {say(error)}")

        check.number = number
        return check

    return decorate


# --- Known mistakes ---------------------------------------------------------------------------


def near(found, wanted, tolerance: float) -> bool:
    """Whether two arrays have one shape, and entries within ``tolerance`` of each other."""
    same_shape = np.shape(found) == np.shape(wanted)
    return bool(same_shape and np.allclose(found, wanted, rtol=0, atol=tolerance))


def recognise(found, mistakes, same=operator.eq) -> None:
    """Raise ``NotYet`` with the message of the first mistake that gives what was found.

    Parameters: mistakes, pairs (what it gives, message); same, a function (found, what) -> bool.
    """
    for wrong, message in mistakes:
        if same(found, wrong):
            raise NotYet(message)


def piece_by_piece(answer, name: str, examine, count: int) -> None:
    """Examine an answer of several pieces; say what is wrong, still to do and right already.

    Parameters: answer, a list of ``count`` pieces; name, of a piece; examine, a function of its
    number and the piece that raises ``NotYet``.
    """
    if not isinstance(answer, (list, tuple)) or len(answer) != count:
        raise NotYet(f"The answer is a list of {count}; you handed in {kind(answer)}.")
    good, missing, reasons = [], [], []
    for position, piece in enumerate(answer, start=1):
        if piece is None or piece is Ellipsis:
            missing.append(position)
            continue
        try:
            examine(position, piece)
            good.append(position)
        except NotYet as reason:
            reasons.append(f"{name} {position}: {reason}")
    if reasons or missing:
        rows = (("Still to do", missing), ("Right already", good))
        lists = [f"{lead}: {str(found)[1:-1]}." for lead, found in rows if found]
        raise NotYet(" ".join(reasons[:3] + lists))


# --- Reading answers ----------------------------------------------------------------------------


def is_unanswered(answer) -> bool:
    """Whether the answer is None, ``...``, a stub, or a list of nothing else."""
    if answer is None or answer is Ellipsis:
        return True
    if isinstance(answer, (list, tuple)) and len(answer):
        return all(map(is_unanswered, answer))
    if isinstance(answer, type):  # a class in which nothing is defined yet
        return answer.__module__ != "builtins" and not any(map(callable, vars(answer).values()))
    code = getattr(answer, "__code__", None)  # a stub is ``...``, ``pass`` or a docstring alone
    return code is not None and all(
        step.opname == "RESUME" or step.argval in (None, Ellipsis)
        for step in dis.get_instructions(code)
    )


def call(function, *arguments, errors=()):
    """Call the student's function; what goes wrong becomes a message.

    Parameters: errors, pairs (pattern, message) for errors whose text matches the pattern.
    """
    if not callable(function):
        raise NotYet(f"Hand in the function, without brackets behind it; this is {kind(function)}.")
    try:
        value = function(*arguments)
    except NotImplementedError:
        raise
    except Exception as error:  # whatever the student's code raises
        recognise(str(error), errors, lambda text, pattern: re.search(pattern, text))
        raise NotYet(f"Your code stops with {say(error)}") from error
    if value is None:
        raise NotYet("Your function returns None. Is a `return` missing?")
    return value


def say(error) -> str:
    """The kind of an error and its text, on one line."""
    return textwrap.shorten(traceback.format_exception_only(error)[-1], 160)


def kind(value) -> str:
    """What ``value`` is, in a few words."""
    if is_tensor(value) or isinstance(value, np.ndarray):
        return f"{'a tensor' if is_tensor(value) else 'an array'} of shape {tuple(value.shape)}"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    names = ((str, "a text"), (Real, "one number"), (type, "a class"))
    other = "a function" if callable(value) else f"an object of type {type(value).__name__}"
    return next((name for of, name in names if isinstance(value, of)), other)


def is_tensor(value) -> bool:
    torch = sys.modules.get("torch")  # who holds a tensor has imported it
    return torch is not None and isinstance(value, torch.Tensor)


def numbers(value, what: str, shape: tuple, mistakes=()) -> np.ndarray:
    """Return finite Python or NumPy numbers as an array of ``shape``, or say what is wrong.

    Parameters: what, is asked for; mistakes, pairs (shape, message).
    """
    leaves = list(_leaves(value))
    if any(map(is_tensor, leaves)):
        raise NotYet("Python numbers, not tensors: `.item()` of one entry, `.tolist()` of many.")
    if any(isinstance(leaf, str) for leaf in leaves):
        raise NotYet("This is text. Leave the quotation marks away.")
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise NotYet(f"Asked for is {what}; this is {kind(value)}.") from None
    recognise(array.shape, mistakes)
    if array.shape != shape:
        raise NotYet(f"Asked for is {what}; this is {kind(value)}.")
    if not np.isfinite(array).all():
        raise NotYet("There is NaN or inf: somewhere the numbers got out of hand.")
    return array


def _leaves(value):
    if isinstance(value, (list, tuple)):
        return itertools.chain.from_iterable(map(_leaves, value))
    return iter([value])

"""Mutants: the real hardware description with one place changed, for as long as a test needs it.

A check that cannot fail does not count, so each is tried on sources that are wrong on purpose.
A mutant is made in memory, from the component's own source; if the text that it changes is not
there any more, that is an error, and nobody believes for years that something is still tested.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

#: Packages whose modules see a mutant in place of the original.
_PACKAGES = ("hdl.", "sim.", "tests.")


@dataclass(frozen=True)
class Mutant:
    """One change of one class.

    Attributes
    ----------
    what : str
        What goes wrong, in words.
    component : type
        The class whose source is changed.
    old, new : str
        Text that occurs once in it, and what stands there instead.
    """

    what: str
    component: type
    old: str
    new: str


@contextmanager
def mutated(mutant: Mutant) -> Iterator[type]:
    """Let every module of the project that knows a class by its name see the mutant instead.

    Raises
    ------
    ValueError
        If the text to change does not occur exactly once.
    """
    original = mutant.component
    source = inspect.getsource(original)
    found = source.count(mutant.old)
    if found != 1:
        raise ValueError(
            f"mutant {mutant.what!r}: its text occurs {found} times, not once, "
            f"in {original.__module__}.{original.__qualname__}: {mutant.old!r}"
        )
    names = dict(vars(sys.modules[original.__module__]))
    # Without this file's own `from __future__`, which would make annotations text.
    changed = source.replace(mutant.old, mutant.new)
    exec(compile(changed, original.__module__, "exec", dont_inherit=True), names)
    replacement = names[original.__name__]
    users = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith(_PACKAGES) and vars(module).get(original.__name__) is original
    ]
    for module in users:
        setattr(module, original.__name__, replacement)
    try:
        yield replacement
    finally:
        for module in users:
            setattr(module, original.__name__, original)

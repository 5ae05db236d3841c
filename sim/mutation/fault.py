"""A fault: a line of the gateware, changed as a tired engineer would."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes
    ----------
    name : str
        Short, unique, in words.
    file : str
        Path below the repository's root.
    old, new : str
        What stands there once, and what the fault makes of it.
    equivalent : str
        Why no test can notice it; empty if one must.
    """

    name: str
    file: str
    old: str
    new: str
    equivalent: str = ""

"""The command line, `python -m host`: a module for each command, and what they share."""

from host.cli.program import main

__all__ = ["main"]

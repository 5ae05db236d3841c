"""Faults on the line, injected and counted: `python -m sim.faults`."""

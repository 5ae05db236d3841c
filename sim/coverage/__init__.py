"""Functional coverage of the engine: which of its situations the tests have seen.

`bins` is the table of situations, `observer` counts most of them inside the simulated engine,
`outcomes` those that show in its answers, `results` keeps and merges the counts, and
`python -m sim.coverage` reports them.
"""

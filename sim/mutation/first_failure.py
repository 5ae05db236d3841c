"""A pytest plugin (`-p sim.mutation.first_failure`): Hypothesis stops at its first counterexample.

A mutation run asks whether a test fails, and not for the smallest network that shows it: shrinking
would be most of its time.
"""

from hypothesis import Phase, settings

settings.register_profile(
    "first-failure", phases=(Phase.explicit, Phase.reuse, Phase.generate), database=None
)
settings.load_profile("first-failure")

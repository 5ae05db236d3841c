"""Formal proofs about the real components: `python -m sim.prove`, see docs/verification.md."""

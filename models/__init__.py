"""The network: its spec, its file, its integer golden model, its tasks and its training.

Nothing here imports PyTorch at package level: a board is driven without it.
"""

"""The network: its spec, its file, its integer arithmetic, and (with PyTorch) its training.

`spec`, `network`, `file`, `golden`, `random_networks` and `tasks` need NumPy only; the modules
that need PyTorch are imported by name (`models.cells`, `models.qat`, ...), never from here.
"""

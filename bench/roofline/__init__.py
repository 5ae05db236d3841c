"""What the chip could do, and where the engine and its peers stand below that.

- `measured`: the engines that were built, from the comparison's JSON or the baseline.
- `ceilings`: what memories, ports and logic cells of the chip allow.
- `points`: who stands where. `picture` and `tables`: how it is shown. `cli`: the command.
"""

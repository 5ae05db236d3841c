"""The conventional competitor: an 8-bit GRU core with multipliers, to compare the engine with.

A GRU (PyTorch's equations) with 8-bit weights and activations, eight multiply-accumulate lanes,
tables for sigmoid and tanh, and a linear readout, written for the same chip, the iCE40UP5K.

- `model`: the integer model in NumPy and the numeric contract. `quantize`: from `torch.nn.GRU`.
- `core` and its parts `store`, `lanes`, `rescale`, `elementwise`, `sequencer`; `image`: its load.
- `simulation`: the core in Amaranth's simulator. `build`: cells, clock, time a step.
- `digits`: accuracy on the digits by rows, in float and in integers.

It is meant to be a good one:

- Eight weights a cycle are all that the chip's single-port RAM gives, so the lanes are as many as
  memory can feed. A pass is one cycle a column and one cycle to turn.
- With DSP, a lane is one SB_MAC16 with all its registers, accumulator included. Without, a lane is
  a Booth multiplier whose recoded digits all lanes share, one logic cell a bit and digit.
- Tables, products with r and z, and the state's update happen while the lanes multiply, by one
  serial multiplier of logic cells; only the last group of a step shows.

What it does not do: sizes are fixed when it is made (weights, biases and shifts are loaded); it
gives logits, not the label; W and U of r (and of z) share a scale; it skips nothing when values do
not change. Rounding comes after training, not in it. The last seven percent of its cycles (turns,
the end of a step, ten outputs on eight lanes) could be cut by a larger multiplier.
"""

"""This engine beside a conventional GRU and a generated LSTM, all on the iCE40UP5K in one run.

- `rows`: what is said of an engine. `ours`: this engine's variants. `peers`: the others.
- `steps`: cycles, events and answers of ours on the test digits, emulated and in RTL.
- `goals`: what was aimed at, and whether it is met. `report`: the table. `cli`: the command.
"""

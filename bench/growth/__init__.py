"""How the cost of a step grows with hidden units, with the event rate and with layers.

- `point`: a step's sizes and events, and its cycles by what the lanes do.
- `network`: a network that emits given events, so that the RTL can play a point.
- `sweeps`: the points that are looked at. `pictures`: what is drawn of them. `tables`: the text.
- `cli`: the command.
"""

"""Forecasts with and without rules: how often they are kept, and what that does to the error.

- `runs`: one training and what is measured of it. `tables`: the text. `picture`: one forecast.
- `cli`: the command.
"""

"""Rules about predicted sequences in signal temporal logic: text, robustness, nearest trace."""

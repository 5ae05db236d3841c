"""A conventional GRU."""

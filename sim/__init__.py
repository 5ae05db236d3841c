"""Testbenches and the simulated board."""

"""What is measured, against whom; every script writes JSON."""

"""What becomes gates, and the build that makes a bitstream of it."""

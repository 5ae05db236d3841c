"""The tasks a network can be trained on; NumPy only (scikit-learn where a task needs it)."""

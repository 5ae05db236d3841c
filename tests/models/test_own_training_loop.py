"""The example runs, and what it writes is a network that has learned something."""

import importlib.util
from pathlib import Path

from models.file import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_training_loop.py"


def test_the_example_learns_and_saves(tmp_path):
    spec = importlib.util.spec_from_file_location("own_training_loop", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    output = tmp_path / "waves.safetensors"
    assert example.main(["--epochs", "3", "--output", str(output)]) > 0.7
    assert load(output).spec.labels == ("first", "second")

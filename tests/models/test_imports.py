"""What must work without PyTorch, and without scikit-learn until digits are loaded."""

import subprocess
import sys

CODE = """
import sys
sys.modules["torch"] = sys.modules["sklearn"] = None  # any import of them fails
import models.spec, models.network, models.file, models.golden, models.random_networks
import models.image, models.order, models.parity
from models.tasks import named
from models.tasks import adding, arrays, data, digits
network = models.random_networks.random_network(0)
models.golden.GoldenModel(network).run(models.random_networks.random_inputs(0, network, 1, 2))
adding.load(5)
x = adding.load(5, 3).train.x.repeat(2, axis=2)
models.parity.assign_parities(network, x)
"""


def test_the_network_runs_without_pytorch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

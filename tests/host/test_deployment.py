"""The driver on a small machine: numpy, pyyaml, safetensors and pyserial, and nothing else."""

import importlib.metadata
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from models import file
from models.golden import GoldenModel
from models.random_networks import random_inputs
from tests.host.helpers import fake_device

ROOT = Path(__file__).resolve().parent.parent.parent
DIGITS = ROOT / "models" / "zoo" / "digits.safetensors"
PACKAGES = ("numpy", "pyyaml", "safetensors", "pyserial")
PATIENCE = 120

PROGRAM = """
import json, sys
sys.path[:0] = sys.argv[1:3]
import host
from host.aio import AsyncDevice
from host.cli.program import main
from host.device import Device
from host.discovery import discover

with Device.open(sys.argv[3], network=sys.argv[4], timeout=60.0) as device:
    results = list(device.run_many(json.load(sys.stdin)))
found = {name: sys.modules[name].__file__ for name in ("host", "numpy", "serial")}
print(json.dumps({
    "logits": [[int(n) for n in result.logits] for result in results],
    "path": sys.path, "files": found, "modules": sorted(sys.modules),
}))
"""


def only_these_packages(folder):
    """Fill a folder with links to what the packages installed, and nothing else."""
    for name in PACKAGES:
        distribution = importlib.metadata.distribution(name)
        assert not [item for item in distribution.requires or [] if "extra ==" not in item], (
            f"{name} needs more than itself"
        )
        tops = {path.parts[0] for path in distribution.files or [] if path.parts[0] != ".."}
        for top in tops:
            (folder / top).symlink_to(distribution.locate_file(top))


def serve(listener, device):
    """Be a board behind a TCP port, for one client."""
    client, _ = listener.accept()
    with client:
        while data := client.recv(4096):
            device.feed(data)
            while out := device.take(4096):
                client.sendall(out)


def test_driver_needs_four_packages_and_works_with_a_board(tmp_path):
    only_these_packages(tmp_path)
    network = file.load(DIGITS)
    x = random_inputs(1, network, 3, 8)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        board = threading.Thread(target=serve, args=(listener, fake_device(network)), daemon=True)
        board.start()
        url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        # -I, -S: no environment variables, no folder of ours, no installed packages.
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", PROGRAM, str(tmp_path), str(ROOT), url, str(DIGITS)],
            input=json.dumps(x.tolist()),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        board.join(PATIENCE)
    found = json.loads(done.stdout)
    np.testing.assert_array_equal(found["logits"], GoldenModel(network).run(x).scores)
    assert not [path for path in found["path"] if "site-packages" in path]
    assert Path(found["files"]["numpy"]).is_relative_to(tmp_path)
    # Neither these, nor what takes long to import and a driver does not need.
    heavy = {"torch", "scipy", "sklearn", "matplotlib", "amaranth", "tqdm", "cobs", "hdl", "sim"}
    assert not heavy & {name.partition(".")[0] for name in found["modules"]}

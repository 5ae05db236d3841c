"""A board is driven and a bitstream built without PyTorch."""

import subprocess
import sys

import pytest

WITHOUT = ["hdl.build", "hdl.plan", "host", "host.device", "models", "models.golden", "models.file"]


@pytest.mark.parametrize("module", WITHOUT)
def test_module_does_not_import_pytorch(module):
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0

"""`python -m bench.hardware`."""

import sys

from bench.hardware.cli import main

sys.exit(main())

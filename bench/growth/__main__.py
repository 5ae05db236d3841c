"""`python -m bench.growth`."""

import sys

from bench.growth.cli import main

sys.exit(main())

"""`python -m bench.rules`."""

import sys

from bench.rules.cli import main

sys.exit(main())

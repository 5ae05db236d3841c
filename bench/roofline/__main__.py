"""`python -m bench.roofline`."""

import sys

from bench.roofline.cli import main

sys.exit(main())

"""``python -m sim.levels``."""

import sys

from sim.levels.cli import main

sys.exit(main())

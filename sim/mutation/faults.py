"""All faults.

A fault names its file, the text it replaces (which occurs exactly once there) and what it puts
in its place. A fault that changes nothing that anybody can see says why in `equivalent`; the
run then fails if a test notices it after all.
"""

from sim.mutation.core_faults import CORE_FAULTS
from sim.mutation.fault import Fault
from sim.mutation.link_faults import LINK_FAULTS

__all__ = ["FAULTS", "Fault"]

FAULTS: tuple[Fault, ...] = CORE_FAULTS + LINK_FAULTS

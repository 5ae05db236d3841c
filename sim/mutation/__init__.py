"""Small faults in the gateware, and which test notices each."""

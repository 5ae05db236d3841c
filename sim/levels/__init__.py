"""The same sequences through every level: QAT module, golden model, RTL, netlist, bitstream."""

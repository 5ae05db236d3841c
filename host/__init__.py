"""The driver: devices behind one API, their transports, and the command line."""

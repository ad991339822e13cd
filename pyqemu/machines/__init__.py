"""Machine types: what the virtual hardware is, as data."""

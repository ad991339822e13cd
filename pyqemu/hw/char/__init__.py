"""Serial and parallel ports, and the debug port."""

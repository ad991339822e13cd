"""``pyqemu-machine``: looking at machine types, checking them, and making new ones."""

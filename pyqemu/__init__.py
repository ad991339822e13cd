"""pyqemu: the PC that people install with pip."""

__version__ = "1.1.0.dev0"

"""pyqemu: the PC that people install with pip.

``pyqemu.VirtualMachine`` is a machine for Python programs; see ``pyqemu.scripting``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyqemu.scripting import VirtualMachine

__all__ = ["VirtualMachine", "__version__"]

__version__ = "1.1.0.dev0"


def __getattr__(name: str) -> Any:
    """The command line imports this package and must not pay for the rest of it."""
    if name == "VirtualMachine":
        from pyqemu.scripting import VirtualMachine

        return VirtualMachine
    raise AttributeError(f"module 'pyqemu' has no attribute '{name}'")

"""Signal lines: the wires between chips.

A ``Pin`` is an input of a chip. Each source that drives it gets a ``Line`` of its own; the pin is high
while any line is high (a wired OR), so no device can lower another's request.
"""

from __future__ import annotations

from collections.abc import Callable


class Line:
    """One source's wire to a pin. ``level`` is what this source drives."""

    __slots__ = ("_pin", "level")

    def __init__(self, pin: Pin) -> None:
        self.level = False
        self._pin = pin

    def set(self, level: bool | int) -> None:
        """Drive the wire. Doing so twice with one level costs nothing and changes nothing."""
        if level:
            if not self.level:
                self.level = True
                self._pin.drive(1)
        elif self.level:
            self.level = False
            self._pin.drive(-1)

    def pulse(self) -> None:
        """A short high pulse: an edge for the receiver, the wire is low afterwards."""
        self.set(True)
        self.set(False)


class Pin:
    """A chip's input: high while at least one of its lines is.

    ``handler(level)`` is called on each change of the pin. A pin without handler is not connected.
    """

    __slots__ = ("_asserted", "handler")

    def __init__(self, handler: Callable[[bool], None] | None = None) -> None:
        self.handler = handler
        self._asserted = 0

    @property
    def level(self) -> bool:
        return self._asserted > 0

    @property
    def sources(self) -> int:
        """How many lines hold it high."""
        return self._asserted

    def connect(self) -> Line:
        """A new line into this pin, low."""
        return Line(self)

    def drive(self, change: int) -> None:
        """For ``Line`` only: one more (+1) or one less (-1) source holds the pin high."""
        before = self._asserted
        self._asserted = after = before + change
        if (before == 0 or after == 0) and self.handler is not None:
            self.handler(after > 0)

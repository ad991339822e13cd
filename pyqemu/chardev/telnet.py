"""The telnet protocol on a line: what is data, and what is the two ends talking to each other.

Source   RFC 854 (commands), RFC 857 (echo), RFC 858 (suppress go ahead), RFC 856 (binary)
"""

from __future__ import annotations

IAC, DONT, DO, WONT, WILL, SB, BREAK, SE = 255, 254, 253, 252, 251, 250, 243, 240
BINARY, ECHO, SUPPRESS_GO_AHEAD = 0, 1, 3

GREETING = bytes((IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD, IAC, WILL, BINARY, IAC, DO, BINARY))
"""A character at a time, echoed by the guest, all eight bits."""


def encode(data: bytes) -> bytes:
    return data.replace(b"\xff", b"\xff\xff")


class Decoder:
    """Takes the stream apart. Remembers a command that has not arrived whole, and nothing else."""

    def __init__(self) -> None:
        self._state = "data"

    def decode(self, data: bytes) -> tuple[bytes, int]:
        """The data in it, and how many breaks were sent."""
        if self._state == "data" and IAC not in data:
            return data, 0
        out, breaks = bytearray(), 0
        for byte in data:
            match self._state:
                case "data" if byte == IAC:
                    self._state = "command"
                case "data":
                    out.append(byte)
                case "command" if byte == IAC:
                    out.append(byte)
                    self._state = "data"
                case "command" if byte in (WILL, WONT, DO, DONT):
                    self._state = "option"  # we have said what we want; no answer, so no endless talk
                case "command" if byte == SB:
                    self._state = "subnegotiation"
                case "command":
                    breaks += byte == BREAK
                    self._state = "data"
                case "option":
                    self._state = "data"
                case "subnegotiation" if byte == IAC:
                    self._state = "subnegotiation end"
                case "subnegotiation end":
                    self._state = "data" if byte == SE else "subnegotiation"
        return bytes(out), breaks

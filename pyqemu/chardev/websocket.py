"""The server's side of the WebSocket protocol, as browsers speak it to a serial line.

Source   RFC 6455: 4.2 (opening handshake), 5.2 (frames), 5.5 (control frames)
Errors   WebSocketError: the peer breaks the rules, or the limits here; the connection is to be closed
"""

from __future__ import annotations

import base64
import hashlib
import re

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HANDSHAKE_LIMIT = 4096
CONTROL_LIMIT = 125  # bytes in a ping, pong or close frame

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80
MASKED = 0x80

REFUSAL = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class WebSocketError(Exception):
    """What the peer sent is not WebSocket."""


def frame(data: bytes, opcode: int = BINARY) -> bytes:
    """One unmasked frame."""
    size = len(data)
    if size < 126:
        head = bytes((FIN | opcode, size))
    elif size < 1 << 16:
        head = bytes((FIN | opcode, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((FIN | opcode, 127)) + size.to_bytes(8, "big")
    return head + data


def answer(request: bytes) -> bytes:
    """The reply to an opening handshake. Raises WebSocketError."""
    lines = request.split(b"\r\n")
    if not re.fullmatch(rb"GET \S+ HTTP/1\.1", lines[0]):
        raise WebSocketError("not a GET request")
    headers: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    if headers.get(b"upgrade", b"").lower() != b"websocket":
        raise WebSocketError("no upgrade to websocket")
    if b"upgrade" not in headers.get(b"connection", b"").lower():
        raise WebSocketError("no connection upgrade")
    if headers.get(b"sec-websocket-version") != b"13":
        raise WebSocketError("not version 13")
    key = headers.get(b"sec-websocket-key")
    if not key:
        raise WebSocketError("no key")
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    reply = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
    ]
    protocols = [word.strip() for word in headers.get(b"sec-websocket-protocol", b"").split(b",")]
    if b"binary" in protocols:
        reply.append(b"Sec-WebSocket-Protocol: binary")
    return b"\r\n".join([*reply, b"", b""])


class Server:
    """One connection: handshake first, then frames. Holds at most one header or control frame."""

    def __init__(self) -> None:
        self.ready = False
        self.closed = False
        self._buffer = bytearray()
        self._left = 0  # payload bytes still to come of the data frame at hand
        self._mask = b"\0\0\0\0"
        self._mask_position = 0

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """(for the device, to be sent back). Raises WebSocketError."""
        self._buffer += data
        replies = bytearray()
        if not self.ready:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0 and len(self._buffer) <= HANDSHAKE_LIMIT:
                return b"", b""
            if not 0 <= end <= HANDSHAKE_LIMIT:
                raise WebSocketError("the handshake is too long")
            replies += answer(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            self.ready = True
        out = bytearray()
        while not self.closed:
            if self._left:
                piece = self._unmask(self._left)
                if not piece:
                    break
                self._left -= len(piece)
                out += piece
            elif not self._next_frame(replies):
                break
        return bytes(out), bytes(replies)

    def _next_frame(self, replies: bytearray) -> bool:
        """Begin a data frame, or deal with a whole control frame. False: more bytes are needed."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        first, second = buffer[0], buffer[1]
        opcode, size, start = first & 0x0F, second & 0x7F, 2
        if first & 0x70 or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise WebSocketError("reserved bits or opcode")
        if not second & MASKED:
            raise WebSocketError("a frame is not masked")
        control = opcode >= CLOSE
        if control and (size > CONTROL_LIMIT or not first & FIN):
            raise WebSocketError("a control frame is too long or in pieces")
        extra = {126: 2, 127: 8}.get(size, 0)
        if len(buffer) < start + extra + 4 + (size if control else 0):
            return False
        if extra:
            size = int.from_bytes(buffer[start : start + extra], "big")
            start += extra
        if size >= 1 << 63:
            raise WebSocketError("a frame is longer than the protocol has it")
        self._mask, self._mask_position = bytes(buffer[start : start + 4]), 0
        del buffer[: start + 4]
        if not control:
            self._left = size
            return True
        payload = self._unmask(size)
        if opcode == PING:
            replies += frame(payload, PONG)
        elif opcode == CLOSE:
            replies += frame(payload[:2], CLOSE)
            self.closed = True
        return True

    def _unmask(self, limit: int) -> bytes:
        """Take up to *limit* payload bytes out of the buffer."""
        piece = bytes(self._buffer[:limit])
        del self._buffer[: len(piece)]
        if not piece:
            return b""
        turn = self._mask_position % 4
        key = (self._mask[turn:] + self._mask[:turn]) * (len(piece) // 4 + 1)
        self._mask_position += len(piece)
        size = len(piece)
        return (int.from_bytes(piece, "big") ^ int.from_bytes(key[:size], "big")).to_bytes(size, "big")

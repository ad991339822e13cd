"""Sockets as a serial line: servers, clients, telnet, WebSocket, and peers that misbehave."""

from __future__ import annotations

import base64
import hashlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqemu.chardev import socket as socket_module
from pyqemu.chardev import telnet, websocket
from pyqemu.chardev.factory import open_backend
from pyqemu.chardev.syntax import parse_spec
from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop
from pyqemu.cpu.library import native

LIMIT_S = 5.0


@pytest.fixture
def loop():
    module = native()
    loop = EventLoop(Clock(), module.timer_create(), module.timer_set)
    yield loop
    loop.close()


class Line:
    """A backend and the device at its end."""

    def __init__(self, loop, spec, room=1 << 16):
        self.loop, self.room, self.got, self.events = loop, room, bytearray(), []
        self.backend = open_backend(parse_spec(spec, "line"), loop)
        self.backend.on_open = lambda: self.events.append("open")
        self.backend.on_close = lambda: self.events.append("close")
        self.backend.on_break = lambda: self.events.append("break")
        self.backend.on_writable = lambda: self.events.append("writable")
        self.backend.connect(self.receive, lambda: self.room)

    def receive(self, data):
        assert 0 < len(data) <= self.room
        self.room -= len(data)
        self.got += data

    def until(self, condition):
        """Run the loop until something is so."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, (bytes(self.got), self.events, self.backend.filename)
            select.select([self.loop.fileno()], [], [], 0.05)
            self.loop._run_idle()
            self.loop.poll()

    def turn(self, times=3):
        for _ in range(times):
            select.select([self.loop.fileno()], [], [], 0.02)
            self.loop.poll()


@pytest.fixture
def line(loop):
    made = []

    def make(spec, room=1 << 16):
        made.append(Line(loop, spec, room))
        return made[-1]

    yield make
    for each in made:
        each.backend.close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "s")


def dial(path):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(LIMIT_S)
    peer.connect(path)
    return peer


def tcp_port(backend):
    return int(backend.filename.partition(",")[0].rpartition(":")[2])


# -- servers --------------------------------------------------------------------------------------------------


def test_a_server_talks_to_its_client(line, path):
    com = line(f"unix:{path},server=on,wait=off")
    assert com.backend.filename == f"disconnected:unix:{path},server=on"
    with dial(path) as peer:
        com.until(lambda: com.events == ["open"])
        assert com.backend.filename == f"unix:{path},server=on"
        peer.sendall(b"root\n")
        com.until(lambda: com.got == b"root\n")
        com.backend.write(b"login:\n")
        assert peer.recv(100) == b"login:\n"
    com.until(lambda: com.events == ["open", "close"])


def test_without_a_client_output_is_lost_and_nothing_waits(line, path):
    com = line(f"unix:{path},server=on,wait=off")
    assert com.backend.write(b"x" * 1_000_000) == 1_000_000
    with dial(path) as peer:
        com.until(lambda: com.events)
        com.backend.write(b"now\n")
        assert peer.recv(100) == b"now\n"


def test_clients_one_after_another(line, path):
    com = line(f"unix:{path},server=on,wait=off")
    first, second = dial(path), dial(path)
    com.until(lambda: com.events == ["open"])
    second.sendall(b"two")
    com.turn()
    assert com.got == b""
    first.close()
    com.until(lambda: com.got == b"two")
    assert com.events == ["open", "close", "open"]
    second.close()


def test_what_was_sent_before_leaving_arrives(line, path):
    com = line(f"unix:{path},server=on,wait=off", room=2)
    with dial(path) as peer:
        peer.sendall(b"abcdef")
    com.until(lambda: com.events == ["open", "close"])
    assert com.got == b"ab"
    com.room = 10
    com.backend.accept_input()
    assert com.got == b"abcdef"


def test_a_guest_that_does_not_read_makes_the_peer_wait(line, path):
    com = line(f"unix:{path},server=on,wait=off", room=0)
    with dial(path) as peer:
        peer.setblocking(False)
        com.until(lambda: com.events)
        sent = 0
        for _ in range(1000):
            try:
                sent += peer.send(b"x" * 4096)
            except BlockingIOError:
                break
            com.turn(1)
        else:
            pytest.fail("the backend reads without end")
        before = time.process_time()
        com.turn()
        assert time.process_time() - before < 0.1  # nobody spins
        com.room = sent
        com.backend.accept_input()
        com.until(lambda: len(com.got) == sent)


def test_a_peer_that_does_not_read_gives_backpressure_and_then_room(line, path):
    com = line(f"unix:{path},server=on,wait=off")
    with dial(path) as peer:
        com.until(lambda: com.events)
        sent = 0
        while taken := com.backend.write(b"y" * 1000):
            sent += taken
            assert sent < 1 << 24
        received = 0
        peer.setblocking(False)
        while received < sent:
            com.turn(1)
            try:
                received += len(peer.recv(1 << 16))
            except BlockingIOError:
                continue
        assert received == sent and "writable" in com.events


def test_a_device_that_waits_for_a_peer_that_left_goes_on(line, path):
    com = line(f"unix:{path},server=on,wait=off")
    with dial(path):
        com.until(lambda: com.events)
        while com.backend.write(b"y" * 1000):
            pass
    com.until(lambda: "close" in com.events)
    assert "writable" in com.events
    assert com.backend.write(b"lost") == 4


def test_half_closed_peer_still_gets_what_is_ready(line, path):
    com = line(f"unix:{path},server=on,wait=off")
    with dial(path) as peer:
        com.until(lambda: com.events)
        com.backend.write(b"answer")
        peer.shutdown(socket.SHUT_WR)
        com.until(lambda: "close" in com.events)
        assert peer.recv(100) == b"answer"
        assert peer.recv(100) == b""


def test_disconnect_sends_the_peer_away(line, path):
    com = line(f"unix:{path},server=on,wait=off")
    with dial(path) as peer:
        com.until(lambda: com.events)
        com.backend.disconnect()
        assert peer.recv(1) == b"" and com.events == ["open", "close"]
    with dial(path):
        com.until(lambda: com.events[-1] == "open" and len(com.events) == 3)


def test_a_server_waits_for_its_client_unless_told_otherwise(loop, path, capsys):
    def client():
        while not os.path.exists(path):
            time.sleep(0.01)
        with dial(path) as peer:
            peer.sendall(b"hi")
            done.wait(LIMIT_S)

    done = threading.Event()
    thread = threading.Thread(target=client)
    thread.start()
    com = Line(loop, f"unix:{path},server=on")
    assert com.events == ["open"]
    com.until(lambda: com.got == b"hi")
    done.set()
    thread.join()
    com.backend.close()
    assert (
        capsys.readouterr().err
        == f"pyqemu: info: QEMU waiting for connection on: disconnected:unix:{path},server=on\n"
    )


WAITING = """
import signal, sys, threading, time
from pyqemu.chardev.factory import open_backend
from pyqemu.chardev.syntax import parse_spec
from pyqemu.core.clock import Clock
from pyqemu.core.events import EventLoop
from pyqemu.cpu.library import native
signal.signal(signal.SIGUSR1, lambda *_: print("a signal", flush=True))
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGUSR1])  # so the other thread gets them
loop = EventLoop(Clock(), native().timer_create(), native().timer_set)
try:
    open_backend(parse_spec(f"unix:{sys.argv[1]},server=on", "line"), loop)
except KeyboardInterrupt:
    print("ended", flush=True)
"""


def test_a_signal_is_noticed_while_a_server_waits_though_its_thread_does_not_get_it(path):
    command = [sys.executable, "-c", WAITING, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert "waiting for connection" in process.stderr.readline()
            for _ in range(2):
                process.send_signal(signal.SIGUSR1)
                assert select.select([process.stdout], [], [], 30)[0]
                assert process.stdout.readline() == "a signal\n"
            process.send_signal(signal.SIGINT)
            assert select.select([process.stdout], [], [], 30)[0]
            assert process.stdout.readline() == "ended\n"
        finally:
            process.kill()


def test_the_socket_file_goes_with_the_machine_and_an_old_one_is_replaced(line, path):
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    com = line(f"unix:{path},server=on,wait=off")
    com.backend.close()
    assert not os.path.exists(path)


def test_a_file_in_the_way_is_left_alone(loop, path):
    with open(path, "w") as file:
        file.write("precious")
    with pytest.raises(ConfigError, match=f"Failed to bind socket to {path}: Address already in use"):
        Line(loop, f"unix:{path},server=on,wait=off")
    with open(path) as file:
        assert file.read() == "precious"


def test_closing_does_not_remove_anothers_socket(line, path):
    com = line(f"unix:{path},server=on,wait=off")
    os.unlink(path)
    other = socket.socket(socket.AF_UNIX)
    other.bind(path)
    com.backend.close()
    assert os.path.exists(path)
    other.close()


def test_descriptors_come_with_messages_and_none_leak(line, path):
    com = line(f"unix:{path},server=on,wait=off")
    before = len(os.listdir("/proc/self/fd"))
    with dial(path) as peer:
        reader, writer = os.pipe()
        socket.send_fds(peer, [b"a"], [reader])
        com.until(lambda: com.got == b"a")
        (received,) = com.backend.take_fds()
        os.write(writer, b"x")
        assert os.read(received, 1) == b"x" and com.backend.take_fds() == []
        os.close(received)
        for _ in range(5):
            socket.send_fds(peer, [b"b"], [reader] * 10)
        com.until(lambda: com.got == b"abbbbb")
        os.close(reader)
        os.close(writer)
    com.until(lambda: "close" in com.events)
    assert len(os.listdir("/proc/self/fd")) == before


def test_tcp_ports(line, loop):
    com = line("tcp:127.0.0.1:0,server=on,wait=off")
    port = tcp_port(com.backend)
    with pytest.raises(ConfigError, match="Failed to find an available port: Address already in use"):
        Line(loop, f"tcp:127.0.0.1:{port},server=on,wait=off")
    other = line(f"tcp:127.0.0.1:{port},server=on,wait=off,to={port + 20}")
    assert port < tcp_port(other.backend) <= port + 20
    with socket.create_connection(("127.0.0.1", port)) as peer:
        com.until(lambda: com.events)
        name = f"127.0.0.1:{peer.getsockname()[1]}"
        assert com.backend.filename == f"tcp:127.0.0.1:{port},server=on <-> {name}"


def test_a_reset_connection_is_a_closed_one(line):
    com = line("tcp:127.0.0.1:0,server=on,wait=off")
    peer = socket.create_connection(("127.0.0.1", tcp_port(com.backend)))
    com.until(lambda: com.events)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    com.until(lambda: com.events == ["open", "close"])
    assert com.backend.write(b"x\n") == 2


def test_abstract_names(line):
    name = f"pyqemu-test-{os.getpid()}"
    com = line(f"unix:{name},server=on,wait=off,abstract=on")
    with dial(b"\0" + name.encode()):
        com.until(lambda: com.events == ["open"])
    assert com.backend.filename.startswith(("unix:@", "disconnected:unix:@"))


# -- clients --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec,message",
    [
        ("unix:/nosuch/s", "Failed to connect to '/nosuch/s': No such file or directory"),
        ("tcp:127.0.0.1:1", "Failed to connect to '127.0.0.1:1': Connection refused"),
        ("unix:/nosuch/s,server=on", "Failed to bind socket to /nosuch/s: No such file or directory"),
        ("tcp:127.0.0.1:x", "address resolution failed for 127.0.0.1:x: Servname not supported for ai_socktype"),
        ("tcp:127.0.0.1:99999", "address resolution failed for 127.0.0.1:99999: port is out of range"),
        (f"unix:{'x' * 200}", f"UNIX socket path '{'x' * 200}' is too long"),
    ],
)
def test_what_the_host_refuses(loop, spec, message):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ConfigError) as error:
        open_backend(parse_spec(spec), loop)
    assert str(error.value) == message
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_client_is_connected_from_the_start(line, path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    com = line(f"unix:{path}")
    assert com.events == ["open"] and com.backend.filename == f"unix:{path}"
    peer, _ = server.accept()
    peer.sendall(b"x")
    com.until(lambda: com.got == b"x")
    peer.close()
    com.until(lambda: com.events == ["open", "close"])
    assert com.backend.write(b"lost\n") == 5
    server.close()


def test_a_client_comes_back_when_it_is_told_to(line, path, monkeypatch, capsys):
    com = line(f"unix:{path},reconnect=1")
    assert com.events == [] and com.backend.write(b"lost") == 4
    assert capsys.readouterr().err == (
        f"pyqemu: Unable to connect character device : Failed to connect to '{path}': No such file or directory\n"
    )


@pytest.mark.parametrize("server", [True, False])
def test_a_socket_that_was_passed(loop, server, path):
    if server:
        passed = socket.socket(socket.AF_UNIX)
        passed.bind(path)
        passed.listen()
        spec = {"server": "on", "wait": "off"}
    else:
        passed, peer = socket.socketpair()
        spec = {}
    from pyqemu.launch import ChardevConfig

    backend = open_backend(ChardevConfig("socket", "c", {"fd": str(passed.detach())} | spec), loop)
    if server:
        peer = dial(path)
        while not backend.is_open:
            loop.poll()
    backend.write(b"hello\n")
    assert peer.recv(10) == b"hello\n"
    peer.close()
    backend.close()


def test_what_was_passed_is_no_such_socket(loop):
    from pyqemu.launch import ChardevConfig

    connected, peer = socket.socketpair()
    for fd, words in (
        (999, "File descriptor '999' is not a socket"),
        (connected.fileno(), f"File descriptor '{connected.fileno()}' is not a listening stream socket"),
    ):
        with pytest.raises(ConfigError) as error:
            open_backend(ChardevConfig("socket", "c", {"fd": str(fd), "server": "on", "wait": "off"}), loop)
        assert str(error.value) == words
    connected.close()
    peer.close()


# -- telnet ---------------------------------------------------------------------------------------------------


def test_telnet_greets_and_talks(line):
    com = line("telnet:127.0.0.1:0,server=on,wait=off")
    with socket.create_connection(("127.0.0.1", tcp_port(com.backend)), LIMIT_S) as peer:
        com.until(lambda: com.events)
        assert peer.recv(100) == telnet.GREETING
        peer.sendall(b"a\xff\xfd\x01b\xff\xf3c\xff\xffd\xff\xfa\x18stuff\xff\xf0e")
        com.until(lambda: com.got.endswith(b"e"))
        assert com.got == b"abc\xffde" and com.events == ["open", "break"]
        com.backend.write(b"\xff\n")
        assert peer.recv(10) == b"\xff\xff\n"


@given(st.binary(max_size=60), st.lists(st.integers(1, 9), max_size=20))
def test_telnet_data_survives_any_cut(data, cuts):
    decoder, out, rest = telnet.Decoder(), b"", telnet.encode(data)
    for cut in cuts:
        out += decoder.decode(rest[:cut])[0]
        rest = rest[cut:]
    assert out + decoder.decode(rest)[0] == data


# -- WebSocket ------------------------------------------------------------------------------------------------

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: text, binary\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)


def masked(data, opcode=2, fin=0x80, mask=b"\x12\x34\x56\x78"):
    size = len(data)
    head = (
        bytes((fin | opcode, 0x80 | size)) if size < 126 else bytes((fin | opcode, 0xFE)) + size.to_bytes(2, "big")
    )
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))


def test_websocket_handshake_and_frames(line):
    com = line("websocket:127.0.0.1:0,server=on,wait=off")
    with socket.create_connection(("127.0.0.1", tcp_port(com.backend)), LIMIT_S) as peer:
        peer.sendall(HANDSHAKE)
        com.until(lambda: com.events == ["open"])
        reply = peer.recv(1000)
        assert reply.startswith(b"HTTP/1.1 101 ") and reply.endswith(b"\r\n\r\n")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in reply  # the example of RFC 6455, 1.3
        assert b"Sec-WebSocket-Protocol: binary\r\n" in reply
        peer.sendall(masked(b"hello"))
        peer.sendall(masked(b"ping me", 9))
        com.until(lambda: com.got == b"hello" and select.select([peer], [], [], 0)[0])
        assert peer.recv(100) == websocket.frame(b"ping me", websocket.PONG)
        com.backend.write(b"x" * 300 + b"\n")
        data = peer.recv(1000)
        assert data == b"\x82\x7e\x01\x2d" + b"x" * 300 + b"\n"
        peer.sendall(masked(b"\x03\xe8", 8))
        com.until(lambda: com.events == ["open", "close"])
        assert peer.recv(100) == b"\x88\x02\x03\xe8"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HANDSHAKE.partition(b"\r\n")[2],
        HANDSHAKE.replace(b"13", b"8"),
        HANDSHAKE.replace(b"websocket\r", b"h2c\r"),
        b"\xff" * 100 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 5000,
    ],
)
def test_what_is_no_websocket_is_refused(line, request_):
    com = line("websocket:127.0.0.1:0,server=on,wait=off")
    with socket.create_connection(("127.0.0.1", tcp_port(com.backend)), LIMIT_S) as peer:
        peer.sendall(request_)
        com.until(lambda: com.backend.filename.startswith("websocket"))
        com.until(lambda: com.backend.filename.startswith("disconnected"))
        assert peer.recv(1000) == websocket.REFUSAL
    assert com.events == [] and com.got == b""


def test_a_peer_that_says_nothing_does_not_keep_others_out(line, monkeypatch):
    monkeypatch.setattr(socket_module, "HANDSHAKE_S", 0.1)
    com = line("websocket:127.0.0.1:0,server=on,wait=off")
    address = ("127.0.0.1", tcp_port(com.backend))
    with socket.create_connection(address, LIMIT_S) as mute, socket.create_connection(address, LIMIT_S) as peer:
        peer.sendall(HANDSHAKE)
        com.until(lambda: com.events == ["open"])
        assert mute.recv(1) == b""


@pytest.mark.parametrize(
    "bad",
    [b"\x82\x05hello", b"\xf2\x80abcd", b"\x83\x80abcd", b"\x89\xfe\x01\x00abcd", b"\x09\x80abcd",
     b"\x82\xff" + b"\xff" * 12],
)  # fmt: skip
def test_frames_that_break_the_rules_end_the_connection(bad):
    server = websocket.Server()
    server.receive(HANDSHAKE)
    with pytest.raises(websocket.WebSocketError):
        server.receive(bad)


@given(st.lists(st.binary(max_size=200), max_size=5), st.lists(st.integers(1, 300), max_size=20))
def test_websocket_payload_survives_any_cut(payloads, cuts):
    stream = HANDSHAKE + b"".join(masked(p, 2 if n == 0 else 0, 0x80) for n, p in enumerate(payloads))
    server, out = websocket.Server(), b""
    for cut in cuts:
        out += server.receive(stream[:cut])[0]
        stream = stream[cut:]
    assert out + server.receive(stream)[0] == b"".join(payloads)


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_any_bytes_are_frames_or_an_error(data):
    server = websocket.Server()
    server.receive(HANDSHAKE)
    try:
        server.receive(data)
    except websocket.WebSocketError:
        return
    assert len(server._buffer) <= 14 + websocket.CONTROL_LIMIT


def test_accept_key_is_the_rfcs():
    key = b"dGhlIHNhbXBsZSBub25jZQ=="
    assert base64.b64encode(hashlib.sha1(key + websocket.GUID).digest()) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

"""Backends by name: the words of ``-serial``, the keys of ``-chardev``, and the registry."""

from __future__ import annotations

import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyqemu.chardev import NullChardev
from pyqemu.chardev.file import FileChardev
from pyqemu.chardev.mux import MuxChardev
from pyqemu.chardev.registry import Chardevs
from pyqemu.chardev.ringbuf import RingbufChardev
from pyqemu.chardev.stdio import StdioChardev
from pyqemu.chardev.syntax import BACKENDS, KEYS, check, parse_spec
from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop
from pyqemu.launch import ChardevConfig


@pytest.fixture
def loop():
    loop = EventLoop(Clock(source=None), os.eventfd(0), lambda _fd, _ns: None)
    yield loop
    loop.close()


@pytest.fixture
def chardevs(loop):
    chardevs = Chardevs(loop)
    yield chardevs
    chardevs.close()


def chardev(backend, id="c", **values):
    return ChardevConfig(backend, id, values)


def test_kinds(chardevs, tmp_path):
    assert chardevs.open("none") is None
    assert isinstance(chardevs.open("null"), NullChardev)
    assert isinstance(chardevs.open(f"file:{tmp_path}/a:b,c"), FileChardev)
    assert (tmp_path / "a:b,c").exists()


@pytest.mark.parametrize("spec,kind", [("stdio", StdioChardev), ("mon:stdio", MuxChardev)])
def test_the_terminal_is_for_one(chardevs, spec, kind):
    assert isinstance(chardevs.open(spec, "serial0"), kind)
    with pytest.raises(ConfigError, match="cannot use stdio by multiple character devices"):
        chardevs.open("stdio")


@pytest.mark.parametrize(
    "spec", ["foo", "", "null:x", "stdio:x", "file", "FILE:x", "none:", "tcp:", "tcp:x", "udp:", "unix:", "pty:x"]
)
def test_unknown_kinds_have_qemus_words(chardevs, spec):
    with pytest.raises(ConfigError) as error:
        chardevs.open(spec)
    assert str(error.value) == f"'{spec}' is not a valid char driver"
    assert error.value.hint.startswith("Accepted: ")


def test_near_match(chardevs):
    with pytest.raises(ConfigError) as error:
        chardevs.open("stido")
    assert "Did you mean 'stdio'?" in error.value.hint


@pytest.mark.parametrize("spec", ["/dev/ttyS0", "msmouse", "braille", "tn3270:x:1", "con:", "mon:/dev/ttyS0"])
def test_what_qemu_has_and_we_lack_is_refused_with_a_reason(chardevs, spec):
    with pytest.raises(ConfigError, match="not supported by pyqemu: "):
        chardevs.open(spec)


@pytest.mark.parametrize(
    "spec,backend,values",
    [
        ("tcp::4555,server,nowait", "socket", {"host": "", "port": "4555", "server": "on", "wait": "off"}),
        ("tcp:[::1]:22,reconnect=3", "socket", {"host": "[::1]", "port": "22", "reconnect": "3"}),
        ("telnet:h:1,server=on", "socket", {"host": "h", "port": "1", "telnet": "on", "server": "on"}),
        ("websocket::1,server=on", "socket", {"host": "", "port": "1", "websocket": "on", "server": "on"}),
        ("unix:/a,,b,server=on,wait=off", "socket", {"path": "/a,b", "server": "on", "wait": "off"}),
        ("udp:h:1@l:2", "udp", {"host": "h", "port": "1", "localaddr": "l", "localport": "2"}),
        ("udp::1", "udp", {"host": "", "port": "1"}),
        ("vc:80Cx24C", "vc", {"cols": "80", "rows": "24"}),
        ("vc:640x480", "vc", {"width": "640", "height": "480"}),
        ("pipe:/p", "pipe", {"path": "/p"}),
        ("pty", "pty", {}),
    ],
)
def test_words_of_serial_and_their_keys(spec, backend, values):
    config = parse_spec(spec)
    assert (config.backend, config.values) == (backend, values)


@pytest.mark.parametrize(
    "config,message",
    [
        (chardev("foo"), "'foo' is not a valid char driver name"),
        (chardev("file"), "chardev: file: no filename given"),
        (chardev("pipe"), "chardev: pipe: no device path given"),
        (chardev("udp"), "chardev: udp: remote port not specified"),
        (chardev("socket", host="y"), "chardev: socket: no port given"),
        (chardev("socket", path="/x", host="y"), "None or one of 'path', 'fd' or 'host' option required."),
        (
            chardev("socket", path="/x", wait="off"),
            "'wait' option is incompatible with socket in client connect mode",
        ),
        (
            chardev("socket", path="/x", server="on", reconnect="1"),
            "'reconnect' option is incompatible with socket in server listen mode",
        ),
        (chardev("socket", path="/x", websocket="on"), "Websocket client is not implemented"),
        (chardev("socket", path="/x", server="x"), "Parameter 'server' expects 'on' or 'off'"),
        (chardev("socket", path="/x", reconnect="x"), "Parameter 'reconnect' expects a number"),
        (
            chardev("socket", path="/x", **{"tls-creds": "t"}),
            "'tls-creds' is not supported by pyqemu: there is no TLS",
        ),
        (chardev("pty", foo="1"), "Invalid parameter 'foo'"),
    ],
)
def test_mistakes_have_qemus_words(config, message):
    with pytest.raises(ConfigError) as error:
        check(config)
    assert str(error.value) == message


def test_a_key_of_another_backend_is_remarked_on():
    assert check(chardev("null", path="x")) == ["'path' means nothing to the backend null"]


@given(st.text(max_size=40))
def test_any_word_is_a_backend_or_refused(text):
    try:
        check(parse_spec(text))
    except ConfigError:
        return


@given(
    st.sampled_from(sorted(BACKENDS)),
    st.dictionaries(st.sampled_from(sorted(KEYS)), st.text(string.printable, max_size=10)),
)
def test_any_keys_are_checked(backend, values):
    try:
        check(ChardevConfig(backend, "c", values))
    except ConfigError:
        return


# -- the registry ---------------------------------------------------------------------------------------------


def test_ids_are_unique(chardevs):
    chardevs.add(chardev("null"))
    with pytest.raises(ConfigError, match="Duplicate ID 'c' for chardev"):
        chardevs.add(chardev("null"))
    with pytest.raises(ConfigError, match="chardev: no id specified"):
        chardevs.add(chardev("null", ""))


def test_a_backend_is_for_one_device(chardevs):
    backend = chardevs.add(chardev("ringbuf"))
    assert chardevs.open("chardev:c") is backend
    with pytest.raises(ConfigError, match="Device 'c' is in use"):
        chardevs.user("c")
    with pytest.raises(ConfigError, match='chardev "d" not found'):
        chardevs.user("d")


def test_a_mux_is_for_several(chardevs):
    chardevs.add(chardev("null", mux="on"))
    assert chardevs.user("c") is not chardevs.user("c")


def test_a_mux_of_its_own_takes_a_backend(chardevs):
    chardevs.add(chardev("null", "below"))
    assert isinstance(chardevs.add(chardev("mux", chardev="below")), MuxChardev)
    with pytest.raises(ConfigError, match="in use"):
        chardevs.user("below")


def test_mon_is_a_mux_that_waits_for_a_monitor(chardevs):
    mux = chardevs.open("mon:null", "serial0")
    assert chardevs.mon_muxes == [mux]
    assert [(id, backend.filename) for id, backend in chardevs.items()] == [("serial0", "mux")]


def test_only_what_nobody_uses_can_be_removed(chardevs):
    chardevs.add(chardev("null", "a"))
    chardevs.add(chardev("null", "b"))
    chardevs.user("a")
    with pytest.raises(ConfigError, match="Chardev 'a' is busy"):
        chardevs.remove("a")
    chardevs.remove("b")
    with pytest.raises(ConfigError, match="Chardev 'b' not found"):
        chardevs.remove("b")


def test_labels_of_options_give_way_to_ids(chardevs):
    chardevs.add(chardev("null", "serial0"))
    assert chardevs.open("null", "serial0").label == "serial0-0"


def test_the_log_has_what_the_guest_sent(chardevs, tmp_path):
    path = tmp_path / "log"
    path.write_text("before\n")
    backend = chardevs.add(chardev("null", logfile=str(path), logappend="on"))
    backend.write(b"hello\nrest")
    chardevs.flush()
    assert path.read_text() == "before\nhello\nrest"


def test_a_log_that_cannot_be_opened(chardevs):
    with pytest.raises(ConfigError, match="Could not create '/nosuch/x': No such file or directory"):
        chardevs.add(chardev("null", logfile="/nosuch/x"))


@pytest.mark.parametrize("size,ok", [("5", False), ("64k", True), ("0", False), ("1", True), ("2T", False)])
def test_sizes_of_ring_buffers(chardevs, size, ok):
    if ok:
        chardevs.add(chardev("ringbuf", size=size))
    else:
        with pytest.raises(ConfigError, match="size of ringbuf chardev"):
            chardevs.add(chardev("ringbuf", size=size))


def test_a_ring_buffer_keeps_the_newest():
    ring = RingbufChardev(8)
    ring.write(b"0123456789")
    assert ring.read(3) == b"234"
    assert ring.read(99) == b"56789"
    got = bytearray()
    ring.connect(got.extend, lambda: 4 if len(got) < 4 else 0)
    assert ring.inject(b"abcdef") == 6 and got == b"abcd"
    assert ring.inject(b"x" * 100) == 6

"""Backends by name."""

from __future__ import annotations

import os

import pytest

from pyqemu.chardev import NullChardev
from pyqemu.chardev.factory import create_chardev
from pyqemu.chardev.file import FileChardev
from pyqemu.chardev.mux import MuxChardev
from pyqemu.chardev.stdio import StdioChardev
from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop


@pytest.fixture
def loop():
    loop = EventLoop(Clock(source=None), os.eventfd(0), lambda _fd, _ns: None)
    yield loop
    loop.close()


def test_kinds(loop, tmp_path):
    assert create_chardev("none", loop) is None
    assert isinstance(create_chardev("null", loop), NullChardev)
    log = create_chardev(f"file:{tmp_path}/a:b", loop)
    assert isinstance(log, FileChardev) and (tmp_path / "a:b").exists()
    log.close()
    for spec, kind in (("stdio", StdioChardev), ("mon:stdio", MuxChardev)):
        chardev = create_chardev(spec, loop)
        assert isinstance(chardev, kind)
        with pytest.raises(ConfigError, match="cannot use stdio by multiple character devices"):
            create_chardev("stdio", loop)
        chardev.close()


@pytest.mark.parametrize("spec", ["foo", "", "null:x", "stdio:x", "file", "FILE:x", "none:"])
def test_unknown_kinds_have_qemus_words(loop, spec):
    with pytest.raises(ConfigError) as error:
        create_chardev(spec, loop)
    assert str(error.value) == f"'{spec}' is not a valid char driver"
    assert error.value.hint.startswith("Accepted: none, null, stdio, mon:stdio, file:PATH.")


def test_near_match(loop):
    with pytest.raises(ConfigError) as error:
        create_chardev("stido", loop)
    assert "Did you mean 'stdio'?" in error.value.hint


@pytest.mark.parametrize(
    "spec",
    ["pty", "vc", "vc:80Cx24C", "tcp::4444,server", "unix:/tmp/s", "udp::1", "pipe:x", "/dev/ttyS0", "mon:pty"],
)
def test_what_qemu_has_and_we_lack(loop, spec):
    with pytest.raises(ConfigError, match="not supported by pyqemu"):
        create_chardev(spec, loop)


def test_file_errors(loop):
    with pytest.raises(ConfigError, match="Could not open '/nosuch/x': No such file or directory"):
        create_chardev("file:/nosuch/x", loop)

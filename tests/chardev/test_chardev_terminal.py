"""Raw mode of a terminal and its restoration, on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios

import pytest

from pyqemu.chardev.terminal import TerminalMode


@pytest.fixture
def tty():
    master, slave = pty.openpty()
    yield slave
    os.close(master)
    os.close(slave)


def flags(fd):
    return termios.tcgetattr(fd)[:4]


def is_raw(fd):
    return not flags(fd)[3] & (termios.ICANON | termios.ECHO)


def test_enter_and_restore(tty):
    before = termios.tcgetattr(tty)
    with TerminalMode(tty):
        assert is_raw(tty)
        assert flags(tty)[1] & termios.OPOST and flags(tty)[3] & termios.ISIG
        assert not flags(tty)[0] & (termios.ICRNL | termios.IXON)
    assert termios.tcgetattr(tty) == before


def test_signals_can_go_to_the_guest(tty):
    with TerminalMode(tty, signals=False):
        assert not flags(tty)[3] & termios.ISIG


def test_twice_is_once(tty):
    before = flags(tty)
    mode = TerminalMode(tty)
    mode.enter()
    mode.enter()
    mode.restore()
    assert flags(tty) == before
    mode.restore()
    assert flags(tty) == before


def test_restored_after_an_exception(tty):
    before = flags(tty)
    with pytest.raises(RuntimeError), TerminalMode(tty):
        raise RuntimeError
    assert flags(tty) == before


@pytest.mark.parametrize("path", ["/dev/null", __file__])
def test_nothing_happens_to_what_is_no_terminal(path):
    handler = signal.getsignal(signal.SIGTSTP)
    fd = os.open(path, os.O_RDONLY)
    with TerminalMode(fd):
        assert signal.getsignal(signal.SIGTSTP) == handler
    os.close(fd)


def test_handlers_are_given_back(tty):
    before = signal.getsignal(signal.SIGTSTP), signal.getsignal(signal.SIGCONT)
    with TerminalMode(tty):
        assert signal.getsignal(signal.SIGCONT) != before[1]
    assert (signal.getsignal(signal.SIGTSTP), signal.getsignal(signal.SIGCONT)) == before


CONTINUED = """
import signal, time
from pyqemu.chardev.terminal import TerminalMode
continued = []
signal.signal(signal.SIGCONT, lambda *_: continued.append(1))
TerminalMode(0).enter()
print("raw", flush=True)
while True:
    time.sleep(0.002)
    if continued:
        continued.clear()
        print("again", flush=True)
"""


def child(tty, script):
    """In a process group of its own: the kernel does not stop members of an orphaned one, as a job without a
    shell may be."""
    command = [sys.executable, "-c", script]
    return subprocess.Popen(command, stdin=tty, stdout=subprocess.PIPE, text=True, process_group=0)


def test_restored_at_exit(tty):
    before = flags(tty)
    script = "from pyqemu.chardev.terminal import TerminalMode\nTerminalMode(0).enter()\nraise SystemExit(3)"
    with child(tty, script) as process:
        assert process.wait(10) == 3
    assert flags(tty) == before


def test_stop_gives_the_terminal_back_and_continue_takes_it_again(tty):
    before = flags(tty)
    process = child(tty, CONTINUED)
    try:
        assert process.stdout.readline() == "raw\n"
        assert is_raw(tty)
        process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert flags(tty) == before
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == "again\n"
        assert is_raw(tty)
        process.send_signal(signal.SIGTSTP)
        os.waitpid(process.pid, os.WUNTRACED)
        assert flags(tty) == before
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_continue_after_a_stop_we_could_not_see(tty):
    before = termios.tcgetattr(tty)
    with TerminalMode(tty):
        termios.tcsetattr(tty, termios.TCSANOW, before)
        os.kill(os.getpid(), signal.SIGCONT)
        assert is_raw(tty)

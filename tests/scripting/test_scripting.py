"""``pyqemu.VirtualMachine``: a machine that a program drives."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from process.program import EXIT, HALTED, PATIENCE, READY, assemble

import pyqemu
from pyqemu.core.errors import ConfigError
from pyqemu.monitor.errors import QmpError
from pyqemu.scripting import MachineEnded, Timeout, VirtualMachine

SECONDS = 20 * PATIENCE

ECHO = (
    READY
    + """
.next:  mov dx, 0x3FD
        in al, dx
        test al, 1
        jz .next
        mov dx, 0x3F8
        in al, dx
        xor al, 0x20
        out dx, al
        jmp .next
"""
)

KEYS = (
    READY
    + """
.next:  in al, 0x64
        test al, 1
        jz .next
        in al, 0x60
        mov dx, 0x3F8
        out dx, al
        jmp .next
"""
)

TICKS = "mov dword [es:0x500], 0\n" + READY + "again: inc dword [es:0x500]\n jmp again\n"

OPTIONS = ("-m", "16", "-M", "pc-1.0", "-device", EXIT)


def test_it_is_the_packages_own_name() -> None:
    assert pyqemu.VirtualMachine is VirtualMachine


def test_expect_send_and_expect_again(tmp_path: Path) -> None:
    with VirtualMachine(*OPTIONS, "-bios", assemble(tmp_path / "b", ECHO)) as vm:
        vm.expect("ready", SECONDS)
        vm.send("hello")
        assert vm.expect(r"H(.*)O", SECONDS)[1] == "ELL"
        vm.send(b"xo")
        vm.expect("O", SECONDS)  # not the one that was matched before
        assert vm.serial_text.endswith("HELLOXO")


def test_what_does_not_come_is_reported_with_what_came(tmp_path: Path) -> None:
    with VirtualMachine(*OPTIONS, "-bios", assemble(tmp_path / "b", HALTED)) as vm:
        vm.expect("ready", SECONDS)
        with pytest.raises(Timeout, match=r"no 'steady' on the serial line within 0\.1 s\n.*\nready"):
            vm.expect("steady", 0.1)


def test_the_end_of_the_machine_ends_the_waiting(tmp_path: Path) -> None:
    with VirtualMachine(*OPTIONS, "-bios", assemble(tmp_path / "b", 'say "last words"\nout8 0xF4, 2\n')) as vm:
        vm.expect("last words", SECONDS)
        with pytest.raises(MachineEnded, match="ended with 5"):
            vm.expect("more", SECONDS)
        assert vm.wait() == 5


def test_time_stands_still_between_calls(tmp_path: Path) -> None:
    with VirtualMachine(*OPTIONS, "-bios", assemble(tmp_path / "b", TICKS)) as vm:
        vm.expect("ready", SECONDS)
        count, now = vm.read_memory(0x500, 4), vm.clock.now()
        time.sleep(0.05)
        assert (vm.read_memory(0x500, 4), vm.clock.now()) == (count, now)
        vm.run_for(0.05)
        assert vm.read_memory(0x500, 4) != count
        assert vm.clock.now() > now


def test_keys_reach_the_guest(tmp_path: Path) -> None:
    with VirtualMachine(*OPTIONS, "-bios", assemble(tmp_path / "b", KEYS)) as vm:
        vm.expect("ready\n", SECONDS)
        vm.type("a" * 30, SECONDS)  # more than the keyboard holds
        vm.press("ctrl-c", 1, SECONDS)
        vm.expect("\x14!\xf0!\xf0\x14", SECONDS)  # scan codes of set 2: no firmware has switched translation on
        assert vm.serial is not None
        assert vm.serial.output.count(b"\x1c\xf0\x1c") == 30
        with pytest.raises(ConfigError, match="invalid parameter: nokey"):
            vm.press("ctrl-nokey")
        with pytest.raises(ConfigError, match="cannot type"):
            vm.type("é")


def test_a_snapshot_is_gone_back_to(tmp_path: Path) -> None:
    with VirtualMachine(*OPTIONS, "-bios", assemble(tmp_path / "b", TICKS)) as vm:
        vm.expect("ready", SECONDS)
        state, count, now = vm.snapshot(), vm.read_memory(0x500, 4), vm.clock.now()
        vm.run_for(0.05)
        assert vm.read_memory(0x500, 4) != count
        vm.restore(state)
        assert (vm.read_memory(0x500, 4), vm.clock.now()) == (count, now)
        vm.run_for(0.05)
        assert vm.read_memory(0x500, 4) != count
        with pytest.raises(ConfigError):
            vm.restore(state[:1000])


def test_memory_and_ports(tmp_path: Path) -> None:
    with VirtualMachine(*OPTIONS, "-S", "-bios", assemble(tmp_path / "b", HALTED)) as vm:
        vm.write_memory(0x1000, b"abc")
        assert vm.read_memory(0xFFF, 5) == b"\0abc\0"
        vm.write_port(0x70, 0x0F)
        vm.write_port(0x71, 0x5A)
        assert vm.read_port(0x71) == 0x5A
        vm.write_port(0xCF8, 0x80000000, 4)
        assert vm.read_port(0xCFC, 4) == 0x12378086


def test_the_monitor_from_python(tmp_path: Path) -> None:
    with VirtualMachine(*OPTIONS, "-S", "-bios", assemble(tmp_path / "b", HALTED)) as vm:
        assert vm.qmp("query-status")["status"] == "prelaunch"
        with pytest.raises(Timeout):
            vm.expect("ready", 0.1)
        vm.qmp("cont")
        vm.expect("ready", SECONDS)
        vm.qmp("stop")
        assert vm.hmp("info status") == "VM status: paused\n"
        with pytest.raises(QmpError, match="Parameter 'filename' is missing"):
            vm.qmp("screendump")
        vm.qmp("screendump", filename=str(tmp_path / "s.ppm"))
        assert (tmp_path / "s.ppm").read_bytes().startswith(b"P6\n")
        assert vm.expect_event("STOP") == {}
        vm.qmp("quit")
        assert vm.wait(SECONDS) == 0
        assert vm.expect_event("SHUTDOWN") == {"guest": False, "reason": "host-qmp-quit"}


def test_the_screen(tmp_path: Path) -> None:
    with VirtualMachine(*OPTIONS) as vm:  # our BIOS says that there is nothing to boot from
        vm.expect_screen(r"(?i)boot", SECONDS)
        assert vm.screenshot(tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
        assert "boot" in vm.report("because").lower()


def test_other_threads_may_ask_through_the_event_loop(tmp_path: Path) -> None:
    with VirtualMachine(*OPTIONS, "-bios", assemble(tmp_path / "b", HALTED)) as vm:
        asked = threading.Timer(0.1, lambda: vm.loop.post(lambda: vm.power.request_shutdown("host-ui")))
        asked.start()
        assert vm.wait(SECONDS) == 0


def test_options_that_ask_for_help_are_refused() -> None:
    with pytest.raises(ConfigError, match="help text"):
        VirtualMachine("-M", "help")


def test_a_serial_option_takes_the_line_away(tmp_path: Path) -> None:
    with (
        VirtualMachine(*OPTIONS, "-serial", f"file:{tmp_path / 'log'}", "-S") as vm,
        pytest.raises(ConfigError, match="goes elsewhere"),
    ):
        vm.expect("x")

"""Machines made from Python: two in one process, and mistakes of ours inside a chip."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest
from process.program import EXIT, HALTED, Program, assemble, run

from pyqemu.api import VirtualMachine
from pyqemu.launch import LaunchConfig

TWO = """
import sys
from pyqemu.api import VirtualMachine
from pyqemu.cli.options import parse

common = ["-m", "16", "-nographic", "-serial", "null", "-monitor", "none", "-device", "isa-debug-exit,iobase=0xf4"]
first, second = (VirtualMachine(parse([*common, "-bios", bios])) for bios in sys.argv[1:3])
first.start()
second.start()
print(second.run(), first.run(), flush=True)
first.reset()
first.power.exit_status = None
print(first.run(), flush=True)
second.close()
first.close()
for _ in range(3):
    again = VirtualMachine(parse([*common, "-bios", sys.argv[1]]))
    again.start()
    print(again.run(), flush=True)
    again.close()
    again.close()
"""

BROKEN = """
import sys
from pyqemu.cli.entry import main
from pyqemu.hw.misc.debugexit import DebugExit

def broken(*_arguments):
    raise RuntimeError("a mistake of ours")

if sys.argv[1] == "port":
    DebugExit.write = broken
elif sys.argv[1] == "read":
    DebugExit.read = broken
else:
    from pyqemu.core.clock import Clock
    Clock.run_due = broken
sys.exit(main(sys.argv[2:]))
"""


def test_two_machines_in_one_process(tmp_path: Path) -> None:
    """They share no state: what one does is not seen in the other."""
    guests = [
        assemble(tmp_path / f"{value}.bin", f"xor ax, ax\nmov ds, ax\nadd byte [0x500], {value}\n"
                 "mov al, [0x500]\nmov dx, 0xF4\nout dx, al\njmp $\n")
        for value in (5, 9)
    ]  # fmt: skip
    program = run(program=[sys.executable, "-c", TWO, *map(str, guests)])
    assert program.status() == 0, program.report("failed")
    assert program.text.split() == ["19", "11", "21", "11", "11", "11"]
    assert program.errors == ""


@pytest.mark.parametrize(("where", "code"), [("port", "out8 0xF4, 1\n"), ("read", "in al, 0xF4\n"), ("timer", "")])
@pytest.mark.parametrize("loop", [HALTED, "sti\njmp $\n"])
def test_a_mistake_in_a_chip_ends_the_machine(tmp_path: Path, where: str, code: str, loop: str) -> None:
    """With its traceback and status 1, and the terminal as it was: never a hang."""
    bios = assemble(tmp_path / "bios.bin", code + loop)
    command = [sys.executable, "-c", BROKEN, where, "-bios", str(bios), "-nographic", "-device", EXIT]
    with Program(program=command, terminal=True) as program:
        assert program.status(10) == 1, program.report("wrong status")
        assert "RuntimeError: a mistake of ours" in program.errors
        assert program.terminal_settings() == program.settings


def test_other_threads_get_their_turn_while_the_guest_computes(tmp_path: Path) -> None:
    """The GIL is held while the guest runs, so the machine has to come back for other Python threads."""
    bios = assemble(tmp_path / "bios.bin", "jmp $\n")
    vm = VirtualMachine(LaunchConfig(machine="pc-1.0", bios=str(bios), nodefaults=True, vga="none"))
    turns = 0

    def count() -> None:
        nonlocal turns
        while turns < 20:
            turns += 1
            time.sleep(0.001)
        vm.power.request_shutdown("host-ui")

    vm.start()
    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        assert vm.run() == 0
    finally:
        vm.close()
    assert turns == 20

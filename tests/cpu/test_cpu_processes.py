"""Several engines, other users of Unicorn, and a library that does not fit."""

from __future__ import annotations

import gc
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from guest_board import Machine

import pyqemu
from pyqemu.core.errors import ConfigError
from pyqemu.cpu import library, selfcheck

ROOT = Path(pyqemu.__file__).parent.parent


def test_two_engines_do_not_disturb_each_other(assembler):
    source = """
        jmp main
handler:
        inc ebp
        iretd
main:   gate 0x20, handler
        xor ebp, ebp
        mov ebx, {seed}
        mov ecx, 300
        sti
again:  imul ebx, ebx, 1103515245
        add ebx, 12345
        mov [0x100000 + ecx * 4], ebx
        out KICK, al
        test cl, 3
        jnz next
        raise 0x20
next:   loop again
        report ebx
        report ebp
        stop
"""

    def expected(seed):
        for _ in range(300):
            seed = (seed * 1103515245 + 12345) & 0xFFFFFFFF
        return [seed, 75]

    first, second = Machine(assembler), Machine(assembler)
    try:
        for machine, seed in ((first, 1), (second, 2)):
            machine.load('%include "flat32.inc"\n' + source.format(seed=seed))
        running = [first, second]
        while running:
            running = [machine for machine in running if machine.cpu.run() == "kicked"]
        assert first.reports == expected(1)
        assert second.reports == expected(2)
        assert first.memory.read(0x100004, 1200) != second.memory.read(0x100004, 1200)
    finally:
        first.close()
        second.close()


def test_one_engine_runs_inside_a_port_handler_of_another(assembler):
    outer, inner = Machine(assembler), Machine(assembler)
    try:
        outer.on_signal = lambda _value: inner.flat32("report 1\nmov eax, 0\nint 0x30")
        assert outer.flat32("out SIGNAL, al\nreport 2\nstop") == [2]
        assert inner.reports[:2] == [1, 0xDEAD0030]
    finally:
        outer.close()
        inner.close()


def test_machines_are_collected(assembler):
    import weakref

    machine = Machine(assembler)
    assert machine.flat32("report 1\nstop") == [1]
    gone = weakref.ref(machine.cpu)
    machine.close()
    del machine
    gc.collect()
    assert gone() is None


# -- Unicorn in the same process ----------------------------------------------------------------------

STOCK = """
def stock():
    import unicorn, unicorn.x86_const as x86
    uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
    uc.mem_map(0x1000, 0x1000)
    # inc eax; out 16, al; in al, 17; cpuid; int 48; inc eax; ud2
    uc.mem_write(0x1000, bytes.fromhex("40e610e411cd3040"))
    seen = []
    uc.hook_add(unicorn.UC_HOOK_CODE, lambda u, a, s, d: seen.append(a))
    out = lambda u, p, s, v, d: seen.append(("out", p, v))
    uc.hook_add(unicorn.UC_HOOK_INSN, out, None, 1, 0, x86.UC_X86_INS_OUT)
    uc.hook_add(unicorn.UC_HOOK_INSN, lambda u, p, s, d: 0x42, None, 1, 0, x86.UC_X86_INS_IN)
    uc.hook_add(unicorn.UC_HOOK_INTR, lambda u, n, d: seen.append(("int", n)))
    uc.hook_add(unicorn.UC_HOOK_MEM_WRITE, lambda *a: seen.append("write"))
    uc.emu_start(0x1000, 0x1008)
    assert uc.reg_read(x86.UC_X86_REG_EAX) == 0x43, hex(uc.reg_read(x86.UC_X86_REG_EAX))
    assert ("out", 16, 1) in seen and ("int", 48) in seen, seen
    assert [a for a in seen if isinstance(a, int)] == [0x1000, 0x1001, 0x1003, 0x1005, 0x1007], seen
    uc64 = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    uc64.mem_map(0x1000, 0x1000)
    uc64.mem_write(0x1000, bytes.fromhex("0f05ffc0ffc04889042500180000"))   # syscall; inc eax twice; store
    calls = []
    uc64.hook_add(unicorn.UC_HOOK_INSN, lambda u, d: calls.append(1), None, 1, 0, x86.UC_X86_INS_SYSCALL)
    uc64.emu_start(0x1000, 0x100E)
    assert calls == [1] and uc64.reg_read(x86.UC_X86_REG_RAX) == 2
    assert uc64.mem_read(0x1800, 1) == b"\\x02"
    try:
        uc64.emu_start(0x5000, 0x5004)
    except unicorn.UcError as error:
        assert error.errno == unicorn.UC_ERR_FETCH_UNMAPPED
    else:
        raise AssertionError("no error")

def ours():
    import sys
    sys.path.insert(0, {here!r})
    import pathlib, tempfile
    from guest_board import Assembler, Machine
    with tempfile.TemporaryDirectory() as directory:
        machine = Machine(Assembler(pathlib.Path(directory)))
        got = machine.flat32("mov ecx, 100\\nxor eax, eax\\na: add eax, ecx\\nloop a\\nout REPORT, eax\\nint 0x30")
        assert got[:2] == [5050, 0xDEAD0030], got
        return machine
"""


@pytest.mark.parametrize(
    "order",
    [
        "import unicorn; machine = ours()",
        "stock(); machine = ours(); stock()",
        "machine = ours(); stock(); machine = ours()",
    ],
)
def test_unicorn_in_the_same_process(order):
    script = STOCK.replace("{here!r}", repr(str(Path(__file__).parent))) + f"\n{order}\nprint('fine')"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr


# -- libraries that do not fit ------------------------------------------------------------------------


@pytest.fixture
def unbound(monkeypatch):
    monkeypatch.setattr(library, "_sysmode", None)


def test_another_version_of_unicorn_is_refused(monkeypatch, unbound):
    monkeypatch.setattr(library, "UNICORN_VERSION", "2.9.9")
    with pytest.raises(
        ConfigError, match=r"^Unicorn 2\.1\.4 is installed, pyqemu needs exactly 2\.9\.9$"
    ) as caught:
        library.native()
    assert caught.value.hint == "Run: pip install unicorn==2.9.9"


def test_a_missing_unicorn_is_named(monkeypatch, unbound):
    def version(_name):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(library.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="'unicorn' is not installed"):
        library.native()


def test_another_platform_is_refused(monkeypatch, unbound):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigError, match="needs Linux on x86-64"):
        library.native()


def test_the_self_check_program_is_its_source(tmp_path):
    source = Path(selfcheck.__file__).with_suffix(".asm")
    output = tmp_path / "selfcheck.bin"
    subprocess.run(["nasm", "-f", "bin", "-o", str(output), str(source)], check=True)
    assert output.read_bytes() == selfcheck.PROGRAM


@pytest.mark.parametrize("name", ["interrupt", "fault", "system call", "kick"])
def test_the_self_check_names_what_fails(monkeypatch, name):
    """A program that reports all but one."""
    passed = 15 & ~(1 << selfcheck.CHECKS.index(name))
    program = bytes((0xFA, 0xE6, 0x12, 0xEB, 0x00, 0xB0, passed, 0xE6, 0x13, 0xF4))
    monkeypatch.setattr(selfcheck, "PROGRAM", program)
    with pytest.raises(ConfigError, match=f"fails its self-check: {name}$"):
        selfcheck.check(library.native())

"""The processor: registers and page tables."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyqemu.monitor.errors import QmpError
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.paging import Page, pages, translate
from pyqemu.monitor.qapi import BOOL, INT, STR, Array, Struct
from pyqemu.monitor.table import command, hmp_command

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine

CS64 = 1 << 15  # hflags
LONG_MODE = 1 << 14
CPL = 3
SMM = 1 << 19
INTERRUPTS_INHIBITED = 1 << 3
FLAGS = ((0x0400, "D"), (0x0800, "O"), (0x0080, "S"), (0x0040, "Z"), (0x0010, "A"), (0x0004, "P"), (0x0001, "C"))
CPU_PATH = "/machine/unattached/device[0]"

GENERAL_32 = {f"e{name}": f"r{name}" for name in ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp")}


def register_value(vm: VirtualMachine, name: str) -> int | None:
    """A register as expressions name it (``$eip``, ``$rax``, ``$cs``), or None."""
    from pyqemu.cpu.registers import FIELDS, GENERAL, SEGMENTS

    cpu = vm.cpu
    if name in GENERAL_32:
        return cpu.get(GENERAL_32[name]) & 0xFFFFFFFF
    if name in GENERAL or name in SEGMENTS or name in ("cr0", "cr2", "cr3", "cr4", "cr8", "eflags"):
        return cpu.get(name)
    if name in ("eip", "rip"):
        return cpu.get("rip")
    if name == "pc":
        return cpu.get("rip") + (0 if is_long(cpu) else cpu.get("cs.base"))
    if name in ("efer", "star", "lstar") and name in FIELDS:
        return cpu.get(name)
    return None


def is_long(cpu: Any) -> bool:
    """Whether the CPU executes 64-bit code."""
    return bool(cpu.get("hflags") & CS64)


def select_cpu(monitor: Monitor, index: int) -> None:
    """Raises QmpError if there is no such CPU."""
    if index != 0:
        raise QmpError("invalid CPU index")
    monitor.cpu_index = index


@hmp_command("cpu", "index:i", "index", "set the default CPU")
def cpu_(monitor: Monitor, index: int) -> str:
    try:
        select_cpu(monitor, index)
    except QmpError as error:
        return f"{error}\n"
    return ""


CPU_INFO = Struct(
    "CpuInfoFast",
    {
        "cpu-index": INT,
        "qom-path": STR,
        "thread-id": INT,
        "?props": Struct("CpuInstanceProperties", {}),
        "target": STR,
    },
)


@command("query-cpus-fast", returns=Array(CPU_INFO))
def query_cpus_fast(monitor: Monitor) -> list[dict[str, Any]]:
    if monitor.vm.board.tree.empty:
        return []
    thread = threading.get_native_id()
    return [{"thread-id": thread, "props": {}, "qom-path": CPU_PATH, "cpu-index": 0, "target": "x86_64"}]


MODEL = Struct(
    "CpuDefinitionInfo",
    {
        "name": STR,
        "typename": STR,
        "static": BOOL,
        "migration-safe": BOOL,
        "unavailable-features": Array(STR),
        "deprecated": BOOL,
    },
)


@command("query-cpu-definitions", returns=Array(MODEL))
def query_cpu_definitions(monitor: Monitor) -> list[dict[str, Any]]:
    from pyqemu.cpu.model_names import MODEL_NAMES

    return [
        {
            "name": name,
            "typename": f"{name}-x86_64-cpu",
            "static": False,
            "migration-safe": True,
            "unavailable-features": [],
            "deprecated": False,
        }
        for name in MODEL_NAMES
    ]


@hmp_command("info cpus", help="show infos for each CPU")
def info_cpus(monitor: Monitor) -> str:
    cpus = monitor.execute("query-cpus-fast", {})
    return "".join(f"* CPU #{cpu['cpu-index']}: thread_id={cpu['thread-id']}\n" for cpu in cpus)


@hmp_command(
    "info registers",
    "cpustate_all:-a,vcpu:i?",
    "[-a|vcpu]",
    "show the cpu registers (-a: show register info for all cpus; vcpu: specific vCPU to query; show the current"
    " CPU's registers if no argument is specified)",
)
def info_registers(monitor: Monitor, cpustate_all: bool = False, vcpu: int = 0) -> str:
    if monitor.vm.board.tree.empty:
        return "No CPU available\n"
    if vcpu != 0:
        return f"CPU#{vcpu} not available\n"
    cpu = monitor.vm.cpu
    long = bool(cpu.get("efer") & 1 << 10)
    code64 = is_long(cpu)
    lines = ["", "CPU#0"]
    lines += _general_64(cpu.get) if code64 else _general_32(cpu.get)
    lines[-1] += f" HLT={int(cpu.halted)}"
    lines += _segments(cpu.get, long)
    lines += _control(cpu.get, long)
    lines += _floating_point(cpu.get, 16 if code64 else 8)
    return "\n".join(lines) + "\n"


Get = Callable[[str], int]


def _rows(cells: list[str], width: int) -> list[str]:
    return [" ".join(cells[at : at + width]) for at in range(0, len(cells), width)]


def _general_32(get: Get) -> list[str]:
    order = ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp")
    rows = _rows([f"E{name.upper()}={get('r' + name) & 0xFFFFFFFF:08x}" for name in order], 4)
    return [*rows, f"EIP={get('rip') & 0xFFFFFFFF:08x} " + _flags(get)]


def _general_64(get: Get) -> list[str]:
    order = ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp")
    cells = [f"R{name.upper()}={get('r' + name):016x}" for name in order]
    cells += [f"{'R' + str(n):<3}={get('r' + str(n)):016x}" for n in range(8, 16)]
    return [*_rows(cells, 4), f"RIP={get('rip'):016x} " + _flags(get)]


def _flags(get: Get) -> str:
    flags, hidden = get("eflags"), get("hflags")
    letters = "".join(letter if flags & bit else "-" for bit, letter in FLAGS)
    return (
        f"{'RFL' if hidden & CS64 else 'EFL'}={flags:08x} [{letters}] CPL={hidden & CPL} "
        f"II={int(bool(hidden & INTERRUPTS_INHIBITED))} A20={get('a20_mask') >> 20 & 1} "
        f"SMM={int(bool(hidden & SMM))}"
    )


def _segments(get: Get, long: bool) -> list[str]:
    digits = 16 if long else 8
    lines = []
    for name in ("es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr"):
        flags = get(f"{name}.flags")
        head = (
            f"{name.upper():<3}={get(name) & 0xFFFF:04x} {get(f'{name}.base'):0{digits}x} "
            f"{get(f'{name}.limit'):08x} {flags & 0x00F0FF00:08x}"
        )
        lines.append(head + _segment_kind(get, name, flags))
    for name in ("gdt", "idt"):
        lines.append(f"{name.upper()}=     {get(f'{name}.base'):0{digits}x} {get(f'{name}.limit'):08x}")
    return lines


PROTECTED, VM86 = 1 << 7, 1 << 17
PRESENT, SYSTEM, CODE = 1 << 15, 1 << 12, 1 << 11
SYSTEM_KINDS = (
    (
        "Reserved", "TSS16-avl", "LDT", "TSS16-busy", "CallGate16", "TaskGate", "IntGate16", "TrapGate16",
        "Reserved", "TSS32-avl", "Reserved", "TSS32-busy", "CallGate32", "Reserved", "IntGate32", "TrapGate32",
    ),
    (
        "<hiword>", "Reserved", "LDT", "Reserved", "Reserved", "Reserved", "Reserved", "Reserved",
        "Reserved", "TSS64-avl", "Reserved", "TSS64-busy", "CallGate64", "Reserved", "IntGate64", "TrapGate64",
    ),
)  # fmt: skip


def _segment_kind(get: Get, name: str, flags: int) -> str:
    """The descriptor in words, in protected mode."""
    if not get("hflags") & PROTECTED or not flags & PRESENT:
        return ""
    text = f" DPL={flags >> 13 & 3} "
    accessed = "A" if flags & 1 << 8 else "-"
    if not flags & SYSTEM:
        long = bool(get("hflags") & LONG_MODE)
        return text + SYSTEM_KINDS[long][flags >> 8 & 15]
    if flags & CODE:
        size = "CS64" if flags & 1 << 21 else "CS32" if flags & 1 << 22 else "CS16"
        return f"{text}{size} [{'C' if flags & 1 << 10 else '-'}{'R' if flags & 1 << 9 else '-'}{accessed}]"
    size = "DS  " if flags & 1 << 22 or get("hflags") & LONG_MODE else "DS16"
    return f"{text}{size} [{'E' if flags & 1 << 10 else '-'}{'W' if flags & 1 << 9 else '-'}{accessed}]"


def _control(get: Get, long: bool) -> list[str]:
    digits = 16 if long else 8
    dr = [get(f"dr{number}") for number in range(8)]
    return [
        f"CR0={get('cr0'):08x} CR2={get('cr2'):0{digits}x} CR3={get('cr3'):0{digits}x} CR4={get('cr4'):08x}",
        "".join(f"DR{number}={dr[number]:016x} " for number in range(4)),
        f"DR6={dr[6]:016x} DR7={dr[7]:016x}",
        f"EFER={get('efer'):016x}",
    ]


def _floating_point(get: Get, registers: int) -> list[str]:
    top = get("fpstt")
    tags = sum((not get(f"fptag{number}")) << number for number in range(8))
    status = get("fpus") & ~0x3800 | (top & 7) << 11
    lines = [
        f"FCW={get('fpuc'):04x} FSW={status:04x} [ST={top}] FTW={tags:02x} MXCSR={get('mxcsr'):08x}",
    ]
    lines += _rows([f"FPR{n}={get(f'fpr{n}.m'):016x} {get(f'fpr{n}.e'):04x}" for n in range(8)], 2)
    lines += _rows([f"XMM{n:02}={get(f'xmm{n}.1'):016x} {get(f'xmm{n}.0'):016x}" for n in range(registers)], 2)
    return lines


# -- page tables ------------------------------------------------------------------------------------------------

MAX_ROWS = 1 << 16


@hmp_command("info tlb", help="show virtual to physical memory mappings")
def info_tlb(monitor: Monitor) -> str:
    found = pages(monitor.vm)
    if found is None:
        return "PG disabled\n"
    rows = []
    for page in found:
        rows.append(f"{page.virtual:016x}: {page.physical:016x} {_attributes(page)}")
        if len(rows) >= MAX_ROWS:
            rows.append("... and more")
            break
    return "".join(f"{row}\n" for row in rows)


def _attributes(page: Page) -> str:
    bits = ((63, "X"), (8, "G"), (7, "P"), (6, "D"), (5, "A"), (4, "C"), (3, "T"), (2, "U"), (1, "W"))
    return "".join(
        letter if page.flags >> bit & 1 and (bit != 7 or page.size > 4096) else "-" for bit, letter in bits
    )


@hmp_command("info mem", help="show the active virtual memory mappings")
def info_mem(monitor: Monitor) -> str:
    """Runs of pages with the same rights."""
    found = pages(monitor.vm)
    if found is None:
        return "PG disabled\n"
    rows: list[str] = []
    start = end = rights = -1
    for page in found:
        page_rights = page.rights
        if page.virtual != end or page_rights != rights:
            if start >= 0:
                rows.append(_range(start, end, rights))
            start, rights = page.virtual, page_rights
        end = page.virtual + page.size
        if len(rows) >= MAX_ROWS:
            break
    if start >= 0:
        rows.append(_range(start, end, rights))
    return "".join(rows)


def _range(start: int, end: int, rights: int) -> str:
    letters = ("u" if rights & 4 else "-") + "r" + ("w" if rights & 2 else "-")
    return f"{start:016x}-{end:016x} {end - start:016x} {letters}\n"


@hmp_command(
    "gva2gpa", "addr:l", "addr", "print the guest physical address corresponding to a guest virtual address"
)
def gva2gpa(monitor: Monitor, addr: int) -> str:
    physical = translate(monitor.vm, addr & (1 << 64) - 1)
    return "Unmapped\n" if physical is None else f"gpa: {physical and hex(physical)}\n"

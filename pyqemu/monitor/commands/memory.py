"""Looking at memory and ports, and saving pieces of memory to files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqemu.monitor.errors import QmpError
from pyqemu.monitor.hmp_syntax import Format
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.paging import PAGE_BYTES, read_virtual
from pyqemu.monitor.qapi import INT, STR
from pyqemu.monitor.table import Hmp, command, hmp_command

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine

ADDRESS = (1 << 64) - 1
LINE_BYTES = 16
SHOWN_BYTES = 1 << 20  # of one x or xp
COPY_BYTES = 1 << 20
INSTRUCTION_BYTES = 15


def _read_assigned(vm: VirtualMachine, address: int, length: int) -> bytes | None:
    """Physical memory, or None if there is nothing at one of the addresses."""
    at = address
    while at < address + length:
        span = vm.board.memory.find(at)
        if span is None:
            return None
        at = span.end
    return _read_physical(vm, address, length)


def _read_physical(vm: VirtualMachine, address: int, length: int) -> bytes:
    return vm.board.memory.read(address, length)


@hmp_command("x", "fmt:/,addr:l", "/fmt addr", "virtual memory dump starting at 'addr'")
def x(monitor: Monitor, fmt: Format, addr: int) -> str:
    return _dump(monitor.vm, fmt, addr & ADDRESS, physical=False)


@hmp_command("xp", "fmt:/,addr:l", "/fmt addr", "physical memory dump starting at 'addr'")
def xp(monitor: Monitor, fmt: Format, addr: int) -> str:
    return _dump(monitor.vm, fmt, addr & ADDRESS, physical=True)


def _dump(vm: VirtualMachine, fmt: Format, address: int, *, physical: bool) -> str:
    if fmt.kind == "i":
        from pyqemu.monitor.disassembly import disassemble

        return disassemble(vm, address, fmt.count, physical=physical)
    size = fmt.size if fmt.size > 0 else 4
    per_line = (8 if size == 1 else LINE_BYTES) // size
    left = min(fmt.count, SHOWN_BYTES // size)
    if fmt.kind == "c":  # characters are bytes, and the count is still one of the size: QEMU has it so
        size, per_line, left = 1, per_line * size, left * size
    width = _width(fmt.kind, size)
    lines = []
    while left > 0:
        count = min(left, per_line)
        read = _read_assigned if physical else read_virtual
        data = read(vm, address, count * size)
        if data is None:
            lines.append(f"{address:016x}: Cannot access memory")
            break
        cells = [
            _cell(int.from_bytes(data[at : at + size], "little"), fmt.kind, size, width)
            for at in range(0, count * size, size)
        ]
        lines.append(f"{address:016x}: {' '.join(cells)}")
        address = (address + count * size) & ADDRESS
        left -= count
    return "".join(f"{line}\n" for line in lines)


def _width(kind: str, size: int) -> int:
    """Digits of the largest value."""
    bits = 8 * size
    return {
        "x": bits // 4,
        "o": (bits + 2) // 3,
        "u": len(str((1 << bits) - 1)),
        "d": len(str((1 << bits) - 1)),
    }.get(kind, 0)


def _cell(value: int, kind: str, size: int, width: int) -> str:
    match kind:
        case "x":
            return f"0x{value:0{width}x}"
        case "o":
            return f"{f'0{value:o}' if value else '0':>{width}}"
        case "u":
            return f"{value:{width}d}"
        case "d":
            return f"{_signed(value, 8 * size):{width}d}"
    return character(value & 0xFF)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def character(code: int) -> str:
    """A byte as a C character constant."""
    named = {0x27: "\\'", 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r"}
    if code in named:
        return f"'{named[code]}'"
    return f"'{chr(code)}'" if 0x20 <= code < 0x7F else f"'\\x{code:02x}'"


@hmp_command("print|p", "fmt:/,val:l", "/fmt expr", "print expression value (use $reg for CPU register access)")
def print_(monitor: Monitor, fmt: Format, val: int) -> str:
    match fmt.kind:
        case "o":
            return f"{'0' if val else ''}{val & ADDRESS:o}\n"
        case "u":
            return f"{val & ADDRESS}\n"
        case "d":
            return f"{val}\n"
        case "c":
            return f"{character(val & 0xFF)}\n"
    return f"{val & ADDRESS:#x}\n" if val else "0\n"


SUFFIXES = {1: "b", 2: "w", 4: "l"}


@hmp_command("i", "fmt:/,addr:i,index:i?", "/fmt addr", "I/O port read")
def i(monitor: Monitor, fmt: Format, addr: int, index: int | None = None) -> str:
    ports = monitor.vm.board.isa.ports
    if index is not None:
        ports.write(addr & 0xFFFF, 1, index & 0xFF)
        addr += 1
    width = _port_width(fmt)
    value = ports.read(addr & 0xFFFF, width)
    return f"port{SUFFIXES[width]}[0x{addr & 0xFFFF:04x}] = 0x{value:0{2 * width}x}\n"


@hmp_command("o", "fmt:/,addr:i,val:i", "/fmt addr value", "I/O port write")
def o(monitor: Monitor, fmt: Format, addr: int, val: int) -> None:
    width = _port_width(fmt)
    monitor.vm.board.isa.ports.write(addr & 0xFFFF, width, val & (1 << 8 * width) - 1)


def _port_width(fmt: Format) -> int:
    return fmt.size if fmt.size in SUFFIXES else 4


# -- files ------------------------------------------------------------------------------------------------------


@command(
    "memsave",
    {"val": INT, "size": INT, "filename": STR, "?cpu-index": INT},
    hmp=Hmp(
        "memsave",
        "val:l,size:i,filename:s",
        "addr size file",
        "save to disk virtual memory dump starting at 'addr' of size 'size'",
    ),
)
def memsave(monitor: Monitor, val: int, size: int, filename: str, cpu_index: int = 0) -> None:
    if cpu_index != 0:
        raise QmpError("Parameter 'cpu-index' expects a CPU number")
    address = val & ADDRESS
    with _open(filename) as file:
        while size > 0:
            piece = min(size, PAGE_BYTES - address % PAGE_BYTES)
            data = read_virtual(monitor.vm, address, piece)
            if data is None:
                raise QmpError(f"Invalid addr {address:#018x}/size {size} specified")
            file.write(data)
            address = (address + piece) & ADDRESS
            size -= piece


@command(
    "pmemsave",
    {"val": INT, "size": INT, "filename": STR},
    hmp=Hmp(
        "pmemsave",
        "val:l,size:i,filename:s",
        "addr size file",
        "save to disk physical memory dump starting at 'addr' of size 'size'",
    ),
)
def pmemsave(monitor: Monitor, val: int, size: int, filename: str) -> None:
    address = val & ADDRESS
    limit = 2 * monitor.vm.board.ram_bytes + (8 << 30)  # beyond it there is nothing: a typing mistake
    if size > limit:
        raise QmpError(f"Parameter 'size' expects at most {limit} bytes")
    with _open(filename) as file:
        while size > 0:
            piece = min(size, COPY_BYTES)
            file.write(_read_physical(monitor.vm, address, piece))
            address += piece
            size -= piece


def _open(filename: str):  # type: ignore[no-untyped-def]
    try:
        return open(filename, "wb")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
        raise QmpError(f"Could not open '{filename}': {reason}") from None


@hmp_command("sum", "start:i,size:i", "addr size", "compute the checksum of a memory region")
def sum_(monitor: Monitor, start: int, size: int) -> str:
    total = 0
    for byte in _read_physical(monitor.vm, start & ADDRESS, max(0, min(size, monitor.vm.board.ram_bytes))):
        total = ((total >> 1 | total << 15) + byte) & 0xFFFF  # BSD's sum
    return f"{total:05d}\n"


@hmp_command("info ramblock", help="Display system ramblock information")
def info_ramblock(monitor: Monitor) -> str:
    lines = [f"{'Block Name':>24} {'PSize':>8}  {'Offset':>18} {'Used':>18} {'Total':>18}"]
    offset = 0
    for name, size in ram_blocks(monitor.vm):
        lines.append(f"{name:>24} {'4 KiB':>8}  0x{offset:016x} 0x{size:016x} 0x{size:016x}")
        offset += size
    return "".join(f"{line}\n" for line in lines)


def ram_blocks(vm: VirtualMachine) -> list[tuple[str, int]]:
    """Name and size of each block of host memory that the guest can see."""
    board = vm.board
    found = {block.name: block.size for block in (board.ram, board.bios)}
    for device in board.devices.values():
        for block in getattr(device, "ram_blocks", list)():
            found[block.name] = block.size
    return list(found.items())

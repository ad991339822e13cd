"""Instructions as text, with Capstone (the extra ``pyqemu[monitor]``), in AT&T syntax as QEMU shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqemu.monitor.commands.cpu import is_long
from pyqemu.monitor.errors import QmpError
from pyqemu.monitor.paging import read_virtual

if TYPE_CHECKING:
    from pyqemu.api import VirtualMachine

LONGEST = 15  # bytes
SHOWN = 1000
CODE32 = 1 << 4  # hflags
HEX_COLUMNS = 8


def disassemble(vm: VirtualMachine, address: int, count: int, *, physical: bool) -> str:
    """*count* instructions from *address* on. Raises QmpError without Capstone."""
    try:
        import capstone
    except ImportError:
        raise QmpError("the disassembler needs the package capstone: pip install 'pyqemu[monitor]'") from None
    flags = vm.cpu.get("hflags")
    mode, digits = (
        (capstone.CS_MODE_64, 16)
        if is_long(vm.cpu)
        else (capstone.CS_MODE_32 if flags & CODE32 else capstone.CS_MODE_16, 8)
    )
    engine = capstone.Cs(capstone.CS_ARCH_X86, mode)
    engine.syntax = capstone.CS_OPT_SYNTAX_ATT
    lines = []
    for _ in range(min(count, SHOWN)):
        code = _code(vm, address, physical)
        if not code:
            lines.append(f"0x{address:0{digits}x}:  Cannot access memory")
            break
        size, mnemonic, operands = next(
            ((size, name, operands) for _, size, name, operands in engine.disasm_lite(code, address, 1)),
            (1, ".byte", f"0x{code[0]:02x}"),
        )
        shown = " ".join(f"{byte:02x}" for byte in code[:size])
        pieces = [shown[at : at + 3 * HEX_COLUMNS].strip() for at in range(0, len(shown), 3 * HEX_COLUMNS)]
        lines.append(f"0x{address:0{digits}x}:  {pieces[0]:<{3 * HEX_COLUMNS}} {mnemonic:<8} {operands}".rstrip())
        for number, piece in enumerate(pieces[1:], 1):
            lines.append(f"0x{address + HEX_COLUMNS * number:0{digits}x}:  {piece}")
        address += size
    return "".join(f"{line}\n" for line in lines)


def _code(vm: VirtualMachine, address: int, physical: bool) -> bytes:
    """What lies at an address, up to the length of the longest instruction or the end of what is mapped."""
    if physical:
        return vm.board.memory.read(address, LONGEST)
    whole = read_virtual(vm, address, LONGEST)
    if whole is not None:
        return whole
    to_page_end = 4096 - address % 4096
    return read_virtual(vm, address, min(LONGEST, to_page_end)) or b""

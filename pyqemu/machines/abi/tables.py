"""ACPI, SMBIOS, MP and PCI interrupt routing tables, as a guest finds them in memory.

Most of them are made by the firmware, so our own runs until it starts a boot sector of ours; then they are read
out of guest RAM. Where a table lies is the firmware's affair: addresses (and the checksums over them) are taken
as zero here, so that a table that only moved is the same table.

Source   ACPI 1.0b, 5.2; SMBIOS 2.8, 5.2; MultiProcessor Specification 1.4, 4; PCI IRQ Routing Table 1.0
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from pyqemu.boards.board import Board
from pyqemu.core.clock import Clock
from pyqemu.core.errors import ConfigError
from pyqemu.core.events import EventLoop
from pyqemu.core.runstate import PowerSwitch
from pyqemu.cpu.library import native
from pyqemu.machines.abi.hexlines import hex_lines
from pyqemu.machines.abi.specimen import build
from pyqemu.machines.registry import MachineType

FIRMWARE = "pyqemu-bios.bin"
PATIENCE_S = 60.0  # for a busy host; a boot takes a fraction of a second
DONE_PORT = 0x4F4  # nobody decodes it
BOOT_SECTOR = bytes.fromhex("baf404 ee faf4 ebfc").ljust(510, b"\0") + b"\x55\xaa"  # out 4F4; cli; hlt; again
LONG_BYTES = 256

SEARCH_FROM, SEARCH_TO = 0xE0000, 0x100000
EBDA_POINTER, EBDA_BYTES = 0x40E, 1024
PARAGRAPH = 16
ROOT_LIMIT = 64  # tables that a damaged root table may name


def tables(machine: MachineType) -> dict[str, Any]:
    """Every table by name: its size and hash, and its bytes if they are few."""
    board = booted(machine)
    try:
        return find_tables(board.memory.read)
    finally:
        board.close()


def booted(machine: MachineType) -> Board:
    """The machine at the first instruction of its boot sector, firmware done.

    Raises ConfigError if it does not get there.
    """
    clock, sysmode = Clock(), native()
    loop = EventLoop(clock, sysmode.timer_create(), sysmode.timer_set)
    power = PowerSwitch(lambda: board.cpu.kick())
    board = build(machine, clock=clock, power=power, disk=BOOT_SECTOR, bios=FIRMWARE)
    board.isa.ports.map(DONE_PORT, 1, None, lambda _offset, _value: power.request_exit(0), owner="the lock")
    try:
        if not board.places:
            raise ConfigError(f"machine type '{machine.name}' has no drives to boot, and its tables are seen then")
        board.cpu.engine.watch(loop.fileno())
        clock.timer(lambda: power.request_exit(1)).start(int(PATIENCE_S * 1e9))
        clock.start()
        while not power.pending:
            loop.poll()
            board.cpu.engine.arm()
            if board.cpu.halted:
                loop.wait()
            else:
                board.cpu.run()
        if power.exit_status != 0:
            raise ConfigError(f"{FIRMWARE} does not reach a boot sector on machine type '{machine.name}'")
    except BaseException:
        board.close()
        raise
    finally:
        loop.close()
    return board


Reader = Callable[[int, int], bytes]


def find_tables(read: Reader) -> dict[str, Any]:
    """All tables in the memory that ``read(address, length)`` shows."""
    found: dict[str, bytes] = {}
    if pointer := _search(read, b"RSD PTR ", lambda _: 20):
        found |= _acpi(read, pointer)
    if entry := _search(read, b"_SM_", lambda at: read(at + 5, 1)[0]):
        found |= _smbios(read, entry)
    if floating := _search(read, b"_MP_", lambda at: read(at + 8, 1)[0] * 16):
        found |= _mp(read, floating)
    if routing := _search(read, b"$PIR", lambda at: _u16(read, at + 6)):
        found["$PIR"] = read(routing, min(_u16(read, routing + 6), 0x1000))
    return {name: _described(data) for name, data in found.items()}


def _described(data: bytes) -> dict[str, Any]:
    text: dict[str, Any] = {"size": f"{len(data)} bytes"}
    if len(data) > LONG_BYTES:
        return text | {"SHA-256": sha256(data).hexdigest()[:32]}
    return text | {"bytes": hex_lines(data)}


def _search(read: Reader, signature: bytes, length_of: Callable[[int], int]) -> int:
    """The address of the first match in the EBDA and then in the BIOS area whose bytes sum to zero, or 0."""
    ebda = _u16(read, EBDA_POINTER) << 4
    for start, size in ((ebda, EBDA_BYTES), (SEARCH_FROM, SEARCH_TO - SEARCH_FROM)):
        data = read(start, size)
        for at in range(0, size, PARAGRAPH):
            if data.startswith(signature, at):
                length = length_of(start + at)
                if length >= PARAGRAPH and sum(read(start + at, length)) % 256 == 0:
                    return start + at
    return 0


def _acpi(read: Reader, pointer: int) -> dict[str, bytes]:
    """The root pointer, the tables that the root table lists, and what the FADT points to."""
    rsdp = _zeroed(read(pointer, 20), (8, 9), (16, 20))
    found = {"ACPI RSDP": rsdp}
    rsdt = _acpi_table(read, _u32(read, pointer + 16))
    addresses = [int.from_bytes(rsdt[at : at + 4], "little") for at in range(36, len(rsdt) - 3, 4)][:ROOT_LIMIT]
    listed = []
    for address in addresses:
        table = _acpi_table(read, address)
        name = table[:4].decode("ascii", "replace")
        listed.append(name)
        if name == "FACP":
            for at in (36, 40):
                target = int.from_bytes(table[at : at + 4], "little")
                if target:
                    inner = read(target, 64) if at == 36 else _acpi_table(read, target)
                    found[f"ACPI {inner[:4].decode('ascii', 'replace')}"] = inner
            table = _zeroed(table, (9, 10), (36, 44))
        found[f"ACPI {name}"] = table
    found["ACPI RSDT"] = rsdt[:9] + b"\0" + rsdt[10:36] + " ".join(listed).encode()
    return found


def _acpi_table(read: Reader, address: int) -> bytes:
    return read(address, min(max(_u32(read, address + 4), 36), 1 << 20))


def _smbios(read: Reader, entry: int) -> dict[str, bytes]:
    """The entry point without the address and its checksums, and the structures."""
    length = min(_u16(read, entry + 0x16), 0x10000)
    return {
        "SMBIOS entry point": _zeroed(read(entry, 0x1F), (4, 5), (0x15, 0x16), (0x18, 0x1C)),
        "SMBIOS structures": read(_u32(read, entry + 0x18), length),
    }


def _mp(read: Reader, floating: int) -> dict[str, bytes]:
    found = {"MP floating pointer": _zeroed(read(floating, 16), (4, 8), (10, 11))}
    if address := _u32(read, floating + 4):
        found["MP configuration"] = read(address, min(_u16(read, address + 4), 0x10000))
    return found


def _zeroed(data: bytes, *ranges: tuple[int, int]) -> bytes:
    changed = bytearray(data)
    for start, end in ranges:
        changed[start:end] = bytes(end - start)
    return bytes(changed)


def _u16(read: Reader, address: int) -> int:
    return int.from_bytes(read(address, 2), "little")


def _u32(read: Reader, address: int) -> int:
    return int.from_bytes(read(address, 4), "little")

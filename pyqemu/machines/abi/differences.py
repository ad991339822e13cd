"""What differs between two ABIs, in the words of somebody who looks at the guest's side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

ABSENT = "nothing"
NOT_COMPARED = ("machine", "format")
WHOLE = ("cpuid", "devices", "identify", "pci", "saved state", "tables")  # a missing entry is one difference

CONFIG_REGISTERS = {
    0x00: (2, "vendor"), 0x02: (2, "device"), 0x04: (2, "command"), 0x06: (2, "status"), 0x08: (1, "revision"),
    0x09: (3, "class"), 0x0C: (1, "cache line size"), 0x0D: (1, "latency timer"), 0x0E: (1, "header type"),
    0x10: (4, "BAR 0"), 0x14: (4, "BAR 1"), 0x18: (4, "BAR 2"), 0x1C: (4, "BAR 3"), 0x20: (4, "BAR 4"),
    0x24: (4, "BAR 5"), 0x2C: (2, "subsystem vendor"), 0x2E: (2, "subsystem"), 0x30: (4, "ROM BAR"),
    0x34: (1, "capabilities"), 0x3C: (1, "interrupt line"), 0x3D: (1, "interrupt pin"),
}  # fmt: skip
BRAND_LEAVES = ("80000002.00", "80000003.00", "80000004.00")


_Change = tuple[tuple[str, ...], str | None, str | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field. *old* and *new* are texts, None where the field does not exist; *text* is for people."""

    path: tuple[str, ...]
    old: str | None
    new: str | None
    text: str

    def __str__(self) -> str:
        return self.text


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[Difference]:
    """Every field that differs, in the order of the file. The types' names are not compared.

    A property of a device that *old* does not know is no difference: devices learn new ones, and what those
    change for a guest shows elsewhere.
    """
    found: list[Difference] = []
    for path, before, after in _walk((), old, new):
        new_property = before is None and path[0] == "devices" and len(path) == 3
        if path[0] not in NOT_COMPARED and not new_property:
            found.append(Difference(path, before, after, _text(path, before, after, old, new)))
    return found


def _walk(path: tuple[str, ...], old: Any, new: Any) -> Iterator[_Change]:
    if len(path) == 2 and path[0] in WHOLE and (old is None or new is None):
        yield path, _summary(path[1], old), _summary(path[1], new)
    elif path[0:1] == ("tables",) and path[-1] == "bytes" and (old is None or new is None):
        return  # it became too long, or short enough: size and hash tell
    elif isinstance(old, dict) or isinstance(new, dict):
        old, new = old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}
        for key in sorted(old.keys() | new.keys()):
            yield from _walk((*path, str(key)), old.get(key), new.get(key))
    elif isinstance(old, list) or isinstance(new, list):
        yield from _walk_list(path, old if isinstance(old, list) else [], new if isinstance(new, list) else [])
    elif old != new:
        yield path, None if old is None else str(old), None if new is None else str(new)


def _walk_list(path: tuple[str, ...], old: list[Any], new: list[Any]) -> Iterator[_Change]:
    """Lines that went and came; one that moved does both."""
    matcher = SequenceMatcher(None, [str(line) for line in old], [str(line) for line in new], autojunk=False)
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if tag != "equal":
            for before, after in zip_longest(old[old_start:old_end], new[new_start:new_end]):
                yield path, None if before is None else str(before), None if after is None else str(after)


def _summary(name: str, entry: Any) -> str | None:
    return None if entry is None else str(entry.get("type") or entry.get("device") or entry.get("size") or name)


def _text(
    path: tuple[str, ...], before: str | None, after: str | None, old: dict[str, Any], new: dict[str, Any]
) -> str:
    change = f"{_shown(before)} → {_shown(after)}"
    match path:
        case ("cmos", line):
            return f"CMOS: {_bytes_text(line, before, after)}"
        case ("cpuid", model, leaf):
            if leaf in BRAND_LEAVES:
                change = f"“{_brand(before)}” → “{_brand(after)}”"
            return f"-cpu {model}: CPUID {leaf.removesuffix('.00')}: {change}"
        case ("default cpu",):
            return f"CPU without -cpu: {change}"
        case ("devices", name, "type"):
            return f"device '{name}' on the board: {change}"
        case ("devices", name):
            return f"device '{name}' on the board: {change}"
        case ("devices", name, prop):
            return f"property {_device(name, old, new)}.{prop}: {change}"
        case ("fw_cfg", item):
            return f"fw_cfg {item}: {change}"
        case ("identify", drive, "bytes", line):
            return f"IDENTIFY data of {drive}: {_bytes_text(line, before, after)}"
        case ("identify", drive, *rest):
            return f"{' '.join([drive, *rest])}: {change}"
        case ("memory" | "memory with windows", place):
            return f"memory {place}: {change}"
        case ("memory sizes", name):
            return f"memory {name}: {change}"
        case ("ports" | "ports with windows", place):
            return f"I/O ports {place}: {change}"
        case ("pci", slot) | ("pci", slot, "type"):
            return f"PCI {slot}: {change}"
        case ("pci", slot, "config", line):
            return f"PCI {slot}: {_config_text(line, before, after)}"
        case ("pci", slot, "writable", line):
            return f"PCI {slot}, bits that a guest can change: {_config_text(line, before, after)}"
        case ("pci", slot, "windows", name):
            return f"PCI {slot}: {name}: {change}"
        case ("saved state", section):
            return f"saved state: section {section}: {change}"
        case ("saved state", section, "version"):
            return f"saved state: section {section}, version: {change}"
        case ("saved state", section, "fields"):
            return f"saved state: section {section}, field: {change}"
        case ("tables", name, "bytes", line):
            return f"table {name}: {_bytes_text(line, before, after)}"
        case ("tables", name, *rest):
            return f"table {' '.join([name, *rest])}: {change}"
    return f"{', '.join(path)}: {change}"


def _shown(value: str | None) -> str:
    return ABSENT if value is None else value or "empty"


def _device(name: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    for abi in (new, old):
        if type_name := abi.get("devices", {}).get(name, {}).get("type"):
            return str(type_name)
    return name


def _brand(registers: str | None) -> str:
    words = (registers or "").split()
    data = b"".join(int(word, 16).to_bytes(4, "little") for word in words)
    return data.rstrip(b"\0").decode("ascii", "replace")


def _differing(line: str, before: str | None, after: str | None) -> tuple[int, bytes, bytes]:
    """The offset of the first differing byte, and the bytes from there to the last one."""
    old, new = bytes.fromhex(before or ""), bytes.fromhex(after or "")
    size = max(len(old), len(new))
    old, new = old.ljust(size, b"\0"), new.ljust(size, b"\0")
    places = [i for i in range(size) if old[i] != new[i]] or [0]
    first, last = places[0], places[-1] + 1
    return int(line, 16) + first, old[first:last], new[first:last]


def _bytes_text(line: str, before: str | None, after: str | None) -> str:
    offset, old, new = _differing(line, before, after)
    return f"from {offset:02x}: {old.hex(' ')} → {new.hex(' ')}"


def _config_text(line: str, before: str | None, after: str | None) -> str:
    """Each register of the header by its name, what lies behind it by offset."""
    if int(line, 16) >= 0x40:
        return f"configuration {_bytes_text(line, before, after)}"
    start = int(line, 16)
    old, new = bytes.fromhex(before or "").ljust(16, b"\0"), bytes.fromhex(after or "").ljust(16, b"\0")
    texts = []
    covered: set[int] = set()
    for register, (size, name) in CONFIG_REGISTERS.items():
        at = register - start
        if 0 <= at < 16:
            covered |= set(range(at, at + size))
            if old[at : at + size] != new[at : at + size]:
                values = [int.from_bytes(data[at : at + size], "little") for data in (old, new)]
                texts.append(f"{name} {values[0]:0{2 * size}x} → {values[1]:0{2 * size}x}")
    rest = [i for i in range(16) if i not in covered and old[i] != new[i]]
    texts += [f"byte {start + i:02x} {old[i]:02x} → {new[i]:02x}" for i in rest]
    return ", ".join(texts)

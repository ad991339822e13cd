"""``info mtree``: who answers at which address."""

from __future__ import annotations

from pyqemu.core.memory import AddressSpace, Mmio, Ram, Region
from pyqemu.core.ports import PORTS, PortSpace


def _name(region: Region) -> str:
    if isinstance(region, Ram):
        return region.block.name
    owner = getattr(region, "owner", None)
    return getattr(owner, "id", "") or getattr(owner, "type", "") or "i/o"


def _kind(region: Region) -> str:
    if isinstance(region, Mmio):
        return "i/o"
    return "rom" if isinstance(region, Ram) and region.readonly else "ram"


def _offset(region: Region, offset: int) -> str:
    at = offset + (region.offset if isinstance(region, Ram) else 0)
    return f" @{at:016x}" if at else ""


def flat_memory(space: AddressSpace) -> str:
    """The map as the CPU sees it."""
    lines = ["FlatView #0", ' AS "memory", root: system', " Root memory region: system"]
    for span in space.flat:
        region = span.region
        lines.append(
            f"  {span.start:016x}-{span.end - 1:016x} (prio 0, {_kind(region)}): {_name(region)}"
            f"{_offset(region, span.offset)}"
        )
    return "".join(f"{line}\n" for line in lines)


def flat_ports(ports: PortSpace) -> str:
    """Runs of I/O ports with the same owner."""
    lines = ["FlatView #1", ' AS "I/O", root: io', " Root memory region: io"]
    start = 0
    owner = ports.owner(0)
    for port in range(1, PORTS + 1):
        now = ports.owner(port) if port < PORTS else None
        if port == PORTS or now is not owner:
            name = "io" if owner is None else getattr(owner, "id", "") or getattr(owner, "type", "io")
            offset = f" @{start:016x}" if owner is None and start else ""
            lines.append(f"  {start:016x}-{port - 1:016x} (prio 0, i/o): {name}{offset}")
            start, owner = port, now
    return "".join(f"{line}\n" for line in lines)


def mappings(space: AddressSpace, *, with_disabled: bool) -> str:
    """Every region that has been placed, lowest address first."""
    lines = ["address-space: memory", f"  {0:016x}-{(1 << 64) - 1:016x} (prio 0, i/o): system"]
    for mapping in sorted(space.mappings(), key=lambda mapping: (mapping.base, mapping.priority)):
        if mapping.enabled or with_disabled:
            lines.append(
                f"    {mapping.base:016x}-{mapping.base + mapping.size - 1:016x} (prio {mapping.priority}, "
                f"{_kind(mapping.region)}): {_name(mapping.region)}{_offset(mapping.region, mapping.offset)}"
                f"{'' if mapping.enabled else ' [disabled]'}"
            )
    return "".join(f"{line}\n" for line in lines)

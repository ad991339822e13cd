"""Multiboot kernels as -kernel takes them: headers, ELF segments, modules, and what fw_cfg then holds."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.firmware.multiboot_image import is_multiboot, parse
from pyqemu.firmware.multiboot_loader import MultibootPlaces, load_multiboot

MIB = 1 << 20
PAGE = 4096
IMAGES = Path(__file__).parents[2] / "firmware" / "images"
ELF_FLAGS, FLAT_FLAGS = 3, 0x10003


class Items(dict[int, bytes]):
    """Takes what would go into fw_cfg."""

    def add(self, key: int, content: bytes) -> None:
        self[key] = content

    def number(self, key: int) -> int:
        return int.from_bytes(self[key], "little")

    def memory(self, address: int, size: int) -> bytes:
        """What is in the guest's memory once the kernel item is there."""
        start = address - self.number(0x07)
        assert start >= 0 and start + size <= len(self[0x11])
        return self[0x11][start : start + size]

    def text(self, address: int) -> str:
        start = address - self.number(0x07)
        return self[0x11][start : self[0x11].index(0, start)].decode()

    @property
    def information(self) -> tuple[int, ...]:
        return struct.unpack("<22I", self[0x12])


def header(flags: int = ELF_FLAGS, *addresses: int) -> bytes:
    return struct.pack(f"<{3 + len(addresses)}I", 0x1BADB002, flags, -(0x1BADB002 + flags) & 0xFFFFFFFF, *addresses)


def segment(
    offset: int, physical: int, size: int, memory: int | None = None, *, virtual: int | None = None, kind: int = 1
) -> tuple[int, ...]:
    where = physical if virtual is None else virtual
    return kind, offset, where, physical, size, size if memory is None else memory, 5, 0x1000


def elf(*segments: tuple[int, ...], entry: int = MIB + 12, body: bytes = b"", flags: int = ELF_FLAGS) -> bytes:
    """Program headers, then at 0x200 the Multiboot header and *body*."""
    parts = segments or (segment(0x200, MIB, 12 + len(body), 12 + len(body) + 100),)
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    start = ident + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, entry, 52, 0, 0, 52, 32, len(parts), 40, 0, 0)
    table = b"".join(struct.pack("<8I", *part) for part in parts)
    return (start + table).ljust(0x200, b"\0") + header(flags) + body


def flat(*addresses: int, before: bytes = b"", after: bytes = b"code" * 25) -> bytes:
    """Addresses of header, load, load end, bss end and entry."""
    return before + header(FLAT_FLAGS, *addresses) + after


def load(
    kernel: bytes, modules: str = "", cmdline: str = "", ram: int = 64 * MIB, name: str = "kernel"
) -> tuple[Items, MultibootPlaces]:
    items = Items()
    return items, load_multiboot(items, kernel, name, modules, cmdline, ram_below_4g=ram)


KERNEL = elf(body=b"text" * 50)


def test_elf_segments_lie_at_their_physical_addresses() -> None:
    kernel = elf(
        segment(0x200, MIB, 20, 0x1000, virtual=0xC0100000),
        segment(0x214, MIB + 0x3000, 6),
        segment(0, 0, 4, kind=4),
        entry=0xC010000C,
        body=b"entry at tail ",
    )
    items, places = load(kernel)
    assert items.number(0x07) == MIB and items.number(0x10) == MIB + 12 == places.entry
    assert items.memory(MIB, 20) == header() + b"entry at"
    assert items.memory(MIB + 20, 0x3000 - 20) == bytes(0x3000 - 20)
    assert items.memory(MIB + 0x3000, 6) == b" tail "


def test_entry_may_be_a_physical_address() -> None:
    kernel = elf(segment(0x200, MIB, 20, virtual=0xC0100000), entry=MIB + 16, body=bytes(8))
    assert load(kernel)[1].entry == MIB + 16


def test_information_structure() -> None:
    items, _ = load(KERNEL, cmdline="a=1 b")
    flags, lower, upper, device, line, count, *_ = items.information
    assert items.number(0x0A) == 0x9000 and items.number(0x0B) == 88
    assert flags == 0x24F and device == 0x8000FFFF and count == 0
    assert (lower, upper) == (0, 0), "the option ROM asks the BIOS"
    assert items.text(line) == "kernel a=1 b"
    assert items.text(items.information[16]) == "pyqemu"
    assert items.information[11] == 0 and 0x9000 + 88 <= items.information[12] < 0x9200


def test_modules_have_a_page_each_and_their_words(tmp_path: Path) -> None:
    one, two, three = tmp_path / "one", tmp_path / "a,b", tmp_path / "empty"
    one.write_bytes(b"1" * 5000)
    two.write_bytes(b"second")
    three.write_bytes(b"")
    comma = str(two).replace(",", ",,")
    items, places = load(KERNEL, f"{one} first x=,,,{comma},{three} last")
    count, table = items.information[5:7]
    assert count == 3 and table % PAGE == 0 and table >= MIB + 12 + 200 + 100
    wanted = [(5000, b"1" * 5000, f"{one} first x=,"), (6, b"second", str(two)), (0, b"", f"{three} last")]
    end = table
    for number, (size, content, line) in enumerate(wanted):
        start, stop, string, reserved = struct.unpack("<4I", items.memory(table + 16 * number, 16))
        assert (stop - start, reserved, items.text(string)) == (size, 0, line)
        assert start % PAGE == 0 and start >= end
        assert items.memory(start, size) == content if size else True
        assert places.modules[number] == (start, stop, line)
        end = stop


def test_flat_kernels() -> None:
    kernel = flat(MIB + 0x40, MIB, 0, MIB + 0x5000, MIB + 0x60, before=b"junk" * 4 + b"text" * 16)
    items, places = load(kernel)
    assert (items.number(0x07), places.entry) == (MIB, MIB + 0x60)
    assert items.memory(MIB, 4) == b"text", "what is before load_addr is not loaded"
    assert items.memory(MIB + len(kernel) - 16, 16) == bytes(16)
    assert load(flat(MIB, MIB, MIB + 48, 0, MIB + 32))[0].memory(MIB + 48, 52) == bytes(52), "load_end_addr counts"


def test_low_memory_is_for_small_kernels() -> None:
    assert load(flat(0x20000, 0x20000, 0, 0, 0x20020), ram=MIB)[1].load_address == 0x20000


def test_header_is_found_in_8_kib_only_and_with_its_sum() -> None:
    assert is_multiboot(bytes(8180) + header()) and not is_multiboot(bytes(8184) + header())
    assert not is_multiboot(bytes(2) + header()) and not is_multiboot(header()[:11])
    assert not is_multiboot(header()[:8] + bytes(4))
    assert is_multiboot(header()[:8] + bytes(4) + header()), "the next one may be right"


def test_a_wish_for_a_video_mode_is_a_warning() -> None:
    assert load(elf(flags=7))[1].warnings == ("multiboot knows VBE. we don't",)
    assert load(elf())[1].warnings == ()


@pytest.mark.parametrize("bit", [3, 7, 15])
def test_required_flags_that_nobody_knows_are_refused(bit: int) -> None:
    with pytest.raises(ConfigError, match=rf"multiboot: unsupported flags {1 << bit:#x}"):
        load(elf(flags=3 | 1 << bit))
    assert load(elf(flags=3 | 1 << 20))[1].entry, "bits from 16 up are only hints"


ELF_ERROR = "Error while loading elf kernel"


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (bytes(64) + header(), ELF_ERROR),
        (KERNEL[:0x210], ELF_ERROR),
        (elf(segment(0x200, MIB, 12, 8)), ELF_ERROR),
        (elf(segment(0x200, MIB, 0xFFFFFFFF, 0xFFFFFFFF)), ELF_ERROR),
        (elf(segment(0xFFFFFFF0, MIB, 12)), ELF_ERROR),
        (elf(segment(0x200, MIB, 12), segment(0x200, MIB + 11, 1)), ELF_ERROR),
        (elf(segment(0x200, MIB, 12, 0x2000), segment(0x200, MIB + 0x1000, 12)), ELF_ERROR),
        (elf(segment(0x200, MIB, 12, kind=2)), ELF_ERROR),
        (elf(entry=MIB - 1), ELF_ERROR),
        (elf(entry=64 * MIB), ELF_ERROR),
        (KERNEL[:44] + b"\xff\xff" + KERNEL[46:], ELF_ERROR),
        (KERNEL[:18] + b"\x28" + KERNEL[19:], ELF_ERROR),
        (KERNEL[:5] + b"\x02" + KERNEL[6:], ELF_ERROR),
        (KERNEL[:18] + b"\x3e" + KERNEL[19:], "Cannot load x86-64 image, give a 32bit one."),
        (KERNEL[:4] + b"\x02" + KERNEL[5:], "Cannot load x86-64 image, give a 32bit one."),
        (elf(segment(0x200, MIB, 12, 64 * MIB)), "kernel is too large for the guest's RAM"),
        (elf(segment(0x200, 0xFFFFF000, 12, 0x2000), entry=0xFFFFF000), "kernel is too large"),
        (elf(segment(0x200, 0x9000, 12), entry=0x9000), "kernel does not fit in address space"),
        (elf(segment(0x200, 0x9EFFF, 12), entry=0x9EFFF), "kernel does not fit in address space"),
        (flat(MIB, MIB)[:20], "invalid kernel header"),
        (flat(MIB - 4, MIB, 0, 0, MIB), "invalid load_addr address"),
        (flat(MIB + 4, MIB, 0, 0, MIB), "invalid header_addr address"),
        (flat(MIB, MIB, MIB - 1, 0, MIB), "invalid load_end_addr address"),
        (flat(MIB, MIB, MIB + 999, 0, MIB), r"fread\(\) failed"),
        (flat(MIB, MIB, 0, MIB + 1, MIB), "invalid bss_end_addr address"),
        (flat(MIB, MIB, 0, 0xFFFFFFFF, MIB), "kernel is too large"),
        (flat(MIB, MIB, 0, 0, MIB - 1), "invalid entry_addr address"),
        (flat(0xFFFFFFF0, 0xFFFFFFF0, 0, 0, 0xFFFFFFF0), "kernel is too large"),
    ],
)
def test_what_is_refused(kernel: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(kernel)


def test_module_messages(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(70 * MIB)
    with pytest.raises(ConfigError, match="Failed to open file 'nosuch'"):
        load(KERNEL, "nosuch words")
    with pytest.raises(ConfigError, match="Failed to open file ''"):
        load(KERNEL, "/dev/null,")
    with pytest.raises(ConfigError, match="Failed to open file"):
        load(KERNEL, str(tmp_path))
    with pytest.raises(ConfigError, match="large' does not fit in the guest's RAM"):
        load(KERNEL, str(large))
    with pytest.raises(ConfigError, match="'/dev/zero' does not fit"):
        load(KERNEL, "/dev/zero", ram=4 * MIB)
    with pytest.raises(ConfigError, match="module list does not fit"):
        load(KERNEL, ",".join(["/dev/null"] * 100_000), ram=2 * MIB)
    with pytest.raises(ConfigError, match="command line does not fit"):
        load(KERNEL, cmdline="x" * 2 * MIB, ram=2 * MIB)


# -- sections -------------------------------------------------------------------------------------------------


def with_sections(*sections: tuple[int, int, int, int], names: int = 0, kernel: bytes = KERNEL) -> bytes:
    """Add section headers: (type, address, offset, size) each."""
    table = b"".join(
        struct.pack("<10I", 0, kind, 0, address, offset, size, 0, 0, 1, 0)
        for kind, address, offset, size in sections
    )
    head = bytearray(kernel)
    struct.pack_into("<I", head, 32, len(kernel))
    struct.pack_into("<HHH", head, 46, 40, len(sections), names)
    return bytes(head) + table


def test_sections_that_no_segment_has_are_loaded() -> None:
    text = (1, MIB, 0x200, 212)
    items, _ = load(with_sections((0, 0, 0, 0), text, (8, 0, 0, 9999), (3, 0, 0x20C, 8), names=3))
    assert items.information[0] & 0x20
    count, size, table, names = items.information[7:11]
    assert (count, size, names) == (4, 40, 3)
    headers = [struct.unpack("<10I", items.memory(table + 40 * number, 40)) for number in range(4)]
    assert headers[1][3] == MIB and headers[2][3] == 0
    assert items.memory(headers[3][3], 8) == b"texttext"


@pytest.mark.parametrize(
    "kernel",
    [
        with_sections((0, 0, 0, 0))[:-1],
        with_sections((0, 0, 0, 0), names=1),
        with_sections(*[(1, 0, 0, 0x200)] * 9),
        KERNEL,
    ],
)
def test_a_bad_section_table_is_left_out(kernel: bytes) -> None:
    assert load(kernel)[0].information[0] & 0x20 == 0


# -- anything -------------------------------------------------------------------------------------------------

WORDS = st.one_of(st.sampled_from([0, 1, 0x200, MIB, MIB + 12, 0x7FFFFFFF, 0xFFFFFFFF]), st.integers(0, 0xFFFFFFFF))
BASES = [
    KERNEL,
    with_sections((0, 0, 0, 0), (1, 0, 0x200, 8), (3, 0, 0, 4), names=2),
    flat(MIB, MIB, 0, 0, MIB + 32),
]


@settings(deadline=None)
@given(st.sampled_from(BASES), st.lists(st.tuples(st.integers(0, 90), WORDS), max_size=6), st.integers(0, 900))
def test_any_file_loads_into_ram_or_is_refused(base: bytes, patches: list[tuple[int, int]], cut: int) -> None:
    kernel = bytearray(base[: len(base) - cut // 2] if cut % 2 else base)
    for word, value in patches:
        if word * 4 + 4 <= len(kernel):
            struct.pack_into("<I", kernel, word * 4, value)
    try:
        items, places = load(bytes(kernel), "/dev/null a,/dev/null", "words", ram=4 * MIB)
    except ConfigError:
        return
    low = places.load_address < MIB
    assert 0x10000 <= places.load_address <= places.entry < places.load_end <= (0x9F000 if low else 4 * MIB)
    assert len(items[0x11]) == places.load_end - places.load_address
    if items.information[0] & 0x20:
        count, size, table, names = items.information[7:11]
        assert names < count and items.memory(table, count * size)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_behind_a_header(data: bytes) -> None:
    for kernel in (header() + data, header(FLAT_FLAGS) + data):
        with pytest.raises(ConfigError):
            parse(kernel, "x", MIB)


def test_option_rom_is_well_formed() -> None:
    rom = (IMAGES / "multiboot.bin").read_bytes()
    assert rom[:2] == b"\x55\xaa" and len(rom) == rom[2] * 512 == 2048
    assert sum(rom) & 0xFF == 0
    pnp = rom[int.from_bytes(rom[0x1A:0x1C], "little") :]
    assert pnp[:4] == b"$PnP" and sum(pnp[: 16 * pnp[5]]) & 0xFF == 0
    product = int.from_bytes(pnp[16:18], "little")
    assert rom[product : rom.index(0, product)] == b"Multiboot loader"

"""REP INS/OUTS through string handlers, and REP MOVS/STOS: as if done element by element."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.memory import Mmio

PORT = 0x1F0


class Device:
    """A data port that counts up. ``limit``: how many elements a string read gives at once; ``strings`` and
    ``singles`` count the calls."""

    def __init__(self, machine, limit=None):
        self.limit = limit
        self.position = 0
        self.strings: list[int] = []
        self.singles = 0
        self.written = bytearray()
        machine.ports.map_wide(PORT, 4, self.read, self.write, owner=self)
        machine.ports.map_string(PORT, self.read_string, self.write_string)

    def _next(self, length):
        data = bytes((self.position + i) * 7 + 1 & 0xFF for i in range(length))
        self.position += length
        return data

    def read(self, width, _offset):
        self.singles += 1
        return int.from_bytes(self._next(width), "little")

    def read_string(self, width, count):
        count = count if self.limit is None else min(count, self.limit)
        self.strings.append(count)
        return self._next(width * count)

    def write(self, width, _offset, value):
        self.singles += 1
        self.written += value.to_bytes(width, "little")

    def write_string(self, width, data):
        data = bytes(data)
        if self.limit is not None:
            data = data[: self.limit * width]
        self.strings.append(len(data) // width)
        self.written += data
        return len(data)


def stream(length):
    return bytes(i * 7 + 1 & 0xFF for i in range(length))


WIDTHS = pytest.mark.parametrize(("suffix", "width"), [("b", 1), ("w", 2), ("d", 4)])


@WIDTHS
@pytest.mark.parametrize("limit", [None, 1, 3, 0])
def test_rep_ins(machine, suffix, width, limit):
    """Whole, in parts, element by element, and when the string handler has nothing."""
    device = Device(machine, limit)
    reports = machine.flat32(
        f"mov edx, {PORT}\nmov edi, 0x100004\nmov ecx, 100\nrep ins{suffix}\nreport edi\nreport ecx\nstop"
    )
    assert reports == [0x100004 + 100 * width, 0]
    assert machine.memory.read(0x100000, 100 * width + 8) == bytes(4) + stream(100 * width) + bytes(4)
    assert device.position == 100 * width
    if limit is None:
        assert device.strings == [100]


@WIDTHS
@pytest.mark.parametrize("limit", [None, 1, 3, 0])
def test_rep_outs(machine, suffix, width, limit):
    device = Device(machine, limit)
    data = stream(100 * width)
    machine.memory.write(0x100004, data)
    reports = machine.flat32(
        f"mov edx, {PORT}\nmov esi, 0x100004\nmov ecx, 100\nrep outs{suffix}\nreport esi\nreport ecx\nstop"
    )
    assert reports == [0x100004 + 100 * width, 0]
    assert bytes(device.written) == data
    if limit is None:
        assert device.strings == [100]


@WIDTHS
@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_elements(machine, suffix, width, count):
    device = Device(machine)
    reports = machine.flat32(
        f"mov edx, {PORT}\nmov edi, 0x100000\nmov ecx, {count}\nrep ins{suffix}\nreport edi\nstop"
    )
    assert reports == [0x100000 + count * width]
    assert device.position == count * width
    assert machine.memory.read(0x100000, 12) == stream(count * width).ljust(12, b"\0")


MISSING_PAGE = """
        jmp main
handler:
        pop eax
        out REPORT, eax
        mov eax, cr2
        out REPORT, eax
        report edi
        report esi
        report ecx
        mov eax, [esp]
        sub eax, bad
        out REPORT, eax
        mov dword [PAGES + 4 * 0x101], 0x155007         ; somewhere else
        iretd
main:   gate 14, handler
        map_pages
        mov dword [PAGES + 4 * 0x101], 0
        mov eax, cr3
        mov cr3, eax
"""


@WIDTHS
@pytest.mark.parametrize("touched", [False, True])
def test_rep_ins_into_a_missing_page_faults_at_the_exact_element(machine, suffix, width, touched):
    """512 bytes that begin 96 bytes before the end of a page. The data must be read from the port once."""
    device = Device(machine)
    before = "mov [0x100FA0], al\n" if touched else ""
    reports = machine.flat32(
        MISSING_PAGE
        + f"""
        {before}
        mov edx, {PORT}
        mov edi, 0x100FA0
        xor esi, esi
        mov ecx, {512 // width}
bad:    rep ins{suffix}
        report edi
        report ecx
        stop
"""
    )
    assert reports == [2, 0x101000, 0x101000, 0, (512 - 96) // width, 0, 0x1011A0, 0]
    assert machine.memory.read(0x100FA0, 96) == stream(512)[:96]
    assert machine.memory.read(0x155000, 512 - 96) == stream(512)[96:]
    assert machine.memory.read(0x101000, 4096) == bytes(4096)
    assert device.position == 512
    assert max(device.strings) > 1


@WIDTHS
def test_rep_ins_that_starts_in_a_missing_page(machine, suffix, width):
    device = Device(machine)
    reports = machine.flat32(
        MISSING_PAGE
        + f"mov edx, {PORT}\nmov edi, 0x101000\nxor esi, esi\nmov ecx, 10\nbad: rep ins{suffix}\nreport edi\nstop"
    )
    assert reports == [2, 0x101000, 0x101000, 0, 10, 0, 0x101000 + 10 * width]
    assert machine.memory.read(0x155000, 10 * width) == stream(10 * width)
    assert device.position == 10 * width


@pytest.mark.parametrize(("suffix", "width"), [("w", 2), ("d", 4)])
def test_an_element_across_the_page_boundary(machine, suffix, width):
    device = Device(machine)
    reports = machine.flat32(
        MISSING_PAGE
        + f"mov edx, {PORT}\nmov edi, 0x100FFB\nxor esi, esi\nmov ecx, 20\nbad: rep ins{suffix}\nreport edi\nstop"
    )
    done = 5 // width
    assert reports == [2, 0x101000, 0x100FFB + done * width, 0, 20 - done, 0, 0x100FFB + 20 * width]
    data = machine.memory.read(0x100FFB, 5) + machine.memory.read(0x155000, 20 * width - 5)
    assert data == stream(20 * width)
    assert device.position == 20 * width


@WIDTHS
def test_rep_outs_from_a_missing_page(machine, suffix, width):
    device = Device(machine)
    data = stream(512)
    machine.memory.write(0x100FA0, data[:96])
    machine.memory.write(0x155000, data[96:])
    reports = machine.flat32(
        MISSING_PAGE + f"mov edx, {PORT}\nmov esi, 0x100FA0\nxor edi, edi\nmov ecx, {512 // width}\n"
        f"bad: rep outs{suffix}\nreport esi\nstop"
    )
    assert reports == [0, 0x101000, 0, 0x101000, (512 - 96) // width, 0, 0x1011A0]
    assert bytes(device.written) == data


def test_a_read_only_destination(machine):
    device = Device(machine)
    reports = machine.flat32(
        "map_pages\nmov dword [PAGES + 4 * 0x100], 0x100005\nmov eax, cr3\nmov cr3, eax\nmov eax, [0x100000]\n"
        f"mov edx, {PORT}\nmov edi, 0x100000\nmov ecx, 100\nrep insd"
    )
    assert reports[:2] == [0xDEAD000E, 3]
    assert machine.memory.read(0x100000, 400) == bytes(400)
    assert not device.strings


def test_several_pages(machine):
    device = Device(machine)
    machine.flat32(f"mov edx, {PORT}\nmov edi, 0x100010\nmov ecx, 10000\nrep insw\nstop")
    assert machine.memory.read(0x100010, 20000) == stream(20000)
    assert device.singles <= 1


@WIDTHS
def test_16_bit_addresses_wrap_and_leave_the_upper_halves(machine, suffix, width):
    device = Device(machine)
    reports = machine.real(
        f"""
        mov dx, {PORT}
        mov ax, 0x2000
        mov es, ax
        mov edi, 0xABCDFFF0
        mov ecx, 0x12340020
        rep ins{suffix}
        report edi
        report ecx
        stop
"""
    )
    total = 32 * width
    assert reports == [0xABCD0000 | (0xFFF0 + total) & 0xFFFF, 0x12340000]
    assert machine.memory.read(0x2FFF0, 16) == stream(16)
    assert machine.memory.read(0x20000, total - 16) == stream(total)[16:]
    assert device.position == total


def test_16_bit_addresses_in_32_bit_code(machine):
    Device(machine)
    reports = machine.flat32(
        f"mov edx, {PORT}\nmov edi, 0x55555000\nmov ecx, 0x77770010\na16 rep insd\nreport edi\nreport ecx\nstop"
    )
    assert reports == [0x55555040, 0x77770000]
    assert machine.memory.read(0x5000, 64) == stream(64)


@WIDTHS
def test_backwards(machine, suffix, width):
    device = Device(machine)
    reports = machine.flat32(
        f"std\nmov edx, {PORT}\nmov edi, 0x101008\nmov ecx, 20\nrep ins{suffix}\ncld\nreport edi\nreport ecx\nstop"
    )
    assert reports == [0x101008 - 20 * width & 0xFFFFFFFF, 0]
    data = stream(20 * width)
    elements = [data[i : i + width] for i in range(0, 20 * width, width)]
    assert machine.memory.read(0x101008 - 19 * width, 20 * width) == b"".join(reversed(elements))
    assert device.strings == []


def test_long_mode(machine):
    device = Device(machine)
    reports = machine.long(
        f"""
        mov edx, {PORT}
        mov rdi, 0x300000
        mov ecx, 50
        rep insd
        mov rax, rdi
        out REPORT, eax
        mov rsi, 0x300000
        mov ecx, 100
        rep outsw
        mov rax, rsi
        out REPORT, eax
        stop
"""
    )
    assert reports == [0x3000C8, 0x3000C8]
    assert machine.memory.read(0x300000, 200) == stream(200)
    assert bytes(device.written) == stream(200)


def test_32_bit_addresses_in_long_mode(machine):
    """67h: the upper halves do not count, and are cleared."""
    Device(machine)
    reports = machine.long(
        f"""
        mov edx, {PORT}
        mov rdi, 0x1234567800300000
        mov rcx, 0xFFFFFFFF00000032
        a32 rep insd
        mov rax, rdi
        out REPORT, eax
        shr rax, 32
        out REPORT, eax
        mov rax, rcx
        or rax, rcx
        setz al
        movzx eax, al
        out REPORT, eax
        stop
"""
    )
    assert reports == [0x3000C8, 0, 1]
    assert machine.memory.read(0x300000, 200) == stream(200)


@pytest.mark.parametrize("prefix", ["es", "fs", "ss"])
def test_outs_with_a_segment_override(machine, prefix):
    device = Device(machine)
    machine.memory.write(0x30100, stream(200))
    machine.real(
        f"mov dx, {PORT}\nmov ax, 0x3000\nmov {prefix}, ax\nmov si, 0x100\nmov cx, 100\n{prefix} rep outsw\n"
        "xor ax, ax\nmov ss, ax\nmov sp, 0x7000\nstop"
    )
    assert bytes(device.written) == stream(200)
    assert device.strings == [100]


def test_outs_with_fs_in_long_mode(machine):
    device = Device(machine)
    machine.memory.write(0x300100, stream(64))
    machine.long(
        f"mov ecx, 0xC0000100\nmov eax, 0x300000\nxor edx, edx\nwrmsr\nmov edx, {PORT}\nmov esi, 0x100\n"
        "mov ecx, 64\nfs rep outsb\nstop"
    )
    assert bytes(device.written) == stream(64)


@pytest.mark.parametrize("limit", [None, 0])
def test_rep_ins_over_translated_code(machine, limit):
    """The destination holds code that has run: the new code runs next."""
    device = Device(machine, limit)
    machine.memory.write(0x100000, b"\xb8" + bytes(4) + b"\xc3")
    reports = machine.flat32(
        f"""
        mov ebp, 2
        mov edx, {PORT}
again:  mov eax, 0x100000
        call eax
        out REPORT, eax
        mov edi, 0x100001
        mov ecx, 4
        rep insb
        dec ebp
        jnz again
        mov eax, 0x100000
        call eax
        out REPORT, eax
        stop
"""
    )
    first, second = stream(8)[:4], stream(8)[4:]
    assert reports == [0, int.from_bytes(first, "little"), int.from_bytes(second, "little")]
    assert device.position == 8


def test_rep_ins_from_a_port_that_has_no_strings(machine):
    machine.ports.map(0x300, 1, lambda _o: 0x5A, None, owner="x")
    machine.flat32("mov edx, 0x300\nmov edi, 0x100000\nmov ecx, 5000\nrep insb\nstop")
    assert machine.memory.read(0x100000, 5001) == b"\x5a" * 5000 + b"\0"


def test_rep_ins_into_device_memory(machine):
    stored = []
    machine.memory.map(0x800000, Mmio(0x1000, lambda *_: 0, lambda *a: stored.append(a)), priority=1)
    device = Device(machine)
    machine.flat32(f"mov edx, {PORT}\nmov edi, 0x800000\nmov ecx, 4\nrep insw\nstop")
    # The translator stores a zero before each IN, so that a fault comes first.
    values = [(offset, value) for _, offset, value in stored if value]
    assert [offset for offset, _ in values] == [0, 2, 4, 6]
    assert b"".join(value.to_bytes(2, "little") for _, value in values) == stream(8)
    assert device.strings == []


# -- MOVS and STOS ------------------------------------------------------------------------------------


def as_done_singly(memory, opcode, width, destination, source, count, backward, value):
    step = -width if backward else width
    for _ in range(count):
        element = memory[source : source + width] if opcode == "movs" else value.to_bytes(8, "little")[:width]
        memory[destination : destination + width] = element
        destination += step
        source += step


@pytest.fixture
def movers(machine):
    """One program with all forms: reads its parameters from 7100h."""
    forms = [
        f"cmp ebx, {number}\njne .no{number}\nrep {opcode}{suffix}\njmp done\n.no{number}:"
        for number, (opcode, suffix) in enumerate((o, s) for o in ("movs", "stos") for s in "bwd")
    ]
    machine.load(
        '%include "flat32.inc"\n'
        + """
        mov edi, [0x7100]
        mov esi, [0x7104]
        mov ecx, [0x7108]
        mov eax, [0x710C]
        mov ebx, [0x7110]
        cmp byte [0x7114], 0
        je main
        std
main:
"""
        + "\n".join(forms)
        + "\ndone: cld\nreport edi\nreport esi\nreport ecx\nstop"
    )
    return machine


BASE, SIZE = 0x200000, 5 * 4096


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.integers(0, 5),
    destination=st.integers(4096, 4096 * 3),
    distance=st.one_of(st.integers(-40, 40), st.integers(-4096, 4096)),
    count=st.one_of(st.integers(0, 40), st.integers(0, 1000)),
    backward=st.booleans(),
    value=st.integers(0, 0xFFFFFFFF),
)
def test_any_movs_and_stos(movers, form, destination, distance, count, backward, value):
    machine = movers
    width = 1 << form % 3
    opcode = "movs" if form < 3 else "stos"
    source = destination + distance
    count = min(count, 4096 // width)
    if backward:
        destination, source = destination + 4096, source + 4096
    memory = bytearray(bytes((i * 31 + (i >> 8)) & 0xFF for i in range(SIZE)))
    machine.memory.write(BASE, memory)
    parameters = (BASE + destination, BASE + source, count, value, form, backward)
    machine.memory.write(0x7100, b"".join(int(p).to_bytes(4, "little") for p in parameters))
    machine.cpu.reset()
    machine.reports.clear()
    assert machine.go() == "halted"
    as_done_singly(memory, opcode, width, destination, source, count, backward, value)
    assert machine.memory.read(BASE, SIZE) == memory
    moved = (-width if backward else width) * count
    end_of_source = BASE + source + (moved if opcode == "movs" else 0)
    assert machine.reports == [BASE + destination + moved, end_of_source, 0]


WINDOW = 0x600000


class Video:
    """Device memory that counts how it is reached. ``takes``: whether it takes runs."""

    def __init__(self, machine):
        self.memory = bytearray(SIZE)
        self.takes = True
        self.runs = self.singles = 0
        machine.memory.map(WINDOW, Mmio(SIZE, self.read, self.write, runs=self), priority=1)

    def read(self, width, offset):
        self.singles += 1
        return int.from_bytes(self.memory[offset : offset + width], "little")

    def write(self, width, offset, value):
        self.singles += 1
        self.memory[offset : offset + width] = value.to_bytes(width, "little")

    def read_run(self, offset, length):
        self.runs += self.takes
        return bytes(self.memory[offset : offset + length]) if self.takes else None

    def write_run(self, offset, data):
        self.runs += self.takes
        if self.takes:
            self.memory[offset : offset + len(data)] = data
        return self.takes

    def copy_run(self, source, target, length, width):
        if not self.takes or source < target < source + length:
            return False
        self.runs += 1
        self.memory[target : target + length] = self.memory[source : source + length]
        return True


@pytest.fixture
def video(machine):
    return Video(machine)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.integers(0, 5),
    destination=st.integers(4096, 4096 * 2),
    source=st.integers(4096, 4096 * 2),
    places=st.sampled_from([(WINDOW, BASE), (BASE, WINDOW), (WINDOW, WINDOW)]),
    count=st.one_of(st.integers(0, 40), st.integers(0, 1000)),
    backward=st.booleans(),
    takes=st.booleans(),
)
def test_any_movs_and_stos_in_device_memory(
    movers, video, form, destination, source, places, count, backward, takes
):
    machine = movers
    video.takes = takes
    width = 1 << form % 3
    opcode = "movs" if form < 3 else "stos"
    count = min(count, 4096 // width)
    if backward:
        destination, source = destination + 4096, source + 4096
    patterns = bytes((i * 31 + (i >> 8)) & 0xFF for i in range(SIZE)), bytes(i * 7 & 0xFF for i in range(SIZE))
    memory = bytearray(patterns[0] + patterns[1])  # RAM, device
    machine.memory.write(BASE, patterns[0])
    video.memory[:] = patterns[1]
    to, at = (place + offset for place, offset in zip(places, (destination, source), strict=True))
    machine.memory.write(
        0x7100, b"".join(int(p).to_bytes(4, "little") for p in (to, at, count, 0x87654321, form, backward))
    )
    machine.cpu.reset()
    machine.reports.clear()
    assert machine.go() == "halted"
    there, here = (
        offset + (SIZE if place == WINDOW else 0)
        for place, offset in zip(places, (destination, source), strict=True)
    )
    as_done_singly(memory, opcode, width, there, here, count, backward, 0x87654321)
    assert machine.memory.read(BASE, SIZE) == memory[:SIZE]
    assert video.memory == memory[SIZE:]
    moved = (-width if backward else width) * count
    assert machine.reports == [to + moved, at + (moved if opcode == "movs" else 0), 0]


@pytest.mark.parametrize("body", ["mov edi, 0x600000\nrep stosd", "mov edi, 0x600000\nmov esi, 0x200000\nrep movsd",
                                  "mov edi, 0x200000\nmov esi, 0x600000\nrep movsd",
                                  "mov edi, 0x600000\nmov esi, 0x602000\nrep movsd"])  # fmt: skip
def test_a_device_takes_whole_runs(machine, video, body):
    machine.flat32(f"mov ecx, 2048\n{body}\nreport ecx\nstop")
    assert machine.reports == [0]
    assert video.runs >= 2
    assert video.singles <= 8


def test_a_run_in_device_memory_behind_page_tables(machine, video):
    """The destination is another page than its linear address says."""
    machine.memory.write(0x120FA0, stream(512))
    reports = machine.flat32(
        MISSING_PAGE.replace("0x155007", "0x602007")
        + "mov edi, 0x100FA0\nmov esi, 0x120FA0\nmov ecx, 512\nbad: rep movsb\nreport edi\nstop"
    )
    assert reports[:2] == [2, 0x101000] and video.runs
    assert video.memory[0x2000 : 0x2000 + 512 - 96] == stream(512)[96:]


def test_an_exception_in_a_run(machine, video):
    video.write_run = video.copy_run = lambda *_arguments: 1 // 0
    machine.load('%include "flat32.inc"\nmov edi, 0x600000\nmov ecx, 64\nrep stosd\nreport ecx\nstop')
    with pytest.raises(ZeroDivisionError):
        machine.go()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_movs_into_a_missing_page(machine, width):
    suffix = {1: "b", 2: "w", 4: "d"}[width]
    machine.memory.write(0x120FF0, stream(512))
    reports = machine.flat32(
        MISSING_PAGE
        + f"mov edi, 0x100FA0\nmov esi, 0x120FF0\nmov ecx, {512 // width}\nbad: rep movs{suffix}\nreport edi\nstop"
    )
    assert reports == [2, 0x101000, 0x101000, 0x121050, (512 - 96) // width, 0, 0x1011A0]
    assert machine.memory.read(0x100FA0, 96) + machine.memory.read(0x155000, 512 - 96) == stream(512)


def test_stos_in_long_mode(machine):
    machine.long("mov rax, 0x1122334455667788\nmov edi, 0x300FF4\nmov ecx, 1000\nrep stosq\nstop")
    assert machine.memory.read(0x300FF4, 8008) == bytes.fromhex("8877665544332211") * 1000 + bytes(8)


def test_movs_with_16_bit_addresses_wraps(machine):
    machine.memory.write(0x2FFF0, stream(16))
    machine.memory.write(0x20000, stream(64)[16:])
    machine.real(
        "push 0x2000\npop ds\npush 0x3000\npop es\nmov si, 0xFFF0\nmov di, 0xFFE0\nmov cx, 64\nrep movsb\nstop"
    )
    assert machine.memory.read(0x3FFE0, 32) == stream(32)
    assert machine.memory.read(0x30000, 32) == stream(64)[32:]


def test_stos_over_its_own_code(machine):
    """REP STOSB that overwrites what follows it."""
    reports = machine.flat32(
        """
        mov edi, after
        mov ecx, 5
        mov al, 0x90
        rep stosb
after:  jmp strict near wrong
        report 7
        stop
wrong:  report 8
        stop
"""
    )
    assert reports == [7]

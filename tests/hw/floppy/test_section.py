"""The floppy controller in a stream: QEMU's fields mean for us what they mean for QEMU, and the other way round."""

from __future__ import annotations

import pytest
from bench import Bench
from hw.floppy.test_i82078 import DOR, FIFO, MSR, Driver, sector

from pyqemu.core import wire
from pyqemu.core.state import StateError
from pyqemu.core.wire import Cursor
from pyqemu.hw.floppy.i82078 import I82078

OURS = {"transfer", "seeks", "gate", "head_load", "perpendicular", "drive_types"}

# values-pc-i440fx-1.4-*-firmware.json: sra … status2, fifo, data_pos … num_floppies, drives
BEFORE_FIRMWARE = (
    bytes.fromhex("40 c0 0c 00 00 80 00 00 00") + bytes(512)
    + bytes.fromhex("00000000 00000001 00 00 00 00 00 00 60 00 00 02")
)  # fmt: skip


def drive(head=0, track=0, sect=1, rate=0, rest=b""):
    name = b"fdrive/media_rate"
    return bytes((head, track, sect)) + rest + b"\5\x11" + name + b"\0\0\0\1" + bytes((rate,))


def subsection(name, data):
    return b"\5" + bytes((len(name),)) + name.encode() + b"\0\0\0\1" + data


def fields(*, fifo=b"", **changed):
    """The section as QEMU writes it, with other numbers in it."""
    names = ["sra", "srb", "dor", "tdr", "dsr", "msr", "status0", "status1", "status2"]
    later = ["data_state", "data_dir", "eot", "timer0", "timer1", "precomp", "config", "lock", "pwrd", "floppies"]
    values = dict(zip(names, BEFORE_FIRMWARE, strict=False)) | dict(zip(later, BEFORE_FIRMWARE[-10:], strict=True))
    values |= {"data_pos": 0, "data_len": 1} | changed
    return (
        bytes(values[name] for name in names)
        + fifo.ljust(512, b"\0")
        + values["data_pos"].to_bytes(4, "big")
        + values["data_len"].to_bytes(4, "big")
        + bytes(values[name] for name in later)
    )


def save(fdc):
    out = bytearray()
    described = wire.encode(fdc, out)
    inner = described["fields"][0]["struct"]
    return bytes(out), {sub["vmsd_name"].removeprefix("fdc/") for sub in inner.get("subsections", [])}


def load(fdc, data):
    cursor = Cursor(data)
    values = wire.decode(I82078, cursor, 2)
    assert cursor.position == len(data)
    fdc.load_wire(values, 2)
    fdc.refresh()


@pytest.fixture
def driver(bench):
    return Driver(bench)


def moved(driver):
    """The same chip elsewhere, with the state that was saved and loaded."""
    data, _ = save(driver.chip)
    other = Driver(Bench())
    other.bench.clock.advance(driver.bench.clock.now())
    other.dma(512, 0x46)
    load(other.chip, data)
    assert save(other.chip)[0] == data
    return other


def test_a_new_chip_is_byte_for_byte_qemus(bench):
    """But for the sector under the second drive's head, which QEMU counts from 0 until there is a disk."""
    driver = Driver(bench, drive_a=None)
    assert save(driver.chip)[0] == BEFORE_FIRMWARE + drive() + drive()


def test_what_qemu_saved_after_its_firmware_loads_and_comes_out_the_same(driver):
    # The firmware's SPECIFY was 03 AF 02; the other half of its first byte is not in QEMU's stream.
    data = fields(timer0=0x0A, timer1=1, dor=0x0C) + drive() + drive()
    load(driver.chip, data)
    assert save(driver.chip)[0] == data
    assert driver.do(0x0E)[4:6] == [0xA0, 0x02]


def test_what_firmware_leaves_needs_nothing_of_ours(driver, bench):
    bench.outb(DOR, 0)
    bench.outb(DOR, 0x1C)
    assert save(driver.chip)[1] == {"reset_sensei"}
    for _ in range(4):
        driver.do(0x08)
    driver.do(0x03, 0xAF, 0x02)
    driver.do(0x07, 0)
    assert save(driver.chip)[1] == set()
    assert moved(driver).do(0x08) == [0x20, 0]
    driver.do(0x08)
    assert driver.transfer(0xE6, 0, 1, 3)[:3] == [4, 0, 0]
    assert save(driver.chip)[1] == set()
    assert moved(driver).do(0x0E)[4:6] == [0xAF, 0x02]


@pytest.mark.parametrize("sent", range(1, 9))
def test_a_command_goes_on_from_where_it_was(driver, sent):
    command = [0xE6, 4, 0, 1, 3, 2, 18, 0x1B, 0xFF]
    driver.send(*command[:sent])
    assert save(driver.chip)[1] == set()
    other = moved(driver)
    other.send(*command[sent:])
    other.bench.advance(1_000_000)
    assert other.answer()[:3] == [0x04, 0, 0]
    assert other.memory() == sector(0, 1, 3)


def test_a_result_is_read_on(driver, bench):
    driver.send(0x0E)
    first = [bench.inb(FIFO) for _ in range(3)]
    assert save(driver.chip)[1] == set()
    assert first + moved(driver).answer() == Driver(Bench()).do(0x0E)


def test_read_id_is_answered_after_the_move(driver):
    driver.send(0x4A, 4)
    assert save(driver.chip)[1] == {"result_timer"}
    other = moved(driver)
    other.bench.advance(1_000_000)
    assert other.answer()[:2] == [0x04, 0]


def test_a_transfer_under_way_goes_on(driver, bench):
    """Byte by byte through the port, half a sector before the move and half after it."""
    driver.do(0x03, 0xAF, 0x03)
    driver.send(0xE6, 0, 0, 0, 5, 2, 18, 0x1B, 0xFF)
    bench.advance(1_000_000)
    data = bytes(bench.inb(FIFO) for _ in range(200))
    assert save(driver.chip)[1] == {"transfer"}
    other = moved(driver)
    data += bytes(other.bench.inb(FIFO) for _ in range(312))
    assert data == sector(0, 0, 5)


def test_a_seek_under_way_arrives(driver):
    driver.do(0x0F, 0, 7)
    driver.do(0x08)
    driver.send(0x0F, 1, 5)
    assert save(driver.chip)[1] == {"seeks"}
    other = moved(driver)
    other.bench.advance(1_000_000)
    assert other.irq
    assert other.do(0x08) == [0x21, 5]


@pytest.mark.parametrize("dor", range(16))
@pytest.mark.parametrize("specify", [None, 0x02, 0x03, 0x00, 0x01])
def test_gate_and_specify_are_kept(driver, bench, dor, specify):
    if specify is not None:
        driver.do(0x03, 0, specify)
    bench.outb(DOR, dor)
    other = moved(driver)
    assert other.chip.save_fields() == driver.chip.save_fields()


# -- commands that QEMU's chip has under way ----------------------------------------------------------


def test_qemus_command_that_waits_for_dma_is_done(driver):
    fifo = bytes((0xE6, 0x04, 0, 1, 3, 2, 18, 0x1B, 0xFF))
    driver.dma(512, 0x46)
    load(driver.chip, fields(msr=0x10, fifo=fifo, data_len=512, data_dir=1, eot=18) + drive(1, 0, 3) + drive())
    driver.bench.advance(1_000_000)
    assert driver.answer()[:3] == [0x04, 0, 0]
    assert driver.memory() == sector(0, 1, 3)


def test_qemus_transfer_by_the_processor_is_read_on(driver):
    data = fields(
        dor=0x04, msr=0xF0, fifo=sector(0, 1, 3), data_pos=500, data_len=1024, data_dir=1, eot=4, timer1=1
    )
    load(driver.chip, data + drive(1, 0, 3) + drive())
    assert bytes(driver.inb(FIFO) for _ in range(12)) == sector(0, 1, 3)[500:]
    assert bytes(driver.inb(FIFO) for _ in range(512)) == sector(0, 1, 4)


def test_qemus_transfer_between_two_sectors_goes_on_with_the_next(driver):
    data = fields(dor=0x04, msr=0xF0, fifo=sector(0, 1, 3), data_pos=512, data_len=1024, data_dir=1, eot=18)
    load(driver.chip, data + drive(1, 0, 3) + drive())
    driver.bench.advance(1_000_000)
    assert bytes(driver.inb(FIFO) for _ in range(512)) == sector(0, 1, 4)


def test_qemus_seek_interrupt_is_answered(driver):
    load(driver.chip, fields(sra=0xC0, status0=0x20) + drive(0, 7) + drive())
    assert driver.irq
    assert driver.do(0x08) == [0x20, 7]


def test_qemus_read_id_is_answered(driver):
    load(
        driver.chip,
        fields(msr=0x10) + drive(1) + drive() + subsection("fdc/result_timer", (20_000_000).to_bytes(8, "big")),
    )
    assert driver.inb(MSR) & 0xC0 == 0
    driver.bench.advance(30_000_000)
    assert driver.answer()[0] == 0x04


def test_qemus_phase_counts_more_than_its_status(driver):
    fifo = bytes(7)
    data = fields(msr=0x80, fifo=fifo, data_len=7) + drive() + drive() + subsection("fdc/phase", b"\3")
    load(driver.chip, data)
    assert driver.answer() == [0] * 7


@pytest.mark.parametrize(
    "changed",
    [
        {"data_pos": 19},
        {"data_pos": 1 << 31},
        {"msr": 0xD0, "data_len": 17},
        {"msr": 0xD0, "data_pos": 1, "data_len": 1},
        {"msr": 0x10, "fifo": b"\x08"},
        {"msr": 0xF0, "data_dir": 6},
        {"floppies": 1},
    ],
)
def test_what_no_chip_holds_is_refused(driver, changed):
    with pytest.raises(StateError):
        load(driver.chip, fields(**changed) + drive() + drive())

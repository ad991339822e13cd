"""VMware's backdoor port, with registers in a dictionary."""

from __future__ import annotations

import pytest
from bench import Bench

from pyqemu.hw.misc.vmport import MAGIC, PORT, VmPort


@pytest.fixture
def registers(bench: Bench) -> dict[str, int]:
    values = {"rax": MAGIC, "rbx": 0, "rcx": 0, "rdx": PORT}
    port = bench.plug(VmPort())
    port.get_register, port.set_register = values.__getitem__, values.__setitem__
    port.ram_bytes = 128 << 20
    return values


def test_version_answers_with_the_magic_number(bench: Bench, registers: dict[str, int]) -> None:
    registers["rcx"] = 0xABCD_000A
    assert bench.inl(PORT) == 6
    assert registers["rbx"] == MAGIC


def test_memory_size_in_bytes(bench: Bench, registers: dict[str, int]) -> None:
    registers["rcx"] = 0x14
    assert bench.inl(PORT) == 128 << 20
    assert registers["rbx"] == 0x1177


def test_unknown_commands_change_nothing(bench: Bench, registers: dict[str, int]) -> None:
    for command in (0, 0x27, 0x28, 0xFFFF):
        registers["rcx"] = command
        assert bench.inl(PORT) == MAGIC
        assert registers["rbx"] == 0


@pytest.mark.parametrize(("width", "value"), [(1, 0x78), (2, 0x5678), (4, 0x12345678)])
def test_without_the_magic_number_eax_comes_back(
    bench: Bench, registers: dict[str, int], width: int, value: int
) -> None:
    registers["rax"], registers["rcx"] = 0xFFFF_FFFF_1234_5678, 0x0A
    assert bench.ports.read(PORT, width) == value
    assert registers["rbx"] == 0


def test_writing_the_port_is_a_command_too(bench: Bench, registers: dict[str, int]) -> None:
    registers["rcx"] = 0x0A
    bench.outl(PORT, MAGIC)
    assert (registers["rax"], registers["rbx"]) == (6, MAGIC)

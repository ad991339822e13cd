"""CPUID and the CPU models."""

from __future__ import annotations

import pytest
from guest_board import Machine

from pyqemu.core.errors import ConfigError
from pyqemu.cpu.model_names import MODEL_NAMES
from pyqemu.cpu.models import find_model

CPUID = """
        mov eax, {leaf}
        xor ecx, ecx
        cpuid
        out REPORT, eax
        report ebx
        report ecx
        report edx
"""


def cpuid(machine, *leaves):
    reports = machine.flat32("".join(CPUID.format(leaf=leaf) for leaf in leaves) + "stop")
    return [reports[i : i + 4] for i in range(0, len(reports), 4)]


def text(*words):
    return b"".join(word.to_bytes(4, "little") for word in words).rstrip(b"\0").decode()


def test_qemu64_shows_family_6_model_2_stepping_3(machine):
    [one] = cpuid(machine, 1)
    assert one[0] == 0x00000623
    assert one[3] & 1 << 9 == 0, "there is no local APIC"
    assert one[3] & 0x0183F9FD | 1 << 9 == one[3] & 0x0183F9FD | 1 << 9
    assert one[3] >> 23 & 0b1111 == 0b1111, "MMX FXSR SSE SSE2"
    assert one[2] & 1 << 31, "a hypervisor"
    assert one[2] & 1 << 0, "SSE3"
    assert one[2] & 1 << 13, "CMPXCHG16B"


@pytest.mark.parametrize("model", ["qemu32", "kvm32", "athlon", "coreduo", "n270", "pentium3"])
def test_a_32_bit_model_has_no_long_mode(assembler, model):
    machine = Machine(assembler, find_model(model, "1.0"))
    try:
        assert machine.cpu.engine.cpuid(0x80000001, 0)[3] & 1 << 29 == 0
        assert machine.cpu.engine.cpuid(0x80000008, 0)[0] >> 8 == 0
    finally:
        machine.close()


def test_qemu32_shows_family_6_model_3_stepping_3_in_both_leaves(assembler):
    machine = Machine(assembler, find_model("qemu32", "1.0"))
    try:
        assert machine.cpu.engine.cpuid(1, 0)[0] == machine.cpu.engine.cpuid(0x80000001, 0)[0] == 0x633
        assert machine.cpu.engine.cpuid(1, 0)[2] & 1 << 23, "POPCNT"
    finally:
        machine.close()


@pytest.mark.parametrize("model", ["qemu64", "486", "Haswell"])
def test_edx_holds_the_signature_at_reset(assembler, model):
    machine = Machine(assembler, find_model(model, "1.0"))
    try:
        assert machine.cpu.get("rdx") == machine.cpu.engine.cpuid(1, 0)[0] != 0
    finally:
        machine.close()


def test_qemu64_names(machine):
    zero, ext, *brand = cpuid(machine, 0, 0x80000000, 0x80000002, 0x80000003, 0x80000004)
    assert zero[0] == 4
    assert text(zero[1], zero[3], zero[2]) == "AuthenticAMD"
    assert text(ext[1], ext[3], ext[2]) == "AuthenticAMD"
    assert ext[0] >= 0x80000008
    assert text(*brand[0], *brand[1], *brand[2]) == "QEMU Virtual CPU version 1.0"


def test_qemu64_extended_features(machine):
    [one] = cpuid(machine, 0x80000001)
    assert one[0] == 0x00000623
    assert one[3] & 1 << 9 == 0
    for bit, name in ((11, "SYSCALL"), (20, "NX"), (29, "long mode")):
        assert one[3] >> bit & 1, name


def test_the_engine_shows_the_same_as_the_instruction(machine):
    leaves = [0, 1, 2, 4, 7, 0xA, 0xD, 0x80000000, 0x80000001, 0x80000005, 0x80000008]
    for leaf, registers in zip(leaves, cpuid(machine, *leaves), strict=True):
        assert machine.cpu.engine.cpuid(leaf, 0) == tuple(registers)


def test_hardware_version_is_in_the_name(assembler):
    machine = Machine(assembler, find_model("qemu64", "1.1"))
    try:
        brand = cpuid(machine, 0x80000002, 0x80000003)
    finally:
        machine.close()
    assert text(*brand[0], *brand[1]) == "QEMU Virtual CPU version 1.1"


def test_features_are_switched_for_cpuid_and_for_the_instruction(assembler):
    """MOVBE, which qemu64 lacks."""
    for value, result in (("on", [0x44332211]), ("off", [0xDEAD0006])):
        machine = Machine(assembler, find_model("qemu64", "1.0").with_features((("movbe", value),)))
        try:
            [one] = cpuid(machine, 1)
            assert one[2] >> 22 & 1 == (value == "on")
            reports = machine.flat32("mov dword [0x7100], 0x11223344\nmovbe eax, [0x7100]\nout REPORT, eax\nstop")
            assert reports[:1] == result
        finally:
            machine.close()


def test_an_unknown_feature_and_model():
    with pytest.raises(ConfigError, match="smepp"):
        find_model("qemu64").with_features((("smepp", "on"),))
    with pytest.raises(ConfigError, match="unable to find CPU model 'qemu46'") as caught:
        find_model("qemu46")
    assert "qemu64" in caught.value.hint


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_model_runs(assembler, name):
    machine = Machine(assembler, find_model(name, "1.0"))
    try:
        reports = machine.flat32(
            "mov eax, 1\ncpuid\nout REPORT, eax\nreport edx\nmov ecx, 10\nxor eax, eax\nagain: add eax, ecx\n"
            "loop again\nout REPORT, eax\nint 0x30"
        )
    finally:
        machine.close()
    signature, features, total, unexpected = reports[:4]
    assert signature >> 8 & 15 >= 3
    assert features & 1 << 9 == 0
    assert features & 1
    assert (total, unexpected) == (55, 0xDEAD0030)

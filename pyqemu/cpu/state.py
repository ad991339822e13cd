"""The CPU as a saved machine holds it: QEMU's section ``cpu``, version 12.

Source   ``reference/migration/vmdesc-*.json`` for names, order and sizes; Unicorn 2.1.4's CPUX86State for places
Wiring   a ``CpuState`` is a copy: ``pull`` takes it from the engine, ``push`` gives it back
Units    segment flags are the descriptor's second word; the time-stamp counter is not here but in the machine's
         ``timer`` section
Missing  what Unicorn's processor does not have: AVX registers (zero), KVM's and Hyper-V's interfaces
"""

from __future__ import annotations

from typing import Any

from pyqemu.core.state import Record, State, StateError

GENERAL = 16
XMM_AT, XMM_STRIDE = 0x338, 64
FPSTT, FPUS, FPTAGS, FPREGS = 0x25C, 0x260, 0x264, 0x270
SEGMENTS, LDT, TR, GDT, IDT = 0xB8, 0x148, 0x160, 0x178, 0x190
SEGMENT_STRIDE = 24
MTRR_VAR = 0x1910
BOUNDS = 0x1F8
FPREG_STRIDE = 16
TOP_SHIFT, TOP_MASK = 11, 0x3800
APIC_BASE = 0xFEE00900
MISC_ENABLE = 1
DR7 = 7  # the engine has to notice a change of it
ADDRESS_BIT_20 = 1 << 20


class FpRegister(Record, vmstate="fpreg", version=0):
    tmp_mant = State.u64()
    tmp_exp = State.u16()


class Segment(Record, vmstate="segment"):
    selector = State.u32()
    base = State.u64()
    limit = State.u32()
    flags = State.u32()


class XmmRegister(Record, vmstate="xmm_reg"):
    low = State.u64(name="_q_ZMMReg[0]")
    high = State.u64(name="_q_ZMMReg[1]")


class YmmHalf(Record, vmstate="ymmh_reg"):
    low = State.u64(name="_q_ZMMReg[2]")
    high = State.u64(name="_q_ZMMReg[3]")


class MtrrRange(Record, vmstate="mtrr_var"):
    base = State.u64()
    mask = State.u64()


class Bound(Record, vmstate="bnd_regs"):
    lower = State.u64(name="lb")
    upper = State.u64(name="ub")


class CpuCommon(Record, vmstate="cpu_common"):
    """What every kind of processor has."""

    halted = State.u32()
    interrupt_request = State.u32()


class CpuState(Record, vmstate="cpu", version=12):
    regs = State.ints(GENERAL, 64, name="env.regs")
    eip = State.u64(name="env.eip")
    eflags = State.u64(name="env.eflags")
    hflags = State.u32(name="env.hflags")
    fpuc = State.u16(name="env.fpuc")
    fpus = State.u16(name="env.fpus_vmstate")  # with the top of stack in bits 13:11
    fptag = State.u16(name="env.fptag_vmstate")  # a bit for each register in use
    fpregs_format = State.u16(name="env.fpregs_format_vmstate")
    fpregs = State.records(FpRegister, 8, name="env.fpregs")
    segs = State.records(Segment, 6, name="env.segs")
    ldt = State.record(Segment, name="env.ldt")
    tr = State.record(Segment, name="env.tr")
    gdt = State.record(Segment, name="env.gdt")
    idt = State.record(Segment, name="env.idt")
    sysenter_cs = State.u32(name="env.sysenter_cs")
    sysenter_esp = State.u64(name="env.sysenter_esp")
    sysenter_eip = State.u64(name="env.sysenter_eip")
    cr0 = State.u64(name="env.cr[0]")
    cr2 = State.u64(name="env.cr[2]")
    cr3 = State.u64(name="env.cr[3]")
    cr4 = State.u64(name="env.cr[4]")
    dr = State.ints(8, 64, name="env.dr")
    a20_mask = State.i32(name="env.a20_mask")
    mxcsr = State.u32(name="env.mxcsr")
    xmm = State.records(XmmRegister, GENERAL, name="env.xmm_regs[0]")
    efer = State.u64(name="env.efer")
    star = State.u64(name="env.star")
    lstar = State.u64(name="env.lstar")
    cstar = State.u64(name="env.cstar")
    fmask = State.u64(name="env.fmask")
    kernelgsbase = State.u64(name="env.kernelgsbase")
    smbase = State.u32(name="env.smbase")
    pat = State.u64(name="env.pat")
    hflags2 = State.u32(name="env.hflags2")
    vm_hsave = State.u64(name="env.vm_hsave")
    vm_vmcb = State.u64(name="env.vm_vmcb")
    tsc_offset = State.u64(name="env.tsc_offset")
    intercept = State.u64(name="env.intercept")
    intercept_cr_read = State.u16(name="env.intercept_cr_read")
    intercept_cr_write = State.u16(name="env.intercept_cr_write")
    intercept_dr_read = State.u16(name="env.intercept_dr_read")
    intercept_dr_write = State.u16(name="env.intercept_dr_write")
    intercept_exceptions = State.u32(name="env.intercept_exceptions")
    v_tpr = State.u8(name="env.v_tpr")
    mtrr_fixed = State.ints(11, 64, name="env.mtrr_fixed")
    mtrr_deftype = State.u64(name="env.mtrr_deftype")
    mtrr_var = State.records(MtrrRange, 8, name="env.mtrr_var")
    interrupt_injected = State.i32(name="env.interrupt_injected")
    mp_state = State.u32(name="env.mp_state")
    tsc = State.u64(name="env.tsc")
    exception_nr = State.i32(name="env.exception_nr")
    soft_interrupt = State.u8(name="env.soft_interrupt")
    nmi_injected = State.constant("uint8", 0, name="env.nmi_injected")
    nmi_pending = State.constant("uint8", 0, name="env.nmi_pending")
    has_error_code = State.u8(name="env.has_error_code")
    sipi_vector = State.u32(name="env.sipi_vector")
    mcg_cap = State.u64(name="env.mcg_cap")
    mcg_status = State.u64(name="env.mcg_status")
    mcg_ctl = State.u64(name="env.mcg_ctl")
    mce_banks = State.ints(40, 64, name="env.mce_banks")
    tsc_aux = State.u64(name="env.tsc_aux")
    system_time_msr = State.u64(name="env.system_time_msr")
    wall_clock_msr = State.u64(name="env.wall_clock_msr")
    xcr0 = State.u64(name="env.xcr0")
    xstate_bv = State.u64(name="env.xstate_bv")
    ymmh = State.records(YmmHalf, GENERAL, name="env.xmm_regs[1]")

    fpop = State.u16(name="env.fpop", sub="fpop_ip_dp")
    fpip = State.u64(name="env.fpip", sub="fpop_ip_dp")
    fpdp = State.u64(name="env.fpdp", sub="fpop_ip_dp")
    tsc_adjust = State.u64(name="env.tsc_adjust", sub="msr_tsc_adjust")
    tsc_deadline = State.u64(name="env.tsc_deadline", sub="msr_tscdeadline")
    misc_enable = State.u64(MISC_ENABLE, name="env.msr_ia32_misc_enable", sub="msr_ia32_misc_enable")
    feature_control = State.u64(name="env.msr_ia32_feature_control", sub="feature_control")
    poll_control = State.u64(1, name="env.poll_control_msr", sub="poll_control_msr")
    smi_count = State.u64(name="env.msr_smi_count", sub="msr_smi_count")
    pkru = State.u32(name="env.pkru", sub="pkru")
    bounds = State.records(Bound, 4, name="env.bnd_regs", sub="mpx")
    bound_config = State.u64(name="env.bndcs_regs.cfgu", sub="mpx")
    bound_status = State.u64(name="env.bndcs_regs.sts", sub="mpx")
    bound_msr = State.u64(name="env.msr_bndcfgs", sub="mpx")
    nested_cr3 = State.u64(name="env.nested_cr3", sub="nested_paging")
    nested_mode = State.u32(name="env.nested_pg_mode", sub="nested_paging")
    xss = State.u64(name="env.xss", sub="xss")
    apic_base = State.u64(APIC_BASE, sub="apic_base")  # the machine has no local APIC of its own yet

    # -- to and from the engine -----------------------------------------------------------------------

    def pull(self, engine: Any) -> None:
        """Copy the engine's registers."""
        peek = engine.peek
        for name, (offset, size) in PLACES.items():
            setattr(self, name, peek(offset, size))
        for name, (offset, size, count) in ARRAYS.items():
            setattr(self, name, [peek(offset + size * n, size) for n in range(count)])
        for record, offset in self._records():
            for field, (at, size) in RECORD_PLACES[type(record)].items():
                setattr(record, field, peek(offset + at, size))
        self.a20_mask = _signed(self.a20_mask)
        self.interrupt_injected = _signed(self.interrupt_injected)
        self.exception_nr = _signed(self.exception_nr)
        self.eflags = engine.eflags()
        self.fpus = peek(FPUS, 2) & ~TOP_MASK | (peek(FPSTT, 4) & 7) << TOP_SHIFT
        self.fptag = sum((not peek(FPTAGS + n, 1)) << n for n in range(8))
        self.apic_base = engine.apic_base

    def push(self, engine: Any) -> None:
        """Give everything to the engine."""
        poke = engine.poke
        engine.set_dr7(0)
        for name, (offset, size) in PLACES.items():
            poke(offset, size, getattr(self, name) & (1 << 8 * size) - 1)
        for name, (offset, size, count) in ARRAYS.items():
            for n, value in enumerate(getattr(self, name)[: count if name != "dr" else DR7]):
                poke(offset + size * n, size, value)
        for record, offset in self._records():
            for field, (at, size) in RECORD_PLACES[type(record)].items():
                poke(offset + at, size, getattr(record, field))
        poke(FPSTT, 4, self.fpus >> TOP_SHIFT & 7)
        poke(FPUS, 2, self.fpus & ~TOP_MASK)
        for n in range(8):
            poke(FPTAGS + n, 1, not self.fptag >> n & 1)
        engine.set_eflags(self.eflags)
        engine.set_dr7(self.dr[DR7])
        engine.apic_base = self.apic_base
        engine.set_a20(bool(self.a20_mask & ADDRESS_BIT_20))
        engine.update()

    def _records(self) -> list[tuple[Record, int]]:
        """The parts, each with its place."""
        return [
            *((register, FPREGS + FPREG_STRIDE * n) for n, register in enumerate(self.fpregs)),
            *((segment, SEGMENTS + SEGMENT_STRIDE * n) for n, segment in enumerate(self.segs)),
            *((self.ldt, LDT), (self.tr, TR), (self.gdt, GDT), (self.idt, IDT)),
            *((register, XMM_AT + XMM_STRIDE * n) for n, register in enumerate(self.xmm)),
            *((half, XMM_AT + XMM_STRIDE * n + 16) for n, half in enumerate(self.ymmh)),
            *((pair, MTRR_VAR + 16 * n) for n, pair in enumerate(self.mtrr_var)),
            *((pair, BOUNDS + 16 * n) for n, pair in enumerate(self.bounds)),
        ]

    def check(self) -> None:
        """What a processor cannot be in, and would confuse the translator."""
        if self.fpregs_format:
            raise StateError(f"field 'env.fpregs_format_vmstate' is {self.fpregs_format}, known is 0")
        if self.a20_mask not in (-1, ~ADDRESS_BIT_20):
            raise StateError(f"field 'env.a20_mask' is {self.a20_mask:#x}")
        if self.cr0 & 0x80000000 and not self.cr0 & 1:
            raise StateError("field 'env.cr[0]' has paging without protection")


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


PLACES: dict[str, tuple[int, int]] = {
    "eip": (0x80, 8), "hflags": (0xB0, 4), "hflags2": (0xB4, 4), "cr0": (0x1A8, 8), "cr2": (0x1B8, 8),
    "cr3": (0x1C0, 8), "cr4": (0x1C8, 8), "a20_mask": (0x1F0, 4), "bound_config": (0x238, 8),
    "bound_status": (0x240, 8), "bound_msr": (0x248, 8), "efer": (0x250, 8), "fpuc": (0x262, 2),
    "fpop": (0x2F0, 2), "fpip": (0x2F8, 8), "fpdp": (0x300, 8), "mxcsr": (0x330, 4), "sysenter_cs": (0x12C0, 4),
    "sysenter_esp": (0x12C8, 8), "sysenter_eip": (0x12D0, 8), "star": (0x12D8, 8), "vm_hsave": (0x12E0, 8),
    "lstar": (0x12E8, 8), "cstar": (0x12F0, 8), "fmask": (0x12F8, 8), "kernelgsbase": (0x1300, 8),
    "tsc": (0x1308, 8), "tsc_adjust": (0x1310, 8), "tsc_deadline": (0x1318, 8), "tsc_aux": (0x1320, 8),
    "xcr0": (0x1328, 8), "mcg_status": (0x1330, 8), "misc_enable": (0x1338, 8), "feature_control": (0x1340, 8),
    "pat": (0x14A0, 8), "smbase": (0x14A8, 4), "smi_count": (0x14B0, 8), "pkru": (0x14B8, 4),
    "system_time_msr": (0x14D8, 8), "wall_clock_msr": (0x14E0, 8), "poll_control": (0x1500, 8),
    "vm_vmcb": (0x1580, 8), "tsc_offset": (0x1588, 8), "intercept": (0x1590, 8),
    "intercept_cr_read": (0x1598, 2), "intercept_cr_write": (0x159A, 2), "intercept_dr_read": (0x159C, 2),
    "intercept_dr_write": (0x159E, 2),
    "intercept_exceptions": (0x15A0, 4), "nested_cr3": (0x15A8, 8), "nested_mode": (0x15B0, 4),
    "v_tpr": (0x15B4, 1),
    "mtrr_deftype": (0x1908, 8), "mp_state": (0x1990, 4), "exception_nr": (0x1994, 4),
    "interrupt_injected": (0x1998, 4), "soft_interrupt": (0x199C, 1), "has_error_code": (0x199F, 1),
    "sipi_vector": (0x19B4, 4), "mcg_cap": (0x19D0, 8), "mcg_ctl": (0x19D8, 8), "xstate_bv": (0x1B28, 8),
    "xss": (0x1B38, 8),
}  # fmt: skip
"""Field → (offset into CPUX86State, bytes)."""

ARRAYS: dict[str, tuple[int, int, int]] = {
    "regs": (0x0, 8, GENERAL), "dr": (0x1518, 8, 8), "mtrr_fixed": (0x18B0, 8, 11), "mce_banks": (0x19E8, 8, 40),
}  # fmt: skip
"""Field → (offset, bytes of an element, elements)."""

RECORD_PLACES: dict[type[Record], dict[str, tuple[int, int]]] = {
    FpRegister: {"tmp_mant": (0, 8), "tmp_exp": (8, 2)},
    Segment: {"selector": (0, 4), "base": (8, 8), "limit": (16, 4), "flags": (20, 4)},
    XmmRegister: {"low": (0, 8), "high": (8, 8)},
    YmmHalf: {"low": (0, 8), "high": (8, 8)},
    MtrrRange: {"base": (0, 8), "mask": (8, 8)},
    Bound: {"lower": (0, 8), "upper": (8, 8)},
}

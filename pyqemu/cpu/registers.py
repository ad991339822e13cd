"""Where the CPU keeps its registers: offsets into Unicorn's CPUX86State (2.1.4, x86-64 target).

For tests, the self-check, and whoever shows registers. ``(offset, bytes)`` each.
"""

from __future__ import annotations

GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr", "gdt", "idt")

_SEGMENT_BASE = 0xB8
_SEGMENT_BYTES = 24

FIELDS: dict[str, tuple[int, int]] = {name: (8 * n, 8) for n, name in enumerate(GENERAL)}
FIELDS |= {
    "rip": (0x80, 8),
    "rflags": (0x88, 8),  # without the lazily computed arithmetic flags
    "hflags": (0xB0, 4),
    "efer": (0x250, 8),
    "old_exception": (0x1578, 4),
    "error_code": (0x1508, 4),
}
FIELDS |= {f"cr{n}": (0x1A8 + 8 * n, 8) for n in (0, 2, 3, 4, 8)}
FIELDS |= {f"dr{n}": (0x1518 + 8 * n, 8) for n in range(8)}
FIELDS |= {
    "a20_mask": (0x1F0, 4),
    "star": (0x12D8, 8),
    "lstar": (0x12E8, 8),
    "kernel_gs_base": (0x1300, 8),
    "fpstt": (0x25C, 4),
    "fpus": (0x260, 2),
    "fpuc": (0x262, 2),
    "mxcsr": (0x330, 4),
}
FIELDS |= {f"fptag{n}": (0x264 + n, 1) for n in range(8)}
FIELDS |= {f"fpr{n}.{part}": (0x270 + 16 * n + 8 * k, 8 - 6 * k) for n in range(8) for k, part in enumerate("me")}
FIELDS |= {f"xmm{n}.{k}": (0x338 + 64 * n + 8 * k, 8) for n in range(16) for k in range(2)}
for _n, _name in enumerate(SEGMENTS):
    _at = _SEGMENT_BASE + _SEGMENT_BYTES * _n
    FIELDS[_name] = (_at, 4)
    FIELDS[f"{_name}.base"] = (_at + 8, 8)
    FIELDS[f"{_name}.limit"] = (_at + 16, 4)
    FIELDS[f"{_name}.flags"] = (_at + 20, 4)

# Feature words, 64 bits each in this order: what CPUID shows and the translator checks.
_FEATURES = 0x1600
_WORDS = ("1.edx", "1.ecx", "7.ebx", "7.ecx", "7.edx", "7.1.eax", "80000001.edx", "80000001.ecx")
FIELDS |= {f"features.{_name}": (_FEATURES + 8 * _n, 8) for _n, _name in enumerate(_WORDS)}

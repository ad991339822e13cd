"""The CPU models, by QEMU's names, in the order in which Unicorn numbers them."""

from __future__ import annotations

MODEL_NAMES = (
    "qemu64", "phenom", "core2duo", "kvm64", "qemu32", "kvm32", "coreduo", "486", "pentium", "pentium2",
    "pentium3", "athlon", "n270", "Conroe", "Penryn", "Nehalem", "Westmere", "SandyBridge", "IvyBridge",
    "Haswell", "Broadwell", "Skylake-Client", "Skylake-Server", "Cascadelake-Server", "Cooperlake",
    "Icelake-Client", "Icelake-Server", "Denverton", "Snowridge", "KnightsMill", "Opteron_G1", "Opteron_G2",
    "Opteron_G3", "Opteron_G4", "Opteron_G5", "EPYC", "Dhyana", "EPYC-Rome",
)  # fmt: skip

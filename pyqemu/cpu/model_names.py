"""The CPU models, by QEMU's names, in the order in which Unicorn numbers them."""

from __future__ import annotations

MODEL_NAMES = (
    "qemu64", "phenom", "core2duo", "kvm64", "qemu32", "kvm32", "coreduo", "486", "pentium", "pentium2",
    "pentium3", "athlon", "n270", "Conroe", "Penryn", "Nehalem", "Westmere", "SandyBridge", "IvyBridge",
    "Haswell", "Broadwell", "Skylake-Client", "Skylake-Server", "Cascadelake-Server", "Cooperlake",
    "Icelake-Client", "Icelake-Server", "Denverton", "Snowridge", "KnightsMill", "Opteron_G1", "Opteron_G2",
    "Opteron_G3", "Opteron_G4", "Opteron_G5", "EPYC", "Dhyana", "EPYC-Rome",
)  # fmt: skip

_FLAGS = """
    3dnow 3dnowext 3dnowprefetch abm ace2 ace2-en acpi adx aes amd-no-ssb amd-ssbd amd-stibp amx-bf16 amx-int8
    amx-tile apic arat arch-capabilities arch-lbr avic avx avx-vnni avx2 avx512-4fmaps avx512-4vnniw
    avx512-bf16 avx512-fp16 avx512-vp2intersect avx512-vpopcntdq avx512bitalg avx512bw avx512cd avx512dq
    avx512er avx512f avx512ifma avx512pf avx512vbmi avx512vbmi2 avx512vl avx512vnni bmi1 bmi2 bus-lock-detect
    cid cldemote clflush clflushopt clwb clzero cmov cmp-legacy core-capability cr8legacy cx16 cx8 dca de
    decodeassists ds ds-cpl dtes64 erms est extapic f16c flushbyasid fma fma4 fpu fsgsbase fsrm
    full-width-write fxsr fxsr-opt gfni hle ht hypervisor ia64 ibpb ibrs ibrs-all ibs intel-pt intel-pt-lip
    invpcid invtsc la57 lahf-lm lbrv lm lwp mca mce md-clear mds-no misalignsse mmx mmxext monitor movbe
    movdir64b movdiri mpx msr mtrr nodeid-msr npt nrip-save nx osvw pae pat pause-filter pbe pcid pclmulqdq
    pcommit pdcm pdpe1gb perfctr-core perfctr-nb pfthreshold pge phe phe-en pks pku pmm pmm-en pn pni popcnt
    pschange-mc-no pse pse36 rdctl-no rdpid rdrand rdseed rdtscp rsba rtm sep serialize sgx sgx-debug
    sgx-exinfo sgx-kss sgx-mode64 sgx-provisionkey sgx-tokenkey sgx1 sgx2 sgxlc sha-ni skinit
    skip-l1dfl-vmentry smap smep smx spec-ctrl split-lock-detect ss ssb-no ssbd sse sse2 sse4.1 sse4.2 sse4a
    ssse3 stibp svm svm-lock svme-addr-chk syscall taa-no tbm tce tm tm2 topoext tsc tsc-adjust tsc-deadline
    tsc-scale tsx-ctrl tsx-ldtrk umip v-vmsave-vmload vaes vgif virt-ssbd vmcb-clean vme vmx vpclmulqdq
    waitpkg wbnoinvd wdt x2apic xcrypt xcrypt-en xfd xgetbv1 xop xsave xsavec xsaveerptr xsaveopt xsaves
    xstore xstore-en xtpr
"""

FLAG_NAMES = tuple(_FLAGS.split())
"""The feature flags that ``-cpu MODEL,+flag`` may name, as QEMU spells them."""

FLAG_ALIASES = {
    "sse3": "pni",
    "pclmuldq": "pclmulqdq",
    "sse4-1": "sse4.1",
    "sse4-2": "sse4.2",
    "xd": "nx",
    "ffxsr": "fxsr-opt",
    "i64": "lm",
}
"""Second names of flags; an underscore may stand for any dash as well."""

MODEL_TITLES = {
    "phenom": "AMD Phenom(tm) 9550 Quad-Core Processor",
    "core2duo": "Intel(R) Core(TM)2 Duo CPU     T7700  @ 2.40GHz",
    "kvm64": "Common KVM processor",
    "kvm32": "Common 32-bit KVM processor",
    "coreduo": "Genuine Intel(R) CPU           T2600  @ 2.16GHz",
    "n270": "Intel(R) Atom(TM) CPU N270   @ 1.60GHz",
    "Conroe": "Intel Celeron_4x0 (Conroe/Merom Class Core 2)",
    "Penryn": "Intel Core 2 Duo P9xxx (Penryn Class Core 2)",
    "Nehalem": "Intel Core i7 9xx (Nehalem Class Core i7)",
    "Westmere": "Westmere E56xx/L56xx/X56xx (Nehalem-C)",
    "SandyBridge": "Intel Xeon E312xx (Sandy Bridge)",
    "IvyBridge": "Intel Xeon E3-12xx v2 (Ivy Bridge)",
    "Haswell": "Intel Core Processor (Haswell)",
    "Broadwell": "Intel Core Processor (Broadwell)",
    "Skylake-Client": "Intel Core Processor (Skylake)",
    "Skylake-Server": "Intel Xeon Processor (Skylake)",
    "Cascadelake-Server": "Intel Xeon Processor (Cascadelake)",
    "Cooperlake": "Intel Xeon Processor (Cooperlake)",
    "Icelake-Client": "Intel Core Processor (Icelake)",
    "Icelake-Server": "Intel Xeon Processor (Icelake)",
    "Denverton": "Intel Atom Processor (Denverton)",
    "Snowridge": "Intel Atom Processor (SnowRidge)",
    "KnightsMill": "Intel Xeon Phi Processor (Knights Mill)",
    "Opteron_G1": "AMD Opteron 240 (Gen 1 Class Opteron)",
    "Opteron_G2": "AMD Opteron 22xx (Gen 2 Class Opteron)",
    "Opteron_G3": "AMD Opteron 23xx (Gen 3 Class Opteron)",
    "Opteron_G4": "AMD Opteron 62xx class CPU",
    "Opteron_G5": "AMD Opteron 63xx class CPU",
    "EPYC": "AMD EPYC Processor",
    "Dhyana": "Hygon Dhyana Processor",
    "EPYC-Rome": "AMD EPYC-Rome Processor",
}
"""What ``-cpu help`` says of a model; the others show the machine type's version in their name string."""

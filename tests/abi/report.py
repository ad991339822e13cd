"""How pyqemu's machines differ from QEMU's, for a guest that looks: ``docs/abi-differences.md``.

    python tests/abi/report.py            writes the page again, from the recordings and from pyqemu as it is now
    python tests/abi/report.py --record   makes the recordings again first, with qemu-system-x86_64

The recordings in tests/golden/abi are what ``probe.asm`` prints on QEMU; ``explained.yaml`` says why ours differs.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import guests
import yaml

from pyqemu.cpu.model_names import MODEL_NAMES
from pyqemu.machines.abi.processor import models

HERE = Path(__file__).resolve().parent
RECORDINGS = HERE.parent / "golden" / "abi"
MODELS = RECORDINGS / "cpu-models.json"
QEMU = ["qemu-system-x86_64", "-accel", "tcg"]
VERSION_LEAVES = ("80000002.00", "80000003.00", "80000004.00")
PAGE = HERE.parents[1] / "docs" / "abi-differences.md"
KINDS = {
    "contract": "what the machine type says",
    "missing": "hardware that is not there yet",
    "choice": "deliberate",
    "newer": "QEMU's type is not frozen and has moved on",
    "defect": "to be mended",
}
SHOWN = 100  # characters of a value

HEAD = """# Differences from QEMU that a guest can see

`pc-1.0` is QEMU's `pc-i440fx-1.4` with the properties that [machine-types.md](machine-types.md) lists; QEMU itself
has dropped pc-1.0. A guest of ours, `tests/abi/probe.asm`, prints what it finds on both: registers at reset, CPUID,
CMOS, PCI configuration with writable bits and BAR sizes, every I/O port in three widths, the memory map, fw_cfg,
drive identification, VGA and dispi registers, power management.

The QEMU side is recorded in `tests/golden/abi`: QEMU 7.2.22 with `-vga std -nic none`, for QEMU's default display
and network cards do not exist here yet. A difference without an explanation, and an
explanation without a difference, fail the tests; so does this page if it is not what `python tests/abi/report.py`
writes.

The kinds:

"""


MODELS_HEAD = """
## Processor models

CPUID of every `-cpu` model on `pc-1.0` and on QEMU's `pc-i440fx-1.4`. The models are those of Unicorn, which has
them from QEMU 5.0, while pc-i440fx-1.4 keeps highest leaves and steppings of 2013; qemu64 and qemu32 are made like
that type's here. Left out are the name of the model, leaves that only one of both has, and bits of hardware that is
missing here:

"""


@dataclass
class Explanation:
    keys: re.Pattern[str]
    title: str
    kind: str
    why: str
    differences: list[tuple[str, str, str]]  # key, QEMU's value, ours


@dataclass
class Comparison:
    machine: str
    reference: str
    options: str
    explanations: list[Explanation]
    unexplained: list[tuple[str, str, str]]

    @property
    def recording(self) -> Path:
        return RECORDINGS / f"{self.reference}.txt"


DOCUMENT: Any = yaml.safe_load((HERE / "explained.yaml").read_text())
VOLATILE = re.compile("|".join(DOCUMENT["volatile"]))


def load() -> list[Comparison]:
    return [
        Comparison(
            entry["machine"],
            entry["reference"],
            entry["options"],
            [
                Explanation(
                    re.compile(item["keys"]), item["title"], item["kind"], " ".join(item["why"].split()), []
                )
                for item in entry["explanations"]
            ],
            [],
        )
        for entry in DOCUMENT["comparisons"]
    ]


def _explanation(item: dict[str, str]) -> Explanation:
    return Explanation(re.compile(item["keys"]), item["title"], item["kind"], " ".join(item["why"].split()), [])


def recorded(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if not line.startswith("#"))


def stable(found: dict[str, str]) -> dict[str, str]:
    """What does not depend on time."""
    kept = {key: value for key, value in found.items() if not VOLATILE.fullmatch(key)}
    clock = re.findall("..", kept["cmos.00"])
    kept["cmos.00"] = "".join("--" if n in DOCUMENT["clock"] else byte for n, byte in enumerate(clock))
    return kept


def compare(comparison: Comparison, found: dict[str, str]) -> None:
    """Sort every difference between the recording and what was *found* into its explanation."""
    reference, found = stable(recorded(comparison.recording)), stable(found)
    for key in sorted(reference.keys() | found.keys()):
        theirs, ours = reference.get(key, "absent"), found.get(key, "absent")
        if theirs == ours:
            continue
        matching = [item for item in comparison.explanations if item.keys.fullmatch(key)]
        place = matching[0].differences if matching else comparison.unexplained
        place.append((key, theirs, ours))


def page(comparisons: list[Comparison]) -> str:
    lines = [HEAD + "\n".join(f"- **{kind}**: {text}" for kind, text in KINDS.items())]
    for comparison in comparisons:
        lines.append(f"\n## {comparison.machine} and QEMU's {comparison.reference}\n")
        lines.append("| difference | kind | lines | why |\n|---|---|---|---|")
        for item in comparison.explanations:
            lines.append(f"| {item.title} | {item.kind} | {len(item.differences)} | {item.why} |")
        lines.append("\nLine by line, QEMU's value and ours; numbers are hexadecimal, `..` is all ones:\n\n```")
        for item in comparison.explanations:
            lines.append(f"{item.title}")
            for key, theirs, ours in item.differences:
                lines += [f"  {key}", f"    QEMU    {_short(theirs)}", f"    pyqemu  {_short(ours)}"]
        lines.append("```")
    lines.append(MODELS_HEAD + "\n".join(f"- {entry['why']}" for entry in DOCUMENT["cpuid"]))
    lines.append("\n| model | register | QEMU | pyqemu |\n|---|---|---|---|")
    lines += models_page()
    lines.append("\n## Beside that\n\n| difference | kind | why |\n|---|---|---|")
    lines += [f"| {item['title']} | {item['kind']} | {item['why']} |" for item in DOCUMENT["beside"]]
    return "\n".join(lines) + "\n"


def _short(value: str) -> str:
    value = value.rstrip()
    return value if len(value) <= SHOWN else f"{value[:SHOWN]}…"


def highest_leaf(leaves: dict[str, str], leaf: str) -> str:
    """The last leaf of the range that *leaf* is in."""
    return leaves.get(f"{leaf[0]}0000000.00", "00000000").split()[0]


def models_page() -> list[str]:
    """Registers of CPUID that differ from the recording, model by model."""
    recorded_models: dict[str, dict[str, str]] = json.loads(MODELS.read_text())["models"]
    ours = models("1.0")
    masks = {
        (leaf, number): ~int(entry["bits"], 16)
        for entry in DOCUMENT["cpuid"]
        for leaf, number in [entry["register"]]
    }
    lines = []
    for model, leaves in recorded_models.items():
        for leaf in sorted(leaves.keys() | ours[model].keys()):
            if leaf[:8] > min(highest_leaf(leaves, leaf), highest_leaf(ours[model], leaf)):
                continue
            theirs, mine = (
                [int(word, 16) for word in found.get(leaf, "0 0 0 0").split()] for found in (leaves, ours[model])
            )
            for number, register in enumerate(("EAX", "EBX", "ECX", "EDX")):
                if leaf in VERSION_LEAVES or not (theirs[number] ^ mine[number]) & masks.get((leaf, number), -1):
                    continue
                values = f"{theirs[number]:08x} | {mine[number]:08x}"
                lines.append(f"| {model} | {leaf.removesuffix('.00')} {register} | {values} |")
    return lines


def record_models(probe: Path, folder: Path) -> None:
    found = {}
    for model in sorted(MODEL_NAMES):
        options = ["-cpu", model, "-vga", "std", "-nic", "none"]
        try:
            seen = guests.run_probe("pc-i440fx-1.4", probe, folder, *options, emulator=QEMU)
        except AssertionError:
            print(f"QEMU has no CPU model {model}")
            continue
        found[model] = {key[6:]: value for key, value in seen.items() if key.startswith("cpuid.")}
    note = "CPUID by tests/abi/probe.asm on QEMU 7.2.22, -M pc-i440fx-1.4, -accel tcg; EAX EBX ECX EDX"
    MODELS.write_text(json.dumps({"note": note, "models": found}, indent=1) + "\n")


def record(comparison: Comparison, probe: Path, folder: Path) -> None:
    options = shlex.split(comparison.options)
    found = guests.run_probe(comparison.reference, probe, folder, *options, emulator=QEMU)
    head = f"# tests/abi/probe.asm on QEMU: -M {comparison.reference} {' '.join([*guests.OPTIONS, *options])}\n"
    comparison.recording.write_text(head + "".join(f"{key}={value}\n" for key, value in found.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    comparisons = load()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        probe = guests.build("probe", folder)
        if arguments.record:
            record_models(probe, folder)
        for comparison in comparisons:
            if arguments.record:
                record(comparison, probe, folder)
            compare(comparison, guests.run_probe(comparison.machine, probe, folder))
            for key, theirs, ours in comparison.unexplained:
                print(f"{comparison.machine}: not explained: {key}: QEMU {theirs}, pyqemu {ours}")
    PAGE.write_text(page(comparisons))


if __name__ == "__main__":
    main()

"""Small guests of the BIOS tests: assembled here, run by the emulator as a process, as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
BIOS = Path(os.environ.get("PYQEMU_TEST_BIOS") or CHECKOUT / "firmware" / "images" / "pyqemu-bios.bin")
PATIENCE = float(os.environ.get("PYQEMU_BOOT_PATIENCE", "1"))
SECTOR, BLOCK = 512, 2048
RAM_MIB = 64
ALL_DONE = 0x10 * 2 + 1  # the exit status when a guest writes 10h to the debug exit port

# Text goes to the serial port only: what the BIOS writes to its console is not in the way.
PROLOGUE = """
        .macro  say text
        call    9f
        .asciz  "\\text"
9:      pop     %si
        call    print
        .endm
        .macro  leave value=0x10
        mov     $0x501, %dx
        mov     $\\value, %al
        out     %al, %dx
        .endm
        .code16
        .text
        .globl  _start
_start: xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0x7c00, %sp
        ljmp    $0, $1f
print:  lods    %cs:(%si), %al
        test    %al, %al
        jz      2f
        mov     $0x3f8, %dx
        out     %al, %dx
        jmp     print
2:      ret
1:      cld
        sti
"""
EPILOGUE = """
stop:   hlt
        jmp     stop
        .org    510
        .word   0xaa55
"""


def assemble(source: Path, out: Path, *options: str, base: int = 0x7C00) -> bytes:
    part = out.with_suffix(".o")
    subprocess.run(["gcc", "-m32", "-c", *options, "-o", part, source], check=True)
    link = ["ld", "-m", "elf_i386", "-Ttext", hex(base), "-e", hex(base), "--oformat", "binary", "-N"]
    subprocess.run([*link, "-o", out, part], check=True)
    return out.read_bytes()


def boot_sector(folder: Path, code: str, name: str = "sector") -> bytes:
    """A sector that runs *code* after PROLOGUE; ``say`` and ``leave`` are its macros."""
    source = folder / f"{name}.S"
    source.write_text(PROLOGUE + code + EPILOGUE)
    program = assemble(source, folder / f"{name}.bin")
    assert len(program) == SECTOR, f"{name} has {len(program)} bytes"
    return program


def option_rom(folder: Path, code: str, name: str = "test") -> Path:
    """An option ROM of 2 KiB whose offset 3 runs *code* (16-bit, far return at its end)."""
    source = folder / f"{name}.S"
    source.write_text(
        PROLOGUE.partition("_start:")[0]
        + "_start: .word 0xaa55\n.byte 4\njmp init\n.org 0x1a\n.word 0\n"
        + "print: lods %cs:(%si), %al\ntest %al, %al\njz 2f\nmov $0x3f8, %dx\nout %al, %dx\njmp print\n2: ret\n"
        + f"init:\n{code}\n.org 2048\n"
    )
    rom = bytearray(assemble(source, folder / f"{name}.rom", base=0))
    rom[-1] = -sum(rom) & 0xFF
    (folder / f"{name}.rom").write_bytes(rom)
    return folder / f"{name}.rom"


def command() -> list[str]:
    override = os.environ.get("PYQEMU_BOOT_COMMAND")
    return override.split() if override else [sys.executable, "-m", "pyqemu", "-M", "pc-1.0"]


# Starts pyqemu with fw_cfg files of a test's own, in place of those of the same names.
WITH_FILES = """
import pathlib, sys
from pyqemu.cli.entry import main
from pyqemu.firmware import config_items
folder, fill = pathlib.Path(sys.argv[1]), config_items.fill
def fill_and_add(fw_cfg, *arguments, **options):
    fill(fw_cfg, *arguments, **options)
    ours = {path.name.replace("!", "/"): path.read_bytes() for path in folder.iterdir()}
    fw_cfg.files = [entry for entry in fw_cfg.files if entry[0] not in ours]
    for name, data in ours.items():
        fw_cfg.add_file(name, data)
config_items.fill = fill_and_add
sys.exit(main(sys.argv[2:]))
"""


def with_files(folder: Path, files: dict[str, bytes]) -> list[str]:
    """The command for ``run(program=...)`` that adds fw_cfg *files*."""
    place = folder / "fw_cfg"
    place.mkdir()
    for name, data in files.items():
        (place / name.replace("/", "!")).write_bytes(data)
    return [sys.executable, "-c", WITH_FILES, str(place)]


def run(
    *arguments: str | Path,
    stop: str = "",
    keys: tuple[tuple[str, bytes], ...] = (),
    program: list[str] | None = None,
    seconds: float = 30,
) -> tuple[str, int | None]:
    """Output and exit status; with *stop*, until that text has come (then the status is None).

    *keys*: (text to wait for, what is typed then), in turn. *program* starts the emulator, if not as a user does.
    """
    options = ["-m", RAM_MIB, "-bios", BIOS, "-nographic", "-device", "isa-debug-exit,iobase=0x501", *arguments]
    process = subprocess.Popen(
        [*(program or command()), *map(str, options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=CHECKOUT,
    )
    assert process.stdin and process.stdout
    os.set_blocking(process.stdout.fileno(), False)
    text, seen, waiting = "", 0, list(keys)
    try:
        for _ in range(int(seconds * PATIENCE * 20)):
            text += (process.stdout.read() or b"").decode("latin-1")
            if waiting and (found := text.find(waiting[0][0], seen)) >= 0:
                seen = found + len(waiting[0][0])
                process.stdin.write(waiting.pop(0)[1])
                process.stdin.flush()
            if stop and stop in text[seen:] and not waiting:
                return text, None
            try:
                status = process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            return text + (process.stdout.read() or b"").decode("latin-1"), status
        pytest.fail(f"no end within {seconds} s:\n{text}")
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def disk(path: Path) -> str:
    return f"file={path},format=raw,if=ide,snapshot=on"

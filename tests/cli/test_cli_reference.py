"""``docs/options.md`` says what the parser does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyqemu.cli import qemu_names
from pyqemu.cli.options import OPTIONS, parse
from pyqemu.cli.reference import reference
from pyqemu.cli.refused import REFUSED
from pyqemu.core.errors import ConfigError

DOCUMENT = Path(__file__).parents[2] / "docs" / "options.md"

QEMU_1_0 = qemu_names._words("""
h version machine cpu smp numa fda fdb hda hdb hdc hdd cdrom drive set global mtdblock sd pflash boot snapshot
m k audio-help soundhw balloon usb usbdevice device name uuid fsdev virtfs display nographic curses no-frame
alt-grab ctrl-grab no-quit sdl spice portrait rotate vga full-screen g vnc win2k-hack no-fd-bootchk no-acpi
no-hpet acpitable smbios net netdev bt chardev kernel append initrd serial parallel monitor qmp mon debugcon
pidfile singlestep S gdb s d D hdachs L bios enable-kvm xen-domid xen-create xen-attach no-reboot no-shutdown
loadvm daemonize option-rom clock rtc icount watchdog watchdog-action echr virtioconsole show-cursor tb-size
incoming nodefaults chroot runas prom-env semihosting old-param readconfig writeconfig nodefconfig
no-user-config trace
""")
"""The options of QEMU 1.0's -help for x86 and its undocumented companions."""


def test_the_document_is_what_the_parser_has() -> None:
    assert DOCUMENT.read_text() == reference(), "make it again: python -m pyqemu.cli.reference > docs/options.md"


@pytest.mark.parametrize("name", sorted({*QEMU_1_0, *qemu_names.OPTIONS}))
def test_every_option_of_qemu_is_there_or_refused_with_its_reason(name: str) -> None:
    if name in OPTIONS:
        return
    with pytest.raises(ConfigError) as caught:
        parse([f"-{name}", "x"])
    assert str(caught.value) == f"-{name}: not supported by pyqemu"
    assert caught.value.hint == f"Reason: {REFUSED[name]}."


def test_the_document_names_them_all() -> None:
    named = set(re.findall(r"`-([\w-]+)`", DOCUMENT.read_text()))
    assert named >= {*QEMU_1_0, *qemu_names.OPTIONS, *OPTIONS}

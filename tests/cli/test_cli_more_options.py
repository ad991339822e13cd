"""Options about the process, firmware items, nodes, drives as devices, and what is accepted for others' sake."""

from __future__ import annotations

import uuid

import pytest

from pyqemu.cli.messages import Answer
from pyqemu.cli.options import parse
from pyqemu.core.errors import ConfigError
from pyqemu.core.messages import line, style
from pyqemu.firmware import acpi_user_tables, smbios_entries
from pyqemu.launch import DriveConfig, FirmwareItem


def refused(*argv: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(argv)
    return f"{caught.value}\n{caught.value.hint}".rstrip()


NODE = ("-blockdev", "driver=file,node-name=d,filename=disk.img")


# -- the process ----------------------------------------------------------------------------------------------


def test_actions() -> None:
    config = parse(["-action", "reboot=shutdown,shutdown=pause,panic=none,watchdog=reset"])
    assert (config.no_reboot, config.no_shutdown, config.panic_action) == (True, True, "none")
    assert parse(["-no-reboot", "-action", "reboot=reset"]).no_reboot is False


def test_process() -> None:
    process = parse(["-pidfile", "p", "-daemonize", "-chroot", "/c", "-runas", "12:34"]).process
    assert (process.pidfile, process.daemonize, process.chroot) == ("p", True, "/c")
    assert (process.user, process.group) == (12, 34)


def test_message_style() -> None:
    parse(["-name", "box", "-msg", "timestamp=on,guest-name=on"])
    stamp, name, rest = line("hello").split(" ", 2)
    assert stamp.endswith("Z") and (name, rest) == ("box", "pyqemu: hello")
    parse([])
    assert line("hello") == "pyqemu: hello" and not style.timestamp


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("-action panic=run", "-action panic=run: Parameter 'panic' does not accept value 'run'\nAccepted: pause"),
        ("-action panik=none", "-action panik=none: Invalid parameter 'panik'\nDid you mean 'panic'?"),
        ("-watchdog-action x", "-watchdog-action x: invalid parameter"),
        ("-sandbox on", "-sandbox on: not supported by pyqemu\nThere is no filter"),
        ("-overcommit mem-lock=on", "-overcommit mem-lock=on: mem-lock=on is not supported by pyqemu"),
        ("-uuid 12", "-uuid 12: failed to parse UUID string: wrong format"),
        ("-daemonize -chardev stdio,id=c", "-chardev stdio,id=c: cannot use stdio with -daemonize"),
        ("-daemonize -display curses", "curses display cannot be used with -daemonize"),
        ("-echr x", "-echr x: expects a number"),
        ("-echr 300", "-echr 300: expects a character's code"),
        ("-seed x", "-seed x: Invalid seed number"),
        ("-compat deprecated-input=reject", "-compat deprecated-input=reject: deprecated-input=reject is not supp"),
        ("-usb", "-usb: not supported by pyqemu\nReason: there is no USB controller."),
        ("-nic user", "-nic user: not supported by pyqemu\nThere is no network card"),
        ("-nic nome", "-nic nome: Parameter 'type' does not accept value 'nome'"),
        ("-net nic", "-net nic: not supported by pyqemu"),
        ("-netdev user,id=n", "-netdev user,id=n: not supported by pyqemu"),
        ("-audiodev alsa,id=a", "-audiodev alsa,id=a: the audio driver 'alsa' is not supported by pyqemu"),
        ("-object rng-random,id=r", "-object rng-random,id=r: the object 'rng-random' is not supported by pyqemu"),
        (
            "-object iothraed,id=r",
            "-object iothraed,id=r: Parameter 'qom-type' does not accept value 'iothraed'\nDid",
        ),
        ("-object iothread,id=a -object iothread,id=a", "-object iothread,id=a: attempt to add duplicate property"),
        ("-M memory-backend=x", "Memory backend 'x' not found"),
        ("-device e1000", "-device e1000: the device 'e1000' is not supported by pyqemu"),
        ("-device VGA,addr=40", "-device VGA,addr=40: Property 'VGA.addr' doesn't take value '40'"),
        ("-device pvpanic,bus=pci.0", "-device pvpanic,bus=pci.0: Bus 'pci.0' not found\nAccepted: isa.0."),
    ],
)
def test_refused(argv: str, message: str) -> None:
    assert refused(*argv.split()).startswith(message)


@pytest.mark.parametrize(
    "argv",
    [
        "-nic none",
        "-net none",
        "-audiodev none,id=a",
        "-object secret,id=s,data=x",
        "-object memory-backend-ram,id=r,size=128M -M memory-backend=r",
        "-compat deprecated-input=accept",
        "-overcommit mem-lock=off,cpu-pm=off",
        "-sandbox off",
        "-k de -no-hpet -no-acpi -mem-prealloc -seed 7 -only-migratable",
        "-watchdog-action none",
    ],
)
def test_accepted(argv: str) -> None:
    parse(argv.split())


def test_ram_of_another_size_than_its_backend() -> None:
    argv = ("-m", "64", "-object", "memory-backend-ram,id=r,size=1M", "-M", "memory-backend=r")
    assert refused(*argv) == "Machine memory size does not match the size of the memory backend"


@pytest.mark.parametrize("option", ["-chardev", "-object", "-audiodev", "-nic", "-netdev"])
def test_help_lists_what_there_is(option: str) -> None:
    with pytest.raises(Answer) as caught:
        parse([option, "help"])
    assert caught.value.status == 0 and ":" in caught.value.text


# -- nodes and drives -----------------------------------------------------------------------------------------


def drive(*argv: str) -> DriveConfig:
    (found,) = [drive for drive in parse(argv).drives if drive.id == "d"]
    return found


def test_a_node_becomes_a_disk_where_its_device_says() -> None:
    found = drive(*NODE, "-device", "ide-hd,drive=d,bus=ide.1,unit=1,serial=S,id=x,bootindex=3,write-cache=off")
    assert (found.file, found.interface, found.index, found.format) == ("disk.img", "ide", 3, "raw")
    assert (found.serial, found.device_id, found.bootindex, found.cache) == ("S", "x", 3, "writethrough")


def test_places_are_given_in_order_around_what_is_taken() -> None:
    argv = ["-hda", "a", *NODE, "-device", "ide-hd,drive=d", "-device", "ide-cd", "-device", "floppy,unit=1"]
    places = [(drive.interface, drive.index, drive.media) for drive in parse(argv).drives]
    assert places == [("ide", 0, "disk"), ("ide", 1, "disk"), ("ide", 2, "cdrom"), ("floppy", 1, "disk")]


def test_cache_and_read_only_of_a_chain() -> None:
    found = drive(
        "-blockdev",
        '{"driver":"raw","node-name":"d","read-only":true,"file":{"driver":"file","filename":"x","cache":{"no-flush":true}}}',
    )
    assert (found.file, found.read_only, found.cache, found.interface) == ("x", True, "unsafe", "none")


def test_floppy_boot_index_of_libvirt() -> None:
    argv = [*NODE, "-device", "floppy,drive=d,unit=0", "-global", "isa-fdc.bootindexA=1"]
    assert drive(*argv).bootindex == 1 and parse(argv).globals == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*NODE, *NODE], "Duplicate nodes with node-name='d'"),
        (
            ["-blockdev", "file,node-name=a,filenam=x"],
            "Parameter 'filenam' is unexpected\nDid you mean 'filename'?",
        ),
        (["-blockdev", "raw,node-name=a,file=b"], "Cannot find device='' nor node-name='b'"),
        (["-blockdev", "qcow2,node-name=a,file=b"], "the block driver 'qcow2' is not supported by pyqemu"),
        (["-blockdev", "file,node-name=a,filename.x=y,filename=z"], "Cannot mix scalar and non-scalar keys"),
        (["-blockdev", "[]"], "Parameter 'driver' does not accept value '[]'"),
        ([*NODE, "-device", "ide-hd,drive=d,unit=2"], "Can't create IDE unit 2, bus supports only 2 units"),
        ([*NODE, *("-device", "ide-hd,drive=d") * 2], "Drive 'd' is already in use by another block device"),
        (["-hda", "x", *NODE, "-device", "ide-hd,drive=d,bus=ide.0,unit=0"], "IDE unit 0 is in use"),
        ([*NODE, "-device", "ide-hd,drive=d,cyls=3"], "the property 'cyls' is not supported by pyqemu"),
        ([*NODE, "-device", "ide-hd,drive=d,seral=3"], "Property 'ide-hd.seral' not found\nDid you mean 'serial'?"),
        (["-drive", "if=none,id=e,file=x", "-device", "ide-hd,drive=d"], "can't find value 'd'"),
        (["-device", "ide-cd,id=a", "-device", "isa-serial,id=a"], "Duplicate ID 'a' for device"),
    ],
)
def test_nodes_and_drives_that_cannot_be(words: list[str], message: str) -> None:
    assert message in refused(*words)


# -- firmware -------------------------------------------------------------------------------------------------


def test_firmware_items() -> None:
    number = "12345678-9abc-def0-1234-56789abcdef0"
    config = parse(
        ["-uuid", number, "-fw_cfg", "opt/a,string=b", "-smbios", "type=1,serial=x", "-smbios", "file=f"]
    )
    assert config.uuid == uuid.UUID(number)
    assert config.fw_cfg[0].values == {"name": "opt/a", "string": "b"}
    assert [item.values for item in config.smbios] == [{"type": "1", "serial": "x"}, {"file": "f"}]


def test_smbios_fields_as_the_firmware_reads_them() -> None:
    items = [
        FirmwareItem({"type": "0", "vendor": "V", "release": "2.3"}),
        FirmwareItem({"type": "1", "uuid": "12345678-9abc-def0-1234-56789abcdef0"}),
    ]
    assert smbios_entries.entries(items) == (
        b"\x04\x00"
        b"\x08\x00\x00\x00\x04\x00V\x00"
        b"\x07\x00\x00\x00\x14\x00\x02"
        b"\x07\x00\x00\x00\x15\x00\x03"
        b"\x16\x00\x00\x01\x08\x00" + bytes.fromhex("123456789abcdef0123456789abcdef0")
    )


def test_acpi_table_gets_its_length_and_checksum(tmp_path) -> None:
    (tmp_path / "body").write_bytes(b"hello")
    made = acpi_user_tables.tables([FirmwareItem({"sig": "TEST", "oem_id": "ME", "data": str(tmp_path / "body")})])
    count, size, table = int.from_bytes(made[:2], "little"), int.from_bytes(made[2:4], "little"), made[4:]
    assert (count, size, len(table)) == (1, 41, 41) and table[:4] == b"TEST" and table.endswith(b"hello")
    assert int.from_bytes(table[4:8], "little") == 41 and sum(table) & 0xFF == 0
    (tmp_path / "whole").write_bytes(table)
    assert acpi_user_tables.tables([FirmwareItem({"file": str(tmp_path / "whole")})]) == made


@pytest.mark.parametrize(
    ("make", "values", "message"),
    [
        (smbios_entries.entries, {"file": "/nosuch"}, "o: Cannot open SMBIOS file /nosuch: No such file"),
        (smbios_entries.entries, {"file": "/dev/null"}, "o: Cannot read SMBIOS file /dev/null: it holds no table"),
        (smbios_entries.entries, {"type": "1", "uuid": "x"}, "o: Invalid UUID"),
        (smbios_entries.entries, {"type": "0", "release": "1"}, "o: Invalid release"),
        (acpi_user_tables.tables, {"data": "/nosuch"}, "o: can't open file /nosuch: No such file"),
        (acpi_user_tables.tables, {"file": "/dev/null"}, "o: ACPI table is too small"),
        (acpi_user_tables.tables, {"data": "/dev/zero"}, "o: ACPI table is too big"),
        (acpi_user_tables.tables, {"data": "/dev/null", "rev": "300"}, "o: 'rev' is too big"),
    ],
)
def test_tables_that_cannot_be(make, values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make([FirmwareItem(values, "o")])
    assert str(caught.value).startswith(message)

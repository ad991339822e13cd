"""Where drives go, and what is wrong with them."""

from __future__ import annotations

import pytest

from pyqemu.cli.messages import Answer
from pyqemu.cli.options import parse
from pyqemu.core.errors import ConfigError
from pyqemu.launch import DriveConfig


def drives(*argv: str) -> list[DriveConfig]:
    return parse(argv).drives


def places(*argv: str) -> list[tuple[str, str, int, int, int]]:
    return [(drive.file, drive.interface, drive.bus, drive.unit, drive.index) for drive in drives(*argv)]


def refused(*argv: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(argv)
    return str(caught.value)


def test_the_short_options_have_fixed_places() -> None:
    argv = "-hda a -hdb b -hdc c -hdd d -fda e -fdb f"
    assert places(*argv.split()) == [
        ("a", "ide", 0, 0, 0),
        ("b", "ide", 0, 1, 1),
        ("c", "ide", 1, 0, 2),
        ("d", "ide", 1, 1, 3),
        ("e", "floppy", 0, 0, 0),
        ("f", "floppy", 0, 1, 1),
    ]


def test_cdrom_is_in_place_of_hdc_and_read_only() -> None:
    (drive,) = drives("-cdrom", "x.iso")
    assert (drive.media, drive.bus, drive.unit, drive.read_only) == ("cdrom", 1, 0, True)


def test_a_bare_image_is_hda() -> None:
    (drive,) = drives("x.img")
    assert (drive.file, drive.index, drive.option) == ("x.img", 0, "x.img")


def test_file_names_of_the_short_options_are_taken_literally() -> None:
    assert drives("-hda", "a,b=c")[0].file == "a,b=c"


def test_drives_without_a_place_take_the_first_free_one() -> None:
    argv = ["-drive", "file=a", "-hda", "b", "-drive", "file=c,media=cdrom"]
    with pytest.raises(ConfigError, match=r"^-hda b: drive with bus=0, unit=0 \(index=0\) exists$"):
        parse(argv)
    assert places("-hda", "b", "-drive", "file=a", "-drive", "file=c") == [
        ("b", "ide", 0, 0, 0),
        ("a", "ide", 0, 1, 1),
        ("c", "ide", 1, 0, 2),
    ]


def test_everything_a_drive_can_say() -> None:
    text = (
        "file=a,,b,if=ide,bus=1,unit=1,media=disk,format=raw,snapshot=on,readonly=on,cache=unsafe,serial=S 1,id=d"
    )
    (drive,) = drives("-drive", text)
    assert drive == DriveConfig(
        file="a,b",
        bus=1,
        unit=1,
        index=3,
        format="raw",
        snapshot=True,
        read_only=True,
        serial="S 1",
        cache="unsafe",
        id="d",
        option=f"-drive {text}",
    )


def test_snapshot_is_for_all_drives_that_do_not_say_otherwise() -> None:
    argv = ["-snapshot", "a", "-drive", "file=b,snapshot=off"]
    assert [drive.snapshot for drive in drives(*argv)] == [True, False]


def test_empty_drives() -> None:
    assert drives("-drive", "media=cdrom")[0].file == ""
    assert drives("-drive", "if=floppy")[0].file == ""
    assert refused("-hda", "") == "Device needs media, but drive is empty"


def test_drives_for_devices_take_no_place_of_the_board() -> None:
    assert places("-drive", "file=a,if=none,id=x", "-hda", "b") == [("a", "none", 0, 0, 0), ("b", "ide", 0, 0, 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file=a,index=4", "machine type does not support if=ide,bus=2,unit=0"),
        (
            "file=a,index=99999999999999999999",
            "machine type does not support if=ide,bus=49999999999999999999,unit=1",
        ),
        ("file=a,bus=2", "machine type does not support if=ide,bus=2,unit=0"),
        ("file=a,if=floppy,index=5", "machine type does not support if=floppy,bus=0,unit=5"),
        ("file=a,unit=3", "unit 3 too big (max is 1)"),
        ("file=a,bus=0,unit=1,index=1", "index cannot be used with bus and unit"),
        ("file=a,index=foo", "Parameter 'index' expects a number"),
        ("file=a,index=-1", "Parameter 'index' expects a number"),
        ("file=a,if=virtio", "if=virtio is not supported by pyqemu"),
        ("file=a,if=idee", "unsupported bus type 'idee'"),
        ("file=a,format=nbd", "the image format 'nbd' is not supported by pyqemu"),
        ("file=a,format=rwa", "Unknown driver 'rwa'"),
        ("file=a,cache=fast", "invalid cache option"),
        ("file=a,media=tape", "'tape' invalid media"),
        ("file=a,readonly=maybe", "Parameter 'readonly' expects 'on' or 'off'"),
        ("file=a,id=1a", "Parameter 'id' expects an identifier"),
        ("file=a,aio=native", "the option 'aio' is not supported by pyqemu"),
        ("file=a,foo=bar", "Block format 'raw' does not support the option 'foo'"),
    ],
)
def test_bad_drives(text: str, message: str) -> None:
    assert refused("-drive", text) == f"-drive {text}: {message}"


def test_formats_that_qemu_img_makes_are_left_to_the_image() -> None:
    assert drives("-drive", "file=a,format=qcow2")[0].format == "qcow2"


def test_format_help() -> None:
    with pytest.raises(Answer, match=r"^Supported formats: raw$"):
        parse(["-drive", "format=help"])

"""From arguments to a LaunchConfig."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqemu.cli.messages import Answer
from pyqemu.cli.options import OPTIONS, parse
from pyqemu.core.errors import ConfigError
from pyqemu.cpu.cpu_option import parse_cpu
from pyqemu.launch import BootConfig, LaunchConfig

MIB = 1 << 20


def refused(*argv: str) -> str:
    """The message and hint for arguments that are wrong."""
    with pytest.raises(ConfigError) as caught:
        parse(argv)
    return f"{caught.value}\n{caught.value.hint}".rstrip()


def answered(*argv: str) -> Answer:
    with pytest.raises(Answer) as caught:
        parse(argv)
    return caught.value


def test_nothing_said_is_the_default_machine() -> None:
    assert parse([]) == LaunchConfig(machine="pc-1.0", ram_bytes=128 * MIB, cpu="qemu64", demo=True)


@pytest.mark.parametrize(
    "text",
    ["", "-nographic", "-M isapc -m 4", "-drive if=floppy", "-serial null -vga none", "-device isa-debug-exit"],
)
def test_with_nothing_to_boot_it_is_the_demo_guest(text: str) -> None:
    assert parse(text.split()).demo


@pytest.mark.parametrize(
    "text",
    [
        "disk.img",
        "-cdrom a.iso",
        "-fda a.img",
        "-drive file=a,if=none,id=x",
        "-kernel a",
        "-M pc,kernel=a",
        "-bios a",
        "-M pc,firmware=a",
        "-option-rom a",
        "-nodefaults",
        "-boot c",
        "-boot once=n",
        "-boot menu=on",
        "-boot strict=on",
    ],
)
def test_whoever_names_something_that_may_boot_gets_no_demo_guest(text: str) -> None:
    assert not parse(text.split()).demo


def test_a_machine_type_brings_its_own_defaults() -> None:
    config = parse(["-M", "isapc"])
    assert (config.machine, config.cpu) == ("isapc", "486")


@pytest.mark.parametrize("option", ["-M", "-machine", "--machine", "--M"])
def test_one_dash_or_two(option: str) -> None:
    assert parse([option, "type=pc-next"]).machine == "pc-next"


def test_machine_options_add_up() -> None:
    config = parse(["-machine", "isapc", "-machine", "dump-guest-core=off", "-M", "usb=off"])
    assert (config.machine, config.machine_props) == ("isapc", {"dump-guest-core": "off", "usb": "off"})


def test_the_machine_knows_its_files() -> None:
    config = parse(["-M", "pc,kernel=k,initrd=i,append=a b,firmware=f"])
    assert (config.kernel, config.initrd, config.append, config.bios) == ("k", "i", "a b", "f")


def test_graphics_off_is_nographic() -> None:
    assert parse(["-M", "graphics=off"]).nographic


@pytest.mark.parametrize(
    ("prop", "message"),
    [
        ("usb=on", "Property 'pc-1.0-machine.usb': on is not supported by pyqemu"),
        ("usb=foo", "Parameter 'usb' expects 'on' or 'off'"),
        ("vmport=on", "Property 'pc-1.0-machine.vmport' is not supported by pyqemu"),
        ("graphic=on", "Property 'pc-1.0-machine.graphic' not found\nDid you mean 'graphics'?"),
        ("accel=foo", "invalid accelerator foo\nAccepted: tcg."),
        ("accel=", "invalid accelerator \nAccepted: tcg."),
    ],
)
def test_bad_machine_properties(prop: str, message: str) -> None:
    assert refused("-M", f"pc,{prop}").startswith(message)


def test_the_first_accelerator_that_exists_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    parse(["-M", "pc,accel=kvm:tcg"])
    assert "falling back to tcg" in capsys.readouterr().err


def test_accel_twice() -> None:
    assert refused("-M", "accel=tcg", "-accel", "tcg").startswith('The -accel and "-machine accel="')


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64", 64 * MIB),
        ("size=64", 64 * MIB),
        ("64M", 64 * MIB),
        ("1.5G", 1536 * MIB),
        ("0x40", 64 * MIB),
        ("9k", 16384),
        ("0", 128 * MIB),
        ("", 128 * MIB),
    ],
)
def test_memory_sizes(text: str, size: int) -> None:
    assert parse(["-m", text]).ram_bytes == size


@pytest.mark.parametrize("text", ["abc", "-5", "1G5", "64Q", "1..5G", "99999999999G", ","])
def test_bad_memory_sizes(text: str) -> None:
    assert refused("-m", text).startswith(f"-m {text}: Parameter 'size' expects a non-negative number below 2^64")


def test_memory_hot_plug_is_refused() -> None:
    assert refused("-m", "64,maxmem=1G") == "-m 64,maxmem=1G: memory hot-plug ('maxmem') is not supported by pyqemu"
    assert refused("-m", "64,foo=1") == "-m 64,foo=1: Invalid parameter 'foo'"


@pytest.mark.parametrize("text", ["1", "cpus=1", "1,sockets=1,cores=1,threads=1", "1,maxcpus=1", "0"])
def test_one_cpu(text: str) -> None:
    assert parse(["-smp", text]).smp == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2", "-smp: more than one CPU is not supported by pyqemu"),
        ("1,maxcpus=2", "-smp: more than one CPU is not supported by pyqemu"),
        ("sockets=2", "-smp: more than one CPU is not supported by pyqemu"),
        ("256", "Invalid SMP CPUs 256. The max CPUs supported by machine 'pc-1.0' is 255"),
        ("-1", "Invalid SMP CPUs -1. The max CPUs"),
        ("1,sockets=2", "Invalid CPU topology: product of the hierarchy must match maxcpus: sockets (2)"),
        ("foo", "Parameter 'smp.cpus' expects integer"),
        ("1,core=1", "Parameter 'smp.core' is unexpected\nDid you mean 'cores'?"),
    ],
)
def test_other_numbers_of_cpus(text: str, message: str) -> None:
    assert refused("-smp", text).startswith(message)


def test_isapc_has_one_cpu() -> None:
    assert refused("-M", "isapc", "-smp", "2").endswith("The max CPUs supported by machine 'isapc' is 1")


@pytest.mark.parametrize(
    ("text", "boot"),
    [
        ("d", BootConfig(order="d")),
        ("", BootConfig()),
        ("order=cd,once=d,menu=on,splash-time=500,strict=on", BootConfig("cd", "d", True, 500, True)),
        ("reboot-timeout=500", BootConfig(reboot_timeout=500)),
    ],
)
def test_boot(text: str, boot: BootConfig) -> None:
    assert parse(["-boot", text]).boot == boot


def test_boot_options_add_up() -> None:
    assert parse(["-boot", "c", "-boot", "menu=on"]).boot == BootConfig(order="c", menu=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q", "Invalid boot device 'q'"),
        ("p", "Invalid boot device for PC: 'p'"),
        ("aa", "Boot device 'a' was given twice"),
        ("acdn", "Too many boot devices for PC"),
        ("once=z", "Invalid boot device 'z'"),
        ("menu=maybe", "Parameter 'boot.menu' expects 'on' or 'off'"),
        ("splash-time=foo", "Parameter 'boot.splash-time' expects integer"),
        ("splash-time=70000", "splash-time is invalid"),
        ("reboot-timeout=x", "Parameter 'boot.reboot-timeout' expects integer"),
        ("reboot-timeout=65536", "reboot timeout is invalid,it should be a value between -1 and 65535"),
        ("splash=x.jpg", "-boot splash= is not supported by pyqemu"),
        ("ordr=c", "Parameter 'boot.ordr' is unexpected\nDid you mean 'order'?"),
    ],
)
def test_bad_boot_options(text: str, message: str) -> None:
    assert refused("-boot", text).startswith(message)


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("base=utc", "utc"),
        ("base=localtime", "localtime"),
        ("base=2020-01-02", datetime(2020, 1, 2)),
        ("base=2006-06-17T16:01:21,clock=vm", datetime(2006, 6, 17, 16, 1, 21)),
    ],
)
def test_clock_base(text: str, base: object) -> None:
    assert parse(["-rtc", text]).rtc.base == base


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base=2020-13-01", "invalid datetime format\nvalid formats:"),
        ("clock=foo", "invalid option value 'foo'\nAccepted: host, rt, vm."),
        ("driftfix=foo", "invalid option value 'foo'"),
        ("bas=utc", "-rtc bas=utc: Invalid parameter 'bas'\nDid you mean 'base'?"),
    ],
)
def test_bad_clock(text: str, message: str) -> None:
    assert refused("-rtc", text).startswith(message)


def test_names() -> None:
    config = parse(["-name", "guest=a,,b,process=p,debug-threads=on"])
    assert (config.name, config.process_name) == ("a,b", "p")


def test_lines_and_screens() -> None:
    argv = "-serial stdio -serial file:x,y -parallel null -debugcon file:d -monitor none -display curses -vga std"
    config = parse(argv.split())
    assert config.serials == ["stdio", "file:x,y"]
    assert (config.parallels, config.debugcon, config.monitors) == (["null"], "file:d", [])
    assert (config.display, config.vga) == ("curses", "std")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            "-serial stdi",
            "-serial stdi: 'stdi' is not a valid char driver\npyqemu: -serial stdi: could not connect",
        ),
        ("-serial file", "-serial file: 'file' is not a valid char driver"),
        ("-serial stdio:x", "-serial stdio:x: 'stdio:x' is not a valid char driver"),
        (
            "-serial tcp::4,foo",
            "-serial tcp::4,foo: Invalid parameter 'foo'\npyqemu: -serial tcp::4,foo: could not",
        ),
        (
            "-serial /dev/ttyS0",
            "-serial /dev/ttyS0: '/dev/ttyS0': this character backend is not supported by pyqemu",
        ),
        ("-serial chardev:c", 'chardev "c" not found'),
        ("-chardev null,id=c,pth=x", "-chardev null,id=c,pth=x: Invalid parameter 'pth'\nDid you mean 'path'?"),
        ("-chardev null,id=c,mux=maybe", "-chardev null,id=c,mux=maybe: Parameter 'mux' expects 'on' or 'off'"),
        ("-chardev id=c", '-chardev id=c: chardev: "c" missing backend'),
        ("-chardev stdio,id=c -serial stdio", "-serial stdio: cannot use stdio by multiple character devices"),
        ("-serial stdio -debugcon stdio", "-debugcon stdio: cannot use stdio by multiple character devices"),
        ("-monitor foo", "-monitor foo: 'foo' is not a valid char driver"),
        ("-debugcon null -debugcon null", "-debugcon null: given twice"),
        ("-vga cirrus", "-vga cirrus: not supported by pyqemu"),
        ("-vga sdt", "unknown vga type: sdt\nDid you mean 'std'?"),
        ("-display gtk", "-display gtk: not supported by pyqemu"),
        ("-display vnc=:1", "-display vnc=:1: not supported by pyqemu"),
        (
            "-display curse",
            "-display curse: Parameter 'type' does not accept value 'curse'\nDid you mean 'curses'?",
        ),
        ("-display none,gl=on", "-display none,gl=on: Parameter 'gl' is unexpected"),
        ("-d in_asm", "-d in_asm: 'in_asm' is not supported by pyqemu"),
        ("-global foo.bar", "-global foo.bar: Invalid parameter 'foo.bar'"),
        ("-global driver=a,property=b", "-global driver=a,property=b: options 'driver', 'property', and 'value'"),
        ("-append x", "-append only allowed with -kernel option"),
        ("-initrd x", "-initrd only allowed with -kernel option"),
        ("--enable-kvm", "--enable-kvm: not supported by pyqemu"),
        ("-hdaa x", "-hdaa: invalid option\nDid you mean '-hda'?"),
        ("-no-reboot=1", "-no-reboot=1: invalid option\nDid you mean '-no-reboot'?"),
        ("-", "-: invalid option"),
        ("--", "--: invalid option"),
        ("-m", "-m: requires an argument"),
    ],
)
def test_refused(argv: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(*argv.split()).startswith(message)


def test_plain_switches() -> None:
    argv = "-nographic -no-reboot -no-shutdown -nodefaults -no-user-config -S -snapshot x"
    config = parse(argv.split())
    assert config.nographic and config.no_reboot and config.no_shutdown and config.nodefaults
    assert config.start_paused and config.snapshot and config.drives[0].snapshot


def test_a_value_may_begin_with_a_dash() -> None:
    assert parse(["-kernel", "k", "-append", "-x"]).append == "-x"


def test_traces(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("# what matters\n\nide_*\n-ide_exec_cmd\n")
    config = parse(["-trace", "pci_*", "-trace", f"enable=vga_*,events={tmp_path}/events", "-d", "trace:fdc_*"])
    events = [("pci_*", True), ("ide_*", True), ("ide_exec_cmd", False), ("vga_*", True), ("fdc_*", True)]
    assert [(wanted.pattern, wanted.on) for wanted in config.traces] == events
    names = answered("-trace", "help").text.splitlines()
    assert names == sorted(names) and {"ide_exec_cmd", "pci_cfg_read", "qemu_system_reset_request"} <= set(names)
    assert "could not open" in refused("-trace", f"events={tmp_path}/nosuch")
    assert "not supported by pyqemu" in refused("-trace", "file=x")
    assert "Invalid parameter" in refused("-trace", "nosuch=x")


def test_log_items() -> None:
    config = parse(["-d", "guest_errors,unimp", "-D", "log"])
    assert (config.log_categories, config.log_file) == (["guest_errors", "unimp"], "log")


def test_globals_in_both_spellings(capsys: pytest.CaptureFixture[str]) -> None:
    config = parse(["-global", "x.y=1,2", "-global", "driver=x,property=z,value=3"])
    assert [(g.driver, g.property, g.value) for g in config.globals] == [("x", "y", "1,2"), ("x", "z", "3")]
    assert "warning: global x.y has invalid class name" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["qemu64", "qemu64,+sse3,-nx", "486,level=4", "qemu64,sse4_1=on", "Opteron_G1,avx"]
)
def test_cpu_is_handed_on_as_typed(text: str) -> None:
    assert parse(["-cpu", text]).cpu == text


def test_cpu_features_by_their_first_names() -> None:
    model, features = parse_cpu("qemu64,+sse3,-xd,sse4_1=yes,avx,level=0x4,model-id=A B")
    assert model == "qemu64"
    assert features == (
        ("pni", "on"),
        ("nx", "off"),
        ("sse4.1", "on"),
        ("avx", "on"),
        ("level", "4"),
        ("model-id", "A B"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Qemu64", "unable to find CPU model 'Qemu64'\nDid you mean 'qemu64'?"),
        ("", "-cpu option cannot be empty"),
        ("host", "CPU model 'host' requires KVM or HVF"),
        ("max", "CPU model 'max' is not supported by pyqemu"),
        ("qemu64,+", "Property 'qemu64-x86_64-cpu.' not found"),
        ("qemu64,+ssse", "Property 'qemu64-x86_64-cpu.ssse' not found\nDid you mean 'ssse3'?"),
        ("qemu64,nx=foo", "can't apply global qemu64-x86_64-cpu.nx=foo: Parameter 'nx' expects 'on' or 'off'"),
        ("qemu64,level=x", "can't apply global qemu64-x86_64-cpu.level=x: Parameter 'level' expects uint64"),
    ],
)
def test_bad_cpus(text: str, message: str) -> None:
    assert refused("-cpu", text).startswith(message)


def test_cpu_help_has_every_model_and_flag() -> None:
    lines = answered("-cpu", "help").text.splitlines()
    assert lines[0] == "Available CPUs:"
    assert "x86 EPYC                  AMD EPYC Processor" in lines
    assert "Recognized CPUID flags:" in lines
    assert "x86 qemu64" in [line.rstrip() for line in lines]


def test_the_first_answer_wins_over_later_mistakes() -> None:
    assert "usage: pyqemu [options] [disk_image]" in answered("-h", "-m", "abc").text
    assert answered("-version", "-M", "foo").text.startswith("pyqemu emulator version 1.")


WORDS = st.one_of(
    st.sampled_from([f"-{name}" for name in OPTIONS if name not in ("device", "global", "writeconfig")]),
    st.sampled_from(
        ["pc", "help", "on", "c", "a=b", "x,y=1", "file=x,if=floppy", ",", "=", "", "-1", "1e9", "\ud800"]
    ),
    st.text(max_size=12),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, max_size=8))
def test_any_arguments_end_in_a_configuration_a_message_or_an_answer(argv: list[str]) -> None:
    try:
        assert parse(argv).machine
    except (ConfigError, Answer) as outcome:
        assert str(outcome) or isinstance(outcome, Answer)

"""Records what QEMU prints for HMP commands: tests/golden/hmp.json. Run by hand, with qemu-system-x86_64 7.2.

The machine is stopped before its first instruction, with a raw disk, and RAM of zeros.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

COMMANDS = """
info status
p 1+2
p/x 255
p/d -1
p/u -1
p/o 8
p/o 0
p/c 65
p/c 10
p/c 39
p/c 200
p/x 2+3*4
p/x 1|2+4
p/x 7&3^1
p/x -(3-5)
p/x ~0
p/x 'a'
p/x 0x10%3
p/x 010
p 1/0
p $foo
p (1
p 1+
p
p ''
p 'a
p 99999999999999999999
p foo
p/q 1
p 1 2
x
x foo
x/3xb 0
x/9xb 0
x/6xw 0
x/3xg 0x100
x/2dh 0
x/2ob 0
x/2uw 0
x/9c 0
xp/4xh 0xfffffffe
x/0x 0
x/x 0
xp/2dg 0
xp/2ug 0
xp/1ow 0
xp/1og 0
info foo
foo
stop 3
info status 3
screendump
sendkey
sendkey foo
sendkey a-b-c
eject
eject nosuch
eject hd
eject -f hd
change nosuch a
change hd /nosuch
change ide1-cd0 /nosuch
eject ide1-cd0
info block ide1-cd0
info block nosuch
commit nosuch
commit hd
boot_set x
boot_set cc
boot_set cde
boot_set abcd
boot_set cd
cpu 3
cpu 0
device_add foo
device_add isa-debug-exit
device_add i440FX
device_add VGA
device_add ide-hd
device_add ide-hd,bus=ide.0
device_add ide-cd,bus=isa.0
device_add floppy
device_add isa-serial,bus=nosuch
device_add isa-serial,id=1x
watchdog_action pause
watchdog_action nosuch
device_del foo
info name
info uuid
info mem
info tlb
info kvm
info numa
info iothreads
info usb
info balloon
balloon 3
info mice
info block-jobs
mouse_button
mouse_move 1
trace-event foo on
trace-event foo x
logfile /nosuch/x
ringbuf_read c 3
ringbuf_read nosuch 3
ringbuf_write rb abc
chardev-remove nosuch
gva2gpa 0x1234
gva2gpa 0
sum 0 16
memsave 0 16
pmemsave 0 x
help stop
help eject
help system_reset
help x
help foo
info help
qom-list /nosuch
qom-get /machine nosuch
qom-get /nosuch type
i/b 0x71
i/w 0x9000
i/l 0x9000
o/b 0x80
migrate -d foo:bar
migrate_set_capability nosuch on
migrate_set_parameter nosuch 1
migrate_incoming tcp:0:1
getfd x
closefd x
info registers
print/x $eax
print/x $cs
print/x $eip
print/x $pc
print/x $eflags
info history
set_link nosuch on
info hotplug
i
o 1
""".strip().splitlines()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        disk, path = Path(folder) / "d.img", Path(folder) / "qmp"
        disk.write_bytes(bytes(4 << 20))
        drive = ["-drive", f"file={disk},format=raw,id=hd", "-chardev", "ringbuf,id=rb"]
        command = [
            "qemu-system-x86_64",
            "-S",
            "-M",
            "pc-i440fx-1.4",
            "-m",
            "16",
            "-display",
            "none",
            "-net",
            "none",
        ]
        process = subprocess.Popen([*command, *drive, "-qmp", f"unix:{path},server=on"], stderr=subprocess.DEVNULL)
        connection = socket.socket(socket.AF_UNIX)
        while connection.connect_ex(str(path)):
            pass
        stream = connection.makefile("rw")
        stream.readline()

        def ask(request: dict[str, object]) -> object:
            stream.write(json.dumps(request))
            stream.flush()
            while "event" in (reply := json.loads(stream.readline())):
                pass
            return reply["return"]

        ask({"execute": "qmp_capabilities"})
        output = {
            line: ask({"execute": "human-monitor-command", "arguments": {"command-line": line}})
            for line in COMMANDS
        }
        stream.write('{"execute":"quit"}')
        stream.flush()
        process.wait()
    note = "recorded by tests/monitor/record_hmp.py; machine stopped before its first instruction, RAM of zeros"
    json.dump({"note": note, "emulator": command, "output": output}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()

"""What the guest shows."""

from __future__ import annotations

from typing import Any

from pyqemu.display import Picture
from pyqemu.display.png import png_bytes
from pyqemu.monitor.errors import QmpError, device_not_found
from pyqemu.monitor.monitor import Monitor
from pyqemu.monitor.qapi import BOOL, INT, STR, Enum, Struct
from pyqemu.monitor.table import Hmp, command

FORMATS = ("ppm", "png")


def ppm_bytes(picture: Picture) -> bytes:
    """A portable pixmap (Netpbm), binary."""
    return b"P6\n%d %d\n255\n" % (picture.width, picture.height) + picture.rgb


@command(
    "screendump",
    {"filename": STR, "?device": STR, "?head": INT, "?format": Enum("ImageFormat", FORMATS)},
    hmp=Hmp(
        "screendump",
        "filename:F,format:-fs,device:s?,head:i?",
        "filename [-f format] [device [head]]",
        "save screen from head 'head' of display device 'device'in specified format 'format' as image 'filename'."
        "Currently only 'png' and 'ppm' formats are supported.",
    ),
)
def screendump(
    monitor: Monitor, filename: str, device: str | None = None, head: int | None = None, format: str = "ppm"
) -> None:
    """A picture of the screen; the file is complete when the reply is sent."""
    if device is None and head is not None:
        raise QmpError("'head' must be specified together with 'device'")
    source = monitor.vm.screen
    if device is not None and not (source is not None and device == "vga"):
        raise device_not_found(device)
    if source is None:
        raise QmpError("There is no console to take a screendump from")
    picture = source.picture()
    data = png_bytes(*picture) if format == "png" else ppm_bytes(picture)
    try:
        with open(filename, "wb") as file:
            file.write(data)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "Invalid argument"
        raise QmpError(f"failed to open file '{filename}': {reason}") from None


@command(
    "query-display-options", returns=Struct("DisplayOptions", {"type": Enum("DisplayType", ("none", "curses"))})
)
def query_display_options(monitor: Monitor) -> dict[str, Any]:
    return {"type": monitor.vm.config.display or "none"}


@command(
    "query-vnc",
    returns=Struct("VncInfo", {"enabled": BOOL}),
    hmp=Hmp("info vnc", help="show the vnc server status", show=lambda _reply: "Server: disabled\n"),
)
def query_vnc(monitor: Monitor) -> dict[str, bool]:
    return {"enabled": False}

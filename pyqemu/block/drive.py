"""A drive whose medium is an image file on the host.

A drive may be empty, and its medium may change (``insert``, ``eject``); whether a guest may do that is the
device's business.

    disk = open_drive("disk.img", id="ide0-hd0", format="raw")
    cd = open_drive(None, id="ide1-cd0", media="cdrom")
    cd.insert("install.iso")

Errors   what the user mistyped raises ConfigError in QEMU's wording; host errors while the guest runs are
         OSError, which the device turns into its own kind of error after ``report_error``
Missing  O_DIRECT: cache=none and cache=directsync go through the host's page cache; formats besides raw
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from pyqemu.block.formats import HEAD_BYTES, KNOWN_FORMATS, probe_format
from pyqemu.block.overlay import Overlay
from pyqemu.block.raw import Image, RawImage
from pyqemu.core.errors import ConfigError, nearest

CACHE_MODES = ("writeback", "none", "writethrough", "directsync", "unsafe")
MEDIA = ("disk", "cdrom")

PROBED_WARNING = (
    "WARNING: Image format was not specified for '{path}' and probing guessed raw.\n"
    "         Automatically detecting the format is dangerous for raw images, write operations on block 0 "
    "will be restricted.\n"
    "         Specify the 'raw' format explicitly to remove the restrictions."
)


def print_message(text: str) -> None:
    print(f"pyqemu: {text}", file=sys.stderr, flush=True)


class FileDrive:
    """A drive slot. ``warnings`` holds what the user should be told about the medium."""

    def __init__(
        self,
        *,
        id: str,
        media: str = "disk",
        serial: str = "",
        cache: str = "writeback",
        index: int = 0,
        snapshot: bool = False,
        on_message: Callable[[str], None] = print_message,
    ) -> None:
        """An empty drive; see ``open_drive``."""
        if media not in MEDIA:
            raise ConfigError(f"'{media}' invalid media", f"Accepted: {', '.join(MEDIA)}.")
        if cache not in CACHE_MODES:
            raise ConfigError("invalid cache option", f"Accepted: {', '.join(CACHE_MODES)}.")
        self.id = id
        self.media = media
        self.serial = serial
        self.cache = cache
        self.index = index
        self.snapshot = snapshot
        self.write_cache = cache not in ("writethrough", "directsync")
        self.path = ""
        self.size = 0
        self.read_only = media == "cdrom"
        self.warnings: list[str] = []
        self.on_change: list[Callable[[], None]] = []
        self._image: Image | None = None
        self._guards_head = False
        self._on_message = on_message
        self._reported: set[tuple[str, int | None]] = set()

    @property
    def inserted(self) -> bool:
        return self._image is not None

    # -- the medium -----------------------------------------------------------------------------------

    def insert(self, path: str, *, read_only: bool = False, format: str | None = None) -> None:
        """Put an image in, in place of what is there. Raises ConfigError, and then nothing has changed."""
        read_only = read_only or self.media == "cdrom"
        image, probed = _open_image(
            path,
            writable=not read_only,
            format=format,
            snapshot=self.snapshot,
            sync=not self.write_cache,
        )
        self._close()
        self._image = image
        self._guards_head = probed and not read_only and not self.snapshot
        self.path, self.size, self.read_only = path, image.size, read_only
        self.warnings = [PROBED_WARNING.format(path=path)] if self._guards_head else []
        self._changed()

    def eject(self) -> None:
        """Take the medium out, if there is one."""
        if self._image is not None:
            self._close()
            self._changed()

    def close(self) -> None:
        """Give the image back to the host. The drive is empty afterwards; nobody is told."""
        self._close()

    def _close(self) -> None:
        image, self._image = self._image, None
        self.path, self.size, self.warnings, self._guards_head = "", 0, [], False
        self._reported.clear()
        if image is not None:
            image.close()

    def _changed(self) -> None:
        for callback in self.on_change:
            callback()

    # -- data -----------------------------------------------------------------------------------------

    def read_into(self, offset: int, buffer: memoryview | bytearray) -> None:
        """Fill *buffer* from byte *offset* on. Raises OSError, ValueError past the end."""
        view = memoryview(buffer).cast("B")
        self._medium(offset, len(view)).read_into(offset, view)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Store *data* at byte *offset*. Raises OSError, ValueError past the end."""
        view = memoryview(data).cast("B")
        image = self._medium(offset, len(view))
        if self.read_only:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        if self._guards_head and offset < HEAD_BYTES:
            self._check_head(image, offset, view)
        image.write(offset, view)

    def flush(self) -> None:
        """Return once everything written is on stable storage. Raises OSError."""
        if self._image is not None and not self.read_only and self.cache != "unsafe":
            self._image.flush()

    def _medium(self, offset: int, length: int) -> Image:
        if self._image is None or offset < 0 or offset + length > self.size:
            raise ValueError(f"{offset}+{length} is outside the medium ({self.size} bytes)")
        return self._image

    def _check_head(self, image: Image, offset: int, data: memoryview) -> None:
        """Refuse a write after which a guessed raw image would look like another format."""
        head = bytearray(HEAD_BYTES)
        image.read_into(0, memoryview(head))
        piece = data[: HEAD_BYTES - offset]
        head[offset : offset + len(piece)] = piece
        if (format := probe_format(head)) != "raw":
            raise PermissionError(errno.EPERM, f"Block 0 would look like format '{format}'")

    # -- errors ---------------------------------------------------------------------------------------

    def report_error(self, what: str, error: OSError) -> None:
        """Tell the user about a host error, once for each kind."""
        kind = (what, error.errno)
        if kind not in self._reported:
            self._reported.add(kind)
            self._on_message(f"{self.id}: {what} of '{self.path}' failed: {error.strerror or error}")


def open_drive(
    path: str | None,
    *,
    id: str,
    media: str = "disk",
    read_only: bool = False,
    snapshot: bool = False,
    format: str | None = None,
    serial: str = "",
    cache: str = "writeback",
    index: int = 0,
    on_message: Callable[[str], None] = print_message,
) -> FileDrive:
    """A drive with the image at *path*, or an empty one with None.

    ``format``    what the user said; None probes, which guards block 0 and leaves a line in ``warnings``
    ``snapshot``  writes go to a temporary file
    ``cache``     QEMU's cache modes
    Raises ConfigError.
    """
    drive = FileDrive(
        id=id, media=media, serial=serial, cache=cache, index=index, snapshot=snapshot, on_message=on_message
    )
    if path is None:
        drive.read_only = drive.read_only or read_only
    else:
        drive.insert(path, read_only=read_only, format=format)
    return drive


def _open_image(path: str, *, writable: bool, format: str | None, snapshot: bool, sync: bool) -> tuple[Image, bool]:
    """The image, and whether its format was only guessed."""
    if not path:
        raise ConfigError('A block device must be specified for "file"')
    if format is not None and format not in KNOWN_FORMATS:
        raise ConfigError(f"Unknown driver '{format}'", nearest(format, KNOWN_FORMATS) or "Accepted: raw.")
    snapshot = snapshot and writable
    raw = RawImage(path, writable=writable and not snapshot, base=snapshot, sync=sync)
    try:
        if format != "raw":
            _check_format(raw, format)
        return (Overlay(raw) if snapshot else raw), format is None
    except BaseException:
        raw.close()
        raise


def _check_format(image: RawImage, format: str | None) -> None:
    """Refuse an image that is not raw, or not what the user said. *format* is None to accept raw."""
    head = bytearray(HEAD_BYTES)
    try:
        image.read_into(0, memoryview(head))
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise ConfigError(f"Could not read image for determining its format: {reason}") from None
    found = probe_format(head)
    if format is not None and found != format:
        raise ConfigError(f"Image is not in {format} format", f"It looks like {found}.")
    if found != "raw":
        raise ConfigError(
            f"Could not open '{image.path}': format '{found}' is not supported by pyqemu yet; "
            "convert with qemu-img convert -O raw"
        )

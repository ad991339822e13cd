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
from collections.abc import Callable

from pyqemu.block.formats import HEAD_BYTES, probe_format
from pyqemu.block.graph import NULL_DRIVERS, Graph, Node, Watcher
from pyqemu.block.overlay import Overlay
from pyqemu.block.raw import Image, RawImage
from pyqemu.core.errors import ConfigError
from pyqemu.core.messages import report

CACHE_MODES = ("writeback", "none", "writethrough", "directsync", "unsafe")
MEDIA = ("disk", "cdrom")
COMMIT_BYTES = 1 << 20

PROBED_WARNING = (
    "WARNING: Image format was not specified for '{path}' and probing guessed raw.\n"
    "         Automatically detecting the format is dangerous for raw images, write operations on block 0 "
    "will be restricted.\n"
    "         Specify the 'raw' format explicitly to remove the restrictions."
)


class Statistics:
    """What has been done to a drive since it was made."""

    __slots__ = ("flush_operations", "rd_bytes", "rd_operations", "wr_bytes", "wr_operations")

    def __init__(self) -> None:
        self.rd_bytes = self.rd_operations = self.wr_bytes = self.wr_operations = self.flush_operations = 0


class FileDrive:
    """A drive slot. ``warnings`` holds what the user should be told about the medium.

    ``name``       what monitors know it by; empty for a drive that a device made for itself, around a node
    ``device_id``  of the ``-device`` that it is in
    ``node``       at the top of the medium's nodes; None without a medium
    """

    def __init__(
        self,
        *,
        id: str,
        media: str = "disk",
        serial: str = "",
        cache: str = "writeback",
        index: int = 0,
        snapshot: bool = False,
        active: bool = True,
        graph: Graph | None = None,
        on_message: Callable[[str], None] = report,
    ) -> None:
        """An empty drive; see ``open_drive``."""
        if media not in MEDIA:
            raise ConfigError(f"'{media}' invalid media", f"Accepted: {', '.join(MEDIA)}.")
        if cache not in CACHE_MODES:
            raise ConfigError("invalid cache option", f"Accepted: {', '.join(CACHE_MODES)}.")
        self.id = self.name = id
        self.device_id = ""
        self.media = media
        self.serial = serial
        self.cache = cache
        self.index = index
        self.snapshot = snapshot
        self.active = active
        self.write_cache = cache not in ("writethrough", "directsync")
        self.path = ""
        self.size = 0
        self.read_only = media == "cdrom"
        self.warnings: list[str] = []
        self.on_change: list[Callable[[], None]] = []
        self.stats = Statistics()
        self.on_error: Callable[[tuple[str, OSError]], None] = lambda _what: None
        self.graph = graph or Graph()
        self.node: Node | None = None
        self._watchers: list[Watcher] = []
        self._image: Image | None = None
        self._guards_head = False
        self._on_message = on_message
        self._reported: set[tuple[str, int | None]] = set()

    @property
    def inserted(self) -> bool:
        return self._image is not None

    @property
    def image(self) -> Image | None:
        """What the guest reads and writes: the node's content, or an overlay's."""
        return self._image

    @property
    def keeps_content(self) -> bool:
        """What is written can be read again."""
        return self.node is not None and (self.has_overlay or self.node.leaf.driver not in NULL_DRIVERS)

    @property
    def has_overlay(self) -> bool:
        """What is written goes to a temporary file."""
        return isinstance(self._image, Overlay)

    # -- the medium -----------------------------------------------------------------------------------

    def insert(self, path: str, *, read_only: bool = False, format: str | None = None) -> None:
        """Put an image in, in place of what is there. Raises ConfigError, and then nothing has changed."""
        node = self.open_node(path, read_only=read_only, format=format)
        try:
            self.attach(node, read_only=read_only)
        except BaseException:
            self.graph.discard(node)
            raise

    def open_node(self, path: str, *, read_only: bool = False, format: str | None = None) -> Node:
        """A node to attach: the image as this drive's options have it. Raises ConfigError."""
        writable = not read_only and self.media != "cdrom"
        return self.graph.open(
            path,
            writable=writable,
            format=format,
            snapshot=self.snapshot and writable,
            sync=not self.write_cache,
            cache={"direct": self.cache in ("none", "directsync"), "no-flush": self.cache == "unsafe"},
        )

    def attach(self, node: Node, *, read_only: bool = False) -> None:
        """Put a node in, in place of what is there. Raises ConfigError, and then nothing has changed."""
        read_only = read_only or self.media == "cdrom" or (node.read_only and not self.snapshot)
        overlay = Overlay(node.image) if self.snapshot and not read_only else None
        try:
            node.hold(self, write=not read_only and overlay is None, lock=self.active)
        except BaseException:
            if overlay is not None:
                overlay.close()
            raise
        self._close()
        self.node, self._image, self._watchers = node, overlay or node.image, node.watchers
        self._guards_head = node.guards_head
        self.path, self.size, self.read_only = node.filename, self._image.size, read_only
        self.warnings = [PROBED_WARNING.format(path=self.path)] if self._guards_head else []
        self._changed()

    def replace(self, node: Node) -> None:
        """Go on with another node of the same content: no guest hears of it. Raises ConfigError."""
        old = self.node
        assert old is not None and node.size == self.size
        node.hold(self, write=not self.read_only, lock=self.active)
        if isinstance(self._image, Overlay):
            self._image.close()
        old.drop(self)
        self.node, self._image, self._watchers, self.path = node, node.image, node.watchers, node.filename
        self._guards_head = node.guards_head
        self.graph.discard(old)

    def open_base(self) -> None:
        """Make the image below an overlay one that can be written to. Raises ConfigError."""
        assert self.node is not None
        image = self.node.leaf.image
        if isinstance(image, RawImage):
            image.reopen(writable=True)
            try:
                image.acquire()
            except ConfigError:
                self.close_base()
                raise

    def close_base(self) -> None:
        """The opposite of ``open_base``. Raises ConfigError."""
        assert self.node is not None
        image = self.node.leaf.image
        if isinstance(image, RawImage):
            image.reopen(writable=False)
            image.acquire(write=False)

    def commit(self) -> None:
        """Write what the overlay holds to the image, and empty the overlay. Raises ConfigError, OSError."""
        overlay = self._image
        if not isinstance(overlay, Overlay):
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        assert self.node is not None
        self.open_base()
        try:
            for start, end in overlay.written():
                for offset in range(start, end, COMMIT_BYTES):
                    piece = memoryview(bytearray(min(COMMIT_BYTES, end - offset)))
                    overlay.read_into(offset, piece)
                    self.node.image.write(offset, piece)
            self.node.image.flush()
            overlay.forget()
        finally:
            self.close_base()

    def drop_overlay(self) -> None:
        """Go on at the image itself, which holds all that the overlay holds and can be written to."""
        overlay, node = self._image, self.node
        assert isinstance(overlay, Overlay) and node is not None
        for part in node.chain():
            part.read_only = False
        node.hold(self, write=True, lock=self.active)
        self._image = node.image
        overlay.close()

    def activate(self) -> None:
        """Lock the image: from now on it is ours. Raises ConfigError if somebody else has it."""
        if not self.active and self.node is not None:
            self.node.lock(self, write=not self.read_only and not self.has_overlay)
        self.active = True

    def deactivate(self) -> None:
        """Leave the image to another process. Raises OSError if what was written cannot be brought to it."""
        self.flush()
        if self.active and self.node is not None:
            self.node.unlock(self)
        self.active = False

    def eject(self) -> None:
        """Take the medium out, if there is one."""
        if self._image is not None:
            self._close()
            self._changed()

    def resize(self, size: int) -> None:
        """Change how long the medium is. Raises ConfigError, OSError."""
        assert self.node is not None
        if self.has_overlay:
            raise ConfigError("Image format driver does not support resize")
        self.node.resize(size)
        self.size = self.node.size
        self._changed()

    def close(self) -> None:
        """Give the image back to the host. The drive is empty afterwards; nobody is told."""
        self._close()

    def _close(self) -> None:
        image, node = self._image, self.node
        self._image, self.node, self._watchers = None, None, []
        self.path, self.size, self.warnings, self._guards_head = "", 0, [], False
        self._reported.clear()
        if isinstance(image, Overlay):
            image.close()
        if node is not None:
            node.drop(self)
            self.graph.discard(node)

    def _changed(self) -> None:
        for callback in self.on_change:
            callback()

    # -- data -----------------------------------------------------------------------------------------

    def read_into(self, offset: int, buffer: memoryview | bytearray) -> None:
        """Fill *buffer* from byte *offset* on. Raises OSError, ValueError past the end."""
        view = memoryview(buffer).cast("B")
        self._medium(offset, len(view)).read_into(offset, view)
        stats = self.stats
        stats.rd_operations += 1
        stats.rd_bytes += len(view)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Store *data* at byte *offset*. Raises OSError, ValueError past the end."""
        view = memoryview(data).cast("B")
        image = self._medium(offset, len(view))
        if self.read_only:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        if self._guards_head and offset < HEAD_BYTES:
            self._check_head(image, offset, view)
        for watcher in self._watchers:
            watcher.before_write(offset, len(view))
        image.write(offset, view)
        for watcher in self._watchers:
            watcher.after_write(offset, len(view))
        stats = self.stats
        stats.wr_operations += 1
        stats.wr_bytes += len(view)

    def flush(self) -> None:
        """Return once everything written is on stable storage. Raises OSError."""
        self.stats.flush_operations += 1
        node = self.node
        if self._image is not None and not self.read_only and not (node is not None and node.no_flush):
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
        """Tell the user about a host error, once for each kind, and whoever listens about each."""
        self.on_error((what, error))
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
    active: bool = True,
    graph: Graph | None = None,
    node: Node | None = None,
    on_message: Callable[[str], None] = report,
) -> FileDrive:
    """A drive with the image at *path*, or an empty one with None.

    ``format``    what the user said; None probes, which guards block 0 and leaves a line in ``warnings``
    ``snapshot``  writes go to a temporary file
    ``cache``     QEMU's cache modes
    ``active``    False: another process still has the image; ``activate()`` comes later
    ``graph``     where its nodes go; ``node``: one that is there already, instead of a path
    Raises ConfigError.
    """
    drive = FileDrive(
        id=id,
        media=media,
        serial=serial,
        cache=cache,
        index=index,
        snapshot=snapshot,
        active=active,
        graph=graph,
        on_message=on_message,
    )
    if node is not None:
        drive.attach(node, read_only=read_only)
    elif path is None:
        drive.read_only = drive.read_only or read_only
    else:
        drive.insert(path, read_only=read_only, format=format)
    return drive

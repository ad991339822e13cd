"""Snapshot mode: writes go to a temporary file, the image underneath stays as it is.

The overlay is a nameless sparse file in $TMPDIR or /var/tmp, as long as the image; the kernel frees it when
the process ends. A cluster (64 KiB) is in the overlay as a whole or not at all: the first write to a part
of one copies the rest from below.

Memory   one byte per cluster, in pages that exist once one of their 4096 clusters is written: 64 KiB per
         4 GiB written
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator

from pyqemu.block.raw import Image, read_all, write_all
from pyqemu.core.errors import ConfigError

CLUSTER_BYTES = 64 << 10
PAGE_CLUSTERS = 4096


class Overlay:
    """Copy-on-write over *base*, which is only read."""

    def __init__(self, base: Image) -> None:
        self.size = base.size
        self._base = base
        self._pages: dict[int, bytearray] = {}
        directory = os.environ.get("TMPDIR") or "/var/tmp"
        try:
            self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115  (close() does)
        except OSError as error:
            raise ConfigError(
                f"Could not open temporary file '{directory}': {os.strerror(error.errno or errno.EIO)}",
                "Snapshot mode keeps what the guest writes there; set TMPDIR to use another directory.",
            ) from None
        self._fd = self._file.fileno()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        for start, end, written in self._runs(offset, offset + len(buffer)):
            piece = buffer[start - offset : end - offset]
            if written:
                read_all(self._fd, start, piece)
            else:
                self._base.read_into(start, piece)

    def write(self, offset: int, data: memoryview) -> None:
        if not data:
            return
        end = offset + len(data)
        first, last = offset // CLUSTER_BYTES, (end - 1) // CLUSTER_BYTES
        if offset > first * CLUSTER_BYTES and not self._is_written(first):
            self._copy(first * CLUSTER_BYTES, offset)
        cluster_end = min((last + 1) * CLUSTER_BYTES, self.size)
        if end < cluster_end and not self._is_written(last):
            self._copy(end, cluster_end)
        write_all(self._fd, offset, data)
        # Only now: after a failure the clusters that were new still show the image underneath.
        for start, stop, page in self._page_ranges(first, last + 1):
            self._pages.setdefault(page, bytearray(PAGE_CLUSTERS))[start:stop] = b"\1" * (stop - start)

    def written(self) -> Iterator[tuple[int, int]]:
        """(start, end) of each stretch that is in the overlay."""
        return ((start, end) for start, end, written in self._runs(0, self.size) if written)

    def forget(self) -> None:
        """Show the image underneath again. Raises OSError."""
        self._pages.clear()
        os.ftruncate(self._fd, 0)

    def flush(self) -> None:
        """Nothing to do: the overlay does not outlive the process."""

    def acquire(self, *, write: bool = True) -> None:
        """Nobody else has the overlay; the image underneath is locked by who holds its node."""

    def release(self) -> None:
        pass

    def close(self) -> None:
        """Forget what was written. The image underneath stays open."""
        self._file.close()
        self._fd = -1  # the number may soon be another file's

    def _copy(self, start: int, end: int) -> None:
        piece = memoryview(bytearray(end - start))
        self._base.read_into(start, piece)
        write_all(self._fd, start, piece)

    def _is_written(self, cluster: int) -> bool:
        page = self._pages.get(cluster // PAGE_CLUSTERS)
        return page is not None and page[cluster % PAGE_CLUSTERS] != 0

    def _runs(self, offset: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """(start, end, is in the overlay) of each stretch of one kind."""
        for first, last, number in self._page_ranges(offset // CLUSTER_BYTES, -(-end // CLUSTER_BYTES)):
            page = self._pages.get(number)
            base = number * PAGE_CLUSTERS
            while first < last:
                written = page is not None and page[first] != 0
                stop = page.find(0 if written else 1, first, last) if page is not None else -1
                stop = last if stop < 0 else stop
                yield (
                    max(offset, (base + first) * CLUSTER_BYTES),
                    min(end, (base + stop) * CLUSTER_BYTES),
                    written,
                )
                first = stop

    def _page_ranges(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """Clusters *first*..*last* page by page: (first and last inside the page, page number)."""
        while first < last:
            page = first // PAGE_CLUSTERS
            stop = min(last, (page + 1) * PAGE_CLUSTERS)
            yield first - page * PAGE_CLUSTERS, stop - page * PAGE_CLUSTERS, page
            first = stop

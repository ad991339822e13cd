"""A bar on the user's terminal, for what takes long: saving, loading and moving a machine.

Drawn on    standard error, if that is a terminal; the line goes away when the work is done
Not drawn   in the first half second, and in a pipe
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

QUICK_S = 0.5  # what is done by then needs no bar
REFRESH_S = 0.1


class Bar:
    """``with Bar("Saving") as bar: … bar.show(done, total)``. Not *wanted*: nothing is ever drawn."""

    def __init__(self, title: str, *, wanted: bool = True) -> None:
        self.title = title
        self._wanted = wanted and sys.stderr.isatty()
        self._next_s = time.monotonic() + QUICK_S
        self._progress: Progress | None = None

    def show(self, done: int, total: int) -> None:
        """Bytes of *total*. May be called as often as one likes."""
        now = time.monotonic()
        if not self._wanted or now < self._next_s:
            return
        self._next_s = now + REFRESH_S
        if self._progress is None:
            self._progress = self._begin(done, total)
        self._progress.update(self._progress.task_ids[0], completed=done, total=total)
        self._progress.refresh()

    def _begin(self, done: int, total: int) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,  # they are the monitor's and the guest's
            redirect_stderr=False,
        )
        progress.add_task(self.title, completed=done, total=total)
        progress.start()
        return progress

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._wanted = False
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

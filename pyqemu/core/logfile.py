"""Where ``-d`` logs go: the loggers ``pyqemu.CATEGORY``, to stderr or to a file, changeable while the VM runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pyqemu.core import trace
from pyqemu.core.errors import ConfigError


class LogOutput:
    """The chosen categories and the one place they go to. A file is opened with the first category."""

    def __init__(self, categories: Iterable[str] = (), path: str = "") -> None:
        """Raises ConfigError if the file cannot be opened."""
        self.categories: list[str] = []
        self.path = path
        self._tracing = False
        self._handler: logging.Handler | None = None
        self.select(categories)

    def select(self, categories: Iterable[str]) -> None:
        """Log these categories from now on and no others. Raises ConfigError."""
        wanted = list(dict.fromkeys(categories))
        if wanted and self._handler is None:
            self._handler = self._open(self.path)
        self._detach()
        self.categories = wanted
        self._attach()

    def trace(self, pattern: str, on: bool) -> None:
        """Turn trace events on or off. Raises ConfigError, and then nothing has changed."""
        if on and self._handler is None:
            self._handler = self._open(self.path)
        trace.switch(pattern, on)
        self._detach()
        self._tracing = self._tracing or on
        self._attach()

    def redirect(self, path: str) -> None:
        """Log to another file. Raises ConfigError, and then nothing has changed."""
        handler = self._open(path)
        self._detach()
        if self._handler is not None:
            self._handler.close()
        self._handler, self.path = handler, path
        self._attach()

    def close(self) -> None:
        self._detach()
        self.categories = []
        if self._tracing:
            self._tracing = False
            trace.forget()
        if self._handler is not None:
            self._handler.close()
            self._handler = None

    @staticmethod
    def _open(path: str) -> logging.Handler:
        try:
            handler: logging.Handler = logging.FileHandler(path) if path else logging.StreamHandler()
        except OSError as error:
            raise ConfigError(f"could not open '{path}': {error.strerror}") from None
        handler.setFormatter(logging.Formatter("%(message)s"))
        return handler

    def _loggers(self) -> list[str]:
        return [*self.categories, *(["trace"] if self._tracing else [])]

    def _attach(self) -> None:
        for category in self._loggers():
            logger = logging.getLogger(f"pyqemu.{category}")
            logger.setLevel(logging.INFO)
            if self._handler is not None:
                logger.addHandler(self._handler)

    def _detach(self) -> None:
        for category in self._loggers():
            logger = logging.getLogger(f"pyqemu.{category}")
            logger.setLevel(logging.NOTSET)
            if self._handler is not None:
                logger.removeHandler(self._handler)

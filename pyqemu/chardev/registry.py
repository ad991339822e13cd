"""The machine's character backends by id: those of ``-chardev``, and those that other options make on the way."""

from __future__ import annotations

from collections.abc import Callable, ItemsView
from typing import Any

from pyqemu.chardev import Backend
from pyqemu.chardev.factory import open_backend
from pyqemu.chardev.mux import ESCAPE, MuxChardev
from pyqemu.chardev.syntax import check, is_on, parse_spec
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.events import EventLoop
from pyqemu.launch import ChardevConfig


def _nothing() -> None:
    pass


class Chardevs:
    """*on_quit* and *on_save* are for the commands of a mux; *announce* prints where a pty is to be found."""

    def __init__(
        self,
        loop: EventLoop,
        *,
        on_quit: Callable[[], None] = _nothing,
        on_save: Callable[[], None] = _nothing,
        announce: Callable[[str], None] = lambda _text: None,
        escape: int = ESCAPE,
    ) -> None:
        self.mon_muxes: list[MuxChardev] = []
        self._loop = loop
        self._on_quit = on_quit
        self._on_save = on_save
        self._announce = announce
        self._escape = escape
        self._backends: dict[str, Any] = {}
        self._used: set[str] = set()

    # -- making ---------------------------------------------------------------------------------------

    def add(self, config: ChardevConfig, about: str = "") -> Any:
        """A backend that devices and monitors will ask for by its id. Raises ConfigError."""
        if not config.id:
            raise ConfigError("chardev: no id specified")
        if config.id in self._backends:
            raise ConfigError(f"Duplicate ID '{config.id}' for chardev")
        check(config)
        if config.backend == "mux":
            backend = self._mux(self._claim(config.values["chardev"]), config.id)
        else:
            backend = open_backend(config, self._loop, about=about)
            if path := getattr(backend, "path", ""):
                self._announce(f"char device redirected to {path} (label {config.id})")
            if is_on(config.values, "mux"):
                backend = self._mux(backend, config.id)
        self._backends[config.id] = backend
        return backend

    def open(self, spec: str, label: str = "", about: str = "") -> Any:
        """What ``-serial`` takes: a new backend, or ``chardev:ID``; None for ``none``. Raises ConfigError."""
        kind, _, argument = spec.partition(":")
        if spec == "none":
            return None
        if kind == "chardev":
            return self.user(argument)
        label = self._free_label(label or "chardev")
        is_mon = kind == "mon"
        config = parse_spec(argument if is_mon else spec, label)
        backend: Any = open_backend(config, self._loop, signal=not is_mon, about=about)
        if path := getattr(backend, "path", ""):
            self._announce(f"char device redirected to {path} (label {label})")
        if is_mon:
            backend = self._mux(backend, label)
            self.mon_muxes.append(backend)
        self._backends[label] = backend
        self._used.add(label)
        return backend

    def _mux(self, backend: Any, label: str) -> Any:
        mux: Any = MuxChardev(backend, self._on_quit, self._on_save, self._escape)
        mux.label, mux.filename = label, "mux"
        return mux

    def _free_label(self, wanted: str) -> str:
        label, number = wanted, 0
        while label in self._backends:
            label, number = f"{wanted}-{number}", number + 1
        return label

    # -- using ----------------------------------------------------------------------------------------

    def user(self, id: str) -> Any:
        """One more user of a backend: a mux has room for several, others for one. Raises ConfigError."""
        backend: Any = self._backends.get(id)
        if isinstance(backend, MuxChardev) and id in self._used:
            return backend.frontend()
        return self._claim(id)

    def _claim(self, id: str) -> Any:
        """A backend for one user alone."""
        backend = self._backends.get(id)
        if backend is None:
            raise ConfigError(f'chardev "{id}" not found', nearest(id, self._backends))
        if id in self._used:
            raise ConfigError(f"Device '{id}' is in use", "Several devices can share it with mux=on.")
        self._used.add(id)
        return backend

    def get(self, id: str) -> Backend | None:
        return self._backends.get(id)

    def items(self) -> ItemsView[str, Any]:
        """(id, backend) in the order in which they were made."""
        return self._backends.items()

    # -- ending ---------------------------------------------------------------------------------------

    def remove(self, id: str) -> None:
        """Close a backend that nobody uses. Raises ConfigError."""
        backend = self._backends.get(id)
        if backend is None:
            raise ConfigError(f"Chardev '{id}' not found", nearest(id, self._backends))
        if id in self._used:
            raise ConfigError(f"Chardev '{id}' is busy")
        del self._backends[id]
        backend.close()

    def flush(self) -> None:
        """Hand what is collected to the host."""
        for backend in self._backends.values():
            backend.flush()

    def close(self) -> None:
        backends, self._backends = self._backends, {}
        for backend in reversed(backends.values()):
            backend.close()

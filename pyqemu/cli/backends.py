"""Character backends as options name them (``-serial stdio``, ``-chardev``), checked; the machine opens them."""

from __future__ import annotations

from pyqemu.cli.messages import Answer, Typed
from pyqemu.cli.values import identifier, options, wants_help
from pyqemu.core.errors import ConfigError, nearest
from pyqemu.core.messages import line
from pyqemu.launch import ChardevConfig


class Backends:
    """Checks backends as they are read; only one of them can have the terminal."""

    def __init__(self) -> None:
        self.stdio_taken = False
        self.stdio_refusal: ConfigError | None = None  # what to say if there is no terminal
        self.ids: list[str] = []

    def check(self, typed: Typed, what: str) -> str:
        """The value of a ``-serial``-like option. Raises ConfigError. *what* ends QEMU's second line."""
        failed = line(f"{typed}: {what} {typed.value if what == 'parse error:' else repr(typed.value)}")
        had_stdio = self.stdio_taken
        try:
            self._check(typed.value)
        except ConfigError as error:
            raise typed.error(str(error), f"{failed}\n{error.hint}".rstrip()) from None
        if self.stdio_taken and not had_stdio:
            self.stdio_refusal = typed.error("cannot use stdio with -daemonize", failed)
        return typed.value

    def _check(self, spec: str) -> None:
        from pyqemu.chardev.syntax import parse_spec

        kind, _, argument = spec.partition(":")
        if spec == "none" or kind == "chardev":
            return
        if parse_spec(argument if kind == "mon" else spec).backend == "stdio":
            self._take_stdio()

    def _take_stdio(self) -> None:
        if self.stdio_taken:
            raise ConfigError("cannot use stdio by multiple character devices")
        self.stdio_taken = True

    def chardev(self, typed: Typed) -> ChardevConfig:
        """The value of ``-chardev``. Raises ConfigError; Answer for help."""
        from pyqemu.chardev import syntax

        if typed.value in ("help", "?"):
            raise Answer(
                "\n".join(["Available chardev backend types: ", *(f"  {name}" for name in syntax.BACKENDS)])
            )
        if wants_help(typed.value):
            backend = typed.value.partition(",")[0]
            keys = syntax.BACKENDS.get(backend, {}) | syntax.COMMON
            kinds = {"bool": "bool (on/off)", "number": "num"}
            rows = [f"  {key}=<{kinds.get(known.kind, known.kind)}> - {known.help}" for key, known in keys.items()]
            raise Answer("\n".join(["chardev options:", *(row.removesuffix(" - ") for row in sorted(rows))]))
        values = options(
            typed, known=("id", *syntax.KEYS, *syntax.IGNORED, *syntax.UNSUPPORTED_KEYS), implied="backend"
        )
        id = identifier(typed, values)
        backend = values.pop("backend", "")
        values.pop("id", None)
        if not id:
            raise typed.error("chardev: no id specified")
        if id in self.ids:
            raise typed.error(f"Duplicate ID '{id}' for chardev")
        if not backend:
            raise typed.error(f'chardev: "{id}" missing backend', "Use -chardev help to list backends")
        config = ChardevConfig(backend, id, values, str(typed))
        try:
            for remark in syntax.check(config):
                typed.warn(remark)
            if config.backend == "stdio":
                self._take_stdio()
                self.stdio_refusal = typed.error("cannot use stdio with -daemonize")
        except ConfigError as error:
            raise typed.error(str(error), error.hint) from None
        self.ids.append(id)
        return config

    def check_references(self, specs: list[str]) -> None:
        """Whether ``chardev:ID`` names a backend. Raises ConfigError."""
        for spec in specs:
            kind, colon, id = spec.partition(":")
            if kind == "chardev" and colon and id not in self.ids:
                raise ConfigError(f'chardev "{id}" not found', nearest(id, self.ids))

"""-monitor, -qmp, -qmp-pretty and -mon: where the monitors are.

``finish`` adds the default one, as QEMU does: with -nographic it has the terminal, unless a -serial, -parallel or
-debugcon has it (QEMU refuses to start then, unless -monitor none is said).
"""

from __future__ import annotations

from typing import Literal

from pyqemu.cli.messages import Typed, accepted
from pyqemu.cli.values import pairs, switch
from pyqemu.launch import LaunchConfig, MonitorConfig

Mode = Literal["readline", "control"]
MODES: tuple[Mode, Mode] = ("readline", "control")


class Monitors:
    """What has been said about monitors so far."""

    def __init__(self) -> None:
        self._configs: list[MonitorConfig] = []
        self._given = False

    def add(self, typed: Typed, backend: str, mode: Mode, *, pretty: bool = False) -> None:
        """``-monitor`` or ``-qmp`` with *backend*; "none" only takes the default monitor away."""
        self._given = True
        if backend != "none":
            self._configs.append(MonitorConfig(backend, mode, pretty, str(typed)))

    def mon(self, typed: Typed) -> None:
        """``-mon [chardev=]ID[,mode=readline|control][,pretty=on|off]``. Raises ConfigError."""
        values = pairs(typed, implied="chardev")
        unknown = [key for key in values if key not in ("chardev", "mode", "pretty", "id")]
        if unknown:
            raise typed.error(f"Invalid parameter '{unknown[0]}'", accepted(("chardev", "mode", "pretty", "id")))
        if "chardev" not in values:
            raise typed.error("Parameter 'chardev' is missing")
        mode = values.get("mode", "readline")
        if mode not in MODES:
            raise typed.error(f"Parameter 'mode' does not accept value '{mode}'", accepted(MODES))
        pretty = switch(typed, values, "pretty")
        if pretty and mode != "control":
            raise typed.error("'pretty' is not compatible with HMP monitors")
        self._given = True
        self._configs.append(MonitorConfig(f"chardev:{values['chardev']}", mode, pretty, str(typed)))

    def finish(self, config: LaunchConfig, stdio_taken: bool) -> None:
        """Put the monitors into *config*."""
        config.monitors = self._configs
        config.no_default_monitor = self._given
        default = not (self._given or config.nodefaults or stdio_taken)
        # Without -serial the serial port has the terminal, and the monitor is behind its Ctrl-A c.
        if default and config.nographic and config.serials:
            config.monitors = [MonitorConfig("stdio")]

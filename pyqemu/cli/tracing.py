"""-trace: which events are told about."""

from __future__ import annotations

from pyqemu.cli import lists
from pyqemu.cli.messages import Answer, Typed
from pyqemu.cli.values import options
from pyqemu.launch import TraceConfig

FILE_LIMIT = 1 << 20


def parse_trace(typed: Typed) -> list[TraceConfig]:
    """``[[enable=]PATTERN][,events=FILE]``; a file has a pattern a line, ``-`` before it turns off.

    Raises ConfigError; Answer for help.
    """
    values = options(typed, known=("enable", "events", "file"), implied="enable")
    if values.get("enable") in ("help", "?"):
        raise Answer(lists.trace_events())
    if "file" in values:
        raise typed.unsupported("file", "What is told goes where -D says.")
    lines = _lines(typed, values["events"]) if "events" in values else []
    if "enable" in values:
        lines.append(values["enable"])
    return [
        TraceConfig(line.removeprefix("-"), not line.startswith("-"), str(typed))
        for line in lines
        if line and line[0] != "#"
    ]


def _lines(typed: Typed, path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise typed.error(f"could not open '{path}': {error.strerror}") from None
    if len(text) > FILE_LIMIT:
        raise typed.error(f"'{path}' is too long", f"Accepted: {FILE_LIMIT} characters.")
    return [line.strip() for line in text.splitlines()]

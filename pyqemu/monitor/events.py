"""The events that this program sends, and what they carry: for ``query-qmp-schema`` and for tests."""

from __future__ import annotations

from collections.abc import Mapping

from pyqemu.monitor.qapi import BOOL, INT, STR, Enum, Type

SHUTDOWN_CAUSE = Enum(
    "ShutdownCause",
    (
        "none", "host-error", "host-qmp-quit", "host-qmp-system-reset", "host-signal", "host-ui", "guest-shutdown",
        "guest-reset", "guest-panic", "subsystem-reset", "snapshot-load",
    ),
)  # fmt: skip

JOB_TYPE = Enum("JobType", ("backup", "mirror", "commit"))
JOB_STATUS = Enum(
    "JobStatus",
    (
        "undefined", "created", "running", "paused", "ready", "standby", "waiting", "pending", "aborting",
        "concluded", "null",
    ),
)  # fmt: skip
JOB = {"type": JOB_TYPE, "device": STR, "len": INT, "offset": INT, "speed": INT}

EVENTS: dict[str, Mapping[str, Type]] = {
    "RESET": {"guest": BOOL, "reason": SHUTDOWN_CAUSE},
    "SHUTDOWN": {"guest": BOOL, "reason": SHUTDOWN_CAUSE},
    "STOP": {},
    "RESUME": {},
    "POWERDOWN": {},
    "RTC_CHANGE": {"offset": INT},
    "DEVICE_TRAY_MOVED": {"device": STR, "id": STR, "tray-open": BOOL},
    "BLOCK_IO_ERROR": {
        "device": STR,
        "operation": STR,
        "action": STR,
        "nospace": BOOL,
        "reason": STR,
    },
    "MIGRATION": {"status": STR},
    "JOB_STATUS_CHANGE": {"id": STR, "status": JOB_STATUS},
    "BLOCK_JOB_COMPLETED": {**JOB, "?error": STR},
    "BLOCK_JOB_CANCELLED": JOB,
    "BLOCK_JOB_READY": JOB,
    "BLOCK_JOB_PENDING": {"type": JOB_TYPE, "id": STR},
    "BLOCK_JOB_ERROR": {
        "device": STR,
        "operation": Enum("IoOperationType", ("read", "write")),
        "action": Enum("BlockErrorAction", ("report", "stop")),
    },
}

"""What differs between two layouts, in words: for a machine type that promises nothing."""

from __future__ import annotations

from typing import Any

MOST_LINES = 20
NAME_LENGTH = 80
DEEPEST = 16  # structs in structs


def differences(theirs: Any, ours: dict[str, Any]) -> list[str]:
    """One line for each difference, the stream's side first. *theirs* comes from outside: anything may be in it."""
    try:
        lines = [*_ram(theirs["ram"], ours["ram"]), *_sections(theirs["sections"], ours["sections"])]
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError):
        return ["the layout in the stream is damaged"]
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"… and {len(lines) - MOST_LINES} more"]
    return lines


def _ram(theirs: dict[str, int], ours: dict[str, int]) -> list[str]:
    lines = []
    for name in [*theirs, *(name for name in ours if name not in theirs)]:
        if theirs.get(name) != ours.get(name):
            lines.append(
                f"memory {name!s:.60}: {_size(theirs.get(name))} in the stream, {_size(ours.get(name))} here"
            )
    return lines


def _size(size: int | None) -> str:
    return "none" if size is None else f"{int(size):#x}"


def _sections(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> list[str]:
    there = {(str(s["name"]), int(s["instance"])): s for s in theirs}
    here = {(s["name"], s["instance"]): s for s in ours}
    lines = []
    for key in [*there, *(key for key in here if key not in there)]:
        title = f"device {key[0]:.60}" + (f" instance {key[1]}" if key[1] else "")
        if key not in here:
            lines.append(f"{title}: only in the stream")
        elif key not in there:
            lines.append(f"{title}: only here")
        elif there[key] != here[key]:
            lines += [f"{title}: {line}" for line in _fields(there[key], here[key])] or [
                f"{title}: version {there[key].get('version')!s:.20} in the stream, {here[key]['version']} here"
            ]
    return lines


def _fields(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    there, here = flat(theirs), flat(ours)
    lines = []
    for name in [*there, *(name for name in here if name not in there)]:
        if there.get(name) != here.get(name):
            was, now = there.get(name, "none"), here.get(name, "none")
            lines.append(f"field {name:.{NAME_LENGTH}}: {was} in the stream, {now} here")
    return lines


def flat(described: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, str]:
    """Field → type and size, nested ones with dots. Raises ValueError for what is nested too deeply."""
    if depth > DEEPEST:
        raise ValueError
    found: dict[str, str] = {}
    for field in described.get("fields", []):
        index = f"[{field['index']!s:.10}]" if "index" in field else ""
        name = f"{prefix}{field['name']!s:.{NAME_LENGTH}}{index}"
        count = f" × {field['array_len']!s:.10}" if "array_len" in field else ""
        found[name] = f"{field['type']!s:.40}, {field['size']!s:.10} bytes{count}"
        if "struct" in field:
            found |= flat(field["struct"], f"{name}.", depth + 1)
    for sub in described.get("subsections", []):
        found |= flat(sub, f"{prefix}<{sub['vmsd_name']!s:.{NAME_LENGTH}}>.", depth + 1)
    return found

"""Reads a migration stream by the description of the format, independently of pyqemu's writer and reader.

Source   "The migration stream of QEMU 7.2, as observed" (facts recorded from QEMU): items, RAM records, fields of a
         section by the JSON description at the end
Errors   AssertionError: the stream is not what the format says
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Parsed:
    machine: str = ""
    sections: list[tuple[str, int, int, bytes]] = field(default_factory=list)  # name, instance, version, data
    values: list[dict[str, Any]] = field(default_factory=list)  # of each section but ram, by field
    blocks: dict[str, int] = field(default_factory=dict)
    pages: dict[str, dict[int, bytes]] = field(default_factory=dict)
    order: list[tuple[int, str]] = field(default_factory=list)  # item kind, section
    description: dict[str, Any] = field(default_factory=dict)
    boundaries: list[int] = field(default_factory=list)  # where items begin


class StreamParser:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.last_block = ""
        self.result = Parsed()

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        assert len(piece) == count, f"{count} bytes at {self.at} are past the end"
        self.at += count
        return piece

    def u8(self) -> int:
        return self.take(1)[0]

    def u32(self) -> int:
        return struct.unpack(">I", self.take(4))[0]

    def u64(self) -> int:
        return struct.unpack(">Q", self.take(8))[0]

    def name(self) -> str:
        return self.take(self.u8()).decode()

    def parse(self) -> Parsed:
        assert self.take(4) == b"QEVM" and self.u32() == 3
        assert self.u8() == 7
        self.result.machine = self.take(self.u32()).decode()
        # Only the description says how long a section is, and it comes last: find it from the end.
        start = self.data.rindex(b"\x00\x06", 0, len(self.data))
        while True:
            length = struct.unpack(">I", self.data[start + 2 : start + 6])[0]
            if start + 6 + length == len(self.data):
                break
            start = self.data.rindex(b"\x00\x06", 0, start + 1)
        description = json.loads(self.data[start + 6 :])
        self.result.description = description
        todo = list(description["devices"])
        names: dict[int, str] = {}
        while True:
            self.result.boundaries.append(self.at)
            kind = self.u8()
            if kind == 0:
                assert self.at == start + 1, "the end item is not where the description says"
                break
            assert kind in (1, 2, 3, 4), f"item {kind} at {self.at - 1}"
            number = self.u32()
            instance = version = 0
            if kind in (1, 4):
                names[number], instance, version = self.name(), self.u32(), self.u32()
            self.result.order.append((kind, names[number]))
            if names[number] == "ram":
                self.ram_chunk()
            else:
                assert kind == 4
                entry = todo.pop(0)
                assert (entry["name"], entry["instance_id"]) == (names[number], instance)
                begin = self.at
                self.result.values.append(self.fields(entry))
                self.result.sections.append((names[number], instance, version, self.data[begin : self.at]))
            assert self.u8() == 0x7E and self.u32() == number, f"no footer after {names[number]}"
        assert not todo, "sections are described that are not there"
        return self.result

    def ram_chunk(self) -> None:
        result = self.result
        while True:
            word = self.u64()
            offset, flags = word & ~0xFFF, word & 0xFFF
            if flags == 0x10:
                return
            if flags == 0x04:
                while offset:
                    block, size = self.name(), self.u64()
                    result.blocks[block], result.pages[block] = size, {}
                    offset -= size
                continue
            if not flags & 0x20:
                self.last_block = self.name()
            assert offset < result.blocks[self.last_block]
            assert flags & ~0x20 in (0x02, 0x08), hex(flags)
            page = bytes([self.u8()]) * 4096 if flags & 0x02 else self.take(4096)
            result.pages[self.last_block][offset] = page

    def fields(self, described: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in described.get("fields", []):
            title = item["name"] + (f"[{item['index']}]" if "index" in item else "")
            values = []
            for _ in range(item.get("array_len", 1)):
                begin = self.at
                values.append(self.fields(item["struct"]) if "struct" in item else self.take(item["size"]))
                assert self.at - begin == item["size"], f"{title} is not {item['size']} bytes"
            found[title] = values if "array_len" in item else values[0]
        for sub in described.get("subsections", []):
            assert self.u8() == 5 and self.name() == sub["vmsd_name"] and self.u32() == sub["version"]
            found[f"<{sub['vmsd_name']}>"] = self.fields(sub)
        return found

"""RAM in a stream: section ``ram``, version 4.

Source   ``reference/migration/format.md``
Layout   chunks of records; a record begins with a 64-bit word: page offset, and flags in its low 12 bits
             004  the blocks: for each str8 name, u64 bytes; the offset is the sum of the sizes
             002  [str8 block,] fill byte: a page full of it (zero)
             008  [str8 block,] 4096 bytes
             020  with 002 and 008: the block is that of the record before, and not named
             010  end of the chunk
Units    bytes; pages of 4096
Errors   StateError
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from pyqemu.core.memory import PAGE_BYTES, RamBlock
from pyqemu.core.wire import StateError
from pyqemu.migration.stream import Source

FILL, SIZES, PAGE, CHUNK_END, SAME_BLOCK = 0x02, 0x04, 0x08, 0x10, 0x20
FLAGS = 0xFFF
END_OF_CHUNK = CHUNK_END.to_bytes(8, "big")
ZERO_PAGE = bytes(PAGE_BYTES)
RECORD_BYTES = 8 + PAGE_BYTES  # of a page in the block at hand
_WORD = struct.Struct(">Q").unpack_from

RUN_PAGES = 256  # looked at together
RUN_BYTES = RUN_PAGES * PAGE_BYTES
ZERO_RUN = bytes(RUN_BYTES)
# The records of a run of zero pages as one number of 9 bytes a page: a base address is added to all at once.
_FILL_RECORDS = sum(
    (n * PAGE_BYTES | FILL | SAME_BLOCK) << (72 * (RUN_PAGES - 1 - n) + 8) for n in range(RUN_PAGES)
)
_BASES = sum(1 << (72 * n + 8) for n in range(RUN_PAGES))

UNSEEN, FILLED, WRITTEN = range(3)


class RamWriter:
    """Makes the records. It remembers the block that was named last, so there is one for a whole stream."""

    def __init__(self, blocks: list[RamBlock]) -> None:
        self.blocks = blocks
        self._last: RamBlock | None = None
        self.zero_pages = 0
        self.data_pages = 0

    def sizes(self) -> bytes:
        """The first chunk: which blocks there are."""
        total = sum(block.size for block in self.blocks)
        entries = [_str8(block.name) + block.size.to_bytes(8, "big") for block in self.blocks]
        return b"".join([(total | SIZES).to_bytes(8, "big"), *entries, END_OF_CHUNK])

    def run(self, block: RamBlock, offset: int, length: int, data: bytes) -> list[bytes]:
        """Records of the pages of *data*, which is what *block* holds at *offset*."""
        if length == RUN_BYTES and self._last is block and data == ZERO_RUN:
            self.zero_pages += RUN_PAGES
            return [(_FILL_RECORDS + offset * _BASES).to_bytes(9 * RUN_PAGES, "big")]
        pieces: list[bytes] = []
        for at in range(0, length, PAGE_BYTES):
            self.page(pieces, block, offset + at, data[at : at + PAGE_BYTES])
        return pieces

    def page(self, pieces: list[bytes], block: RamBlock, offset: int, data: bytes) -> None:
        """Append one page's record."""
        zero = data == ZERO_PAGE
        word = offset | (FILL if zero else PAGE)
        if self._last is block:
            pieces.append((word | SAME_BLOCK).to_bytes(8, "big"))
        else:
            self._last = block
            pieces += (word.to_bytes(8, "big"), _str8(block.name))
        if zero:
            self.zero_pages += 1
            pieces.append(b"\0")
        else:
            self.data_pages += 1
            pieces.append(data)


def runs(blocks: Iterable[RamBlock]) -> Iterable[tuple[RamBlock, int, int]]:
    """All memory in pieces of at most ``RUN_BYTES``: block, offset, length."""
    for block in blocks:
        for offset in range(0, block.size, RUN_BYTES):
            yield block, offset, min(RUN_BYTES, block.size - offset)


class RamReader:
    """Takes the records into *blocks*. With ``dry`` it only checks them.

    A page comes once or more (the last one counts), and every page of every block must come.
    """

    def __init__(self, blocks: list[RamBlock], *, dry: bool = False) -> None:
        self.blocks = {block.name: block for block in blocks}
        self.seen: dict[str, bytearray] = {}
        self.dry = dry
        self._block: RamBlock | None = None
        self._pages = bytearray()

    def progress(self) -> tuple[int, int]:
        """Bytes that have come, and all. May be asked from another thread."""
        pages = sum(len(seen) - seen.count(UNSEEN) for seen in list(self.seen.values()))
        return pages * PAGE_BYTES, sum(block.size for block in self.blocks.values())

    def clear(self) -> None:
        """All memory to zero, so that zero pages need not be written."""
        for block in self.blocks.values():
            if not self.dry:
                block.clear()

    def chunk(self, source: Source) -> None:
        """Read records to the end of a chunk. Pages of the block at hand are read in the inner loop."""
        while True:
            self._plain_pages(source)
            word = source.number(8)
            flags = word & FLAGS
            offset = word - flags
            kind = flags & ~SAME_BLOCK
            if kind == CHUNK_END and not flags & SAME_BLOCK:
                return
            if kind == SIZES and not flags & SAME_BLOCK:
                self._read_sizes(source, offset)
                continue
            if kind not in (FILL, PAGE):
                raise StateError(f"Unknown combination of migration flags: {flags:#x}")
            if not flags & SAME_BLOCK:
                self._name_block(source.str8())
            block = self._block
            if block is None:
                raise StateError("a page comes before its block is named")
            if offset >= block.size:
                raise StateError(f"Illegal RAM offset {offset:x} in '{block.name}'")
            if kind == FILL:
                self._fill(block, offset, source.number(1))
            else:
                self._write(block, offset, source.take(PAGE_BYTES))

    def _plain_pages(self, source: Source) -> None:
        """Records of the same block as before, as long as they are whole in the source's buffer: most are."""
        block, pages = self._block, self._pages
        if block is None:
            return
        view, size, dry = block.view, block.size, self.dry
        while source.fill(RECORD_BYTES):
            data, position = source.data, source.position
            last = len(data) - RECORD_BYTES
            while position <= last:
                (word,) = _WORD(data, position)
                kind = word & FLAGS
                offset = word - kind
                if offset >= size:
                    break
                if kind == FILL | SAME_BLOCK:
                    if data[position + 8] or pages[offset // PAGE_BYTES] == WRITTEN:
                        break
                    pages[offset // PAGE_BYTES] = FILLED
                    position += 9
                elif kind == PAGE | SAME_BLOCK:
                    if not dry:
                        view[offset : offset + PAGE_BYTES] = data[position + 8 : position + RECORD_BYTES]
                    pages[offset // PAGE_BYTES] = WRITTEN
                    position += RECORD_BYTES
                else:
                    break
            else:
                source.position = position
                continue
            source.position = position
            return

    def _fill(self, block: RamBlock, offset: int, fill: int) -> None:
        number = offset // PAGE_BYTES
        if fill or self._pages[number] == WRITTEN:
            self._write(block, offset, bytes((fill,)) * PAGE_BYTES)
        else:
            self._pages[number] = FILLED

    def _write(self, block: RamBlock, offset: int, data: bytes) -> None:
        if not self.dry:
            block.view[offset : offset + PAGE_BYTES] = data
        self._pages[offset // PAGE_BYTES] = WRITTEN

    def _read_sizes(self, source: Source, total: int) -> None:
        if self.seen:
            raise StateError("the block sizes come twice")
        while total > 0:
            name, size = source.str8(), source.number(8)
            block = self.blocks.get(name)
            if block is None:
                raise StateError(f'Unknown ramblock "{name}", cannot accept migration')
            if size != block.size:
                raise StateError(f"Size mismatch: {name}: {size:#x} != {block.size:#x}: Invalid argument")
            if name in self.seen:
                raise StateError(f'ramblock "{name}" comes twice')
            self.seen[name] = bytearray(size // PAGE_BYTES)
            total -= size
        if total:
            raise StateError("the block sizes do not add up")
        for name in self.blocks:
            if name not in self.seen:
                raise StateError(f'ramblock "{name}" of this machine is not in the stream')

    def _name_block(self, name: str) -> None:
        pages = self.seen.get(name)
        if pages is None:
            raise StateError(f"Can't find block {name}")
        self._block = self.blocks[name]
        self._pages = pages

    def finish(self) -> None:
        """After the last chunk: is everything there?"""
        if not self.seen:
            raise StateError("the block sizes are missing")
        for name, pages in self.seen.items():
            if missing := pages.count(UNSEEN):
                raise StateError(f'{missing} pages of ramblock "{name}" are missing')


def _str8(text: str) -> bytes:
    return bytes((len(text),)) + text.encode()

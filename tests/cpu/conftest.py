"""A board for guest programs of a few lines: RAM, a ROM with the reset vector, and ports that report."""

from __future__ import annotations

import pytest
from guest_board import Assembler, Machine


@pytest.fixture(scope="session")
def assembler(tmp_path_factory):
    return Assembler(tmp_path_factory.mktemp("guests"))


@pytest.fixture
def machine(assembler):
    board = Machine(assembler)
    yield board
    board.close()

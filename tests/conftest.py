"""Fixtures for all tests."""

from __future__ import annotations

import signal

import pytest
from bench import Bench

# Where the tests are a shell's background job, SIGINT is ignored, and so it would be by every program they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def bench() -> Bench:
    """A bus to plug one chip into."""
    return Bench()

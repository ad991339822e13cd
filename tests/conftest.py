"""Fixtures for all tests."""

from __future__ import annotations

import pytest
from bench import Bench


@pytest.fixture
def bench() -> Bench:
    """A bus to plug one chip into."""
    return Bench()

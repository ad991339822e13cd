"""The bar that people see while a machine is saved or loaded."""

from __future__ import annotations

import contextlib
import io

import pytest

from pyqemu.display import progress
from pyqemu.display.progress import Bar

MIB = 1 << 20
EMPTY_LINE = "\r\x1b[1A\x1b[2K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def known_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")


def test_a_bar_shows_how_far_it_is_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUICK_S", 0)
    monkeypatch.setattr(progress, "REFRESH_S", 3600)
    terminal = Terminal()
    with contextlib.redirect_stderr(terminal):
        with Bar("Saving") as bar:
            bar.show(64 * MIB, 128 * MIB)
            assert "Saving" in terminal.getvalue() and "64.0/128.0 MiB" in terminal.getvalue()
            shown = terminal.getvalue()
            bar.show(65 * MIB, 128 * MIB)
            assert terminal.getvalue() == shown  # often enough
        assert terminal.getvalue().endswith(EMPTY_LINE)
        bar.show(128 * MIB, 128 * MIB)
    assert terminal.getvalue().endswith(EMPTY_LINE)


def test_quick_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUICK_S", 3600)
    terminal = Terminal()
    with contextlib.redirect_stderr(terminal), Bar("Saving") as bar:
        bar.show(1, 2)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(("output", "wanted"), [(Terminal(), False), (io.StringIO(), True)])
def test_a_pipe_and_a_screen_stay_clean(monkeypatch: pytest.MonkeyPatch, output: io.StringIO, wanted: bool) -> None:
    monkeypatch.setattr(progress, "QUICK_S", 0)
    with contextlib.redirect_stderr(output), Bar("Saving", wanted=wanted) as bar:
        bar.show(1, 2)
    assert output.getvalue() == ""

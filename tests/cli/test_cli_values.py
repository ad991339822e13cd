"""key=value syntax."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyqemu.cli.messages import Typed
from pyqemu.cli.values import boolean, options, pairs, split, wants_help
from pyqemu.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "implied", "expected"),
    [
        ("", "k", []),
        ("a=1,b=2", "", [("a", "1"), ("b", "2")]),
        ("x", "guest", [("guest", "x")]),
        ("x,process=y", "guest", [("guest", "x"), ("process", "y")]),
        ("a,,b", "guest", [("guest", "a,b")]),
        ("a=x,,y,b=,", "", [("a", "x,y"), ("b", "")]),
        ("a=x=y", "", [("a", "x=y")]),
        (",a=1", "guest", [("guest", ""), ("a", "1")]),
        ("a=1,help", "", [("a", "1"), ("help", None)]),
        ("a,b", "", [("a", None), ("b", None)]),
        ("a=,,,b=1", "", [("a", ","), ("b", "1")]),
    ],
)
def test_split(text: str, implied: str, expected: list[tuple[str, str | None]]) -> None:
    assert list(split(text, implied)) == expected


@given(st.dictionaries(st.text("abc-_.", min_size=1), st.text(), min_size=1))
def test_what_is_written_with_doubled_commas_is_read_back(values: dict[str, str]) -> None:
    text = ",".join(f"{key}={value.replace(',', ',,')}" for key, value in values.items())
    if any(value.startswith(",") or value.endswith(",") for value in values.values()):
        return  # three commas in a row read differently, in QEMU as well
    assert dict(split(text)) == values


@given(st.text("a=,help?", max_size=30), st.sampled_from(["", "k"]))
def test_split_takes_any_text(text: str, implied: str) -> None:
    list(split(text, implied))
    wants_help(text)


def test_later_values_win() -> None:
    assert options(Typed("-x", "a=1,a=2"), known=("a",)) == {"a": "2"}


def test_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^-name x,proces=1: Invalid parameter 'proces'$") as caught:
        options(Typed("-name", "x,proces=1"), known=("guest", "process"), implied="guest")
    assert caught.value.hint == "Did you mean 'process'?"


def test_old_switches_warn(capsys: pytest.CaptureFixture[str]) -> None:
    assert options(Typed("-x", "server,nowait"), known=("server", "wait")) == {"server": "on", "wait": "off"}
    assert capsys.readouterr().err.splitlines() == [
        "pyqemu: -x server,nowait: warning: short-form boolean option 'server' deprecated",
        "Please use server=on instead",
        "pyqemu: -x server,nowait: warning: short-form boolean option 'nowait' deprecated",
        "Please use wait=off instead",
    ]


def test_new_options_want_the_equals_sign() -> None:
    with pytest.raises(ConfigError, match=r"^-M pc,foo: Expected '=' after parameter 'foo'$"):
        pairs(Typed("-M", "pc,foo"), implied="type")


@pytest.mark.parametrize(("text", "help"), [("help", True), ("?", True), ("pc,help", True), ("help=1", False)])
def test_help_is_a_word_of_its_own(text: str, help: bool) -> None:
    assert wants_help(text) is help


def test_booleans() -> None:
    assert [boolean(text, "k") for text in ("on", "yes", "off", "no")] == [True, True, False, False]
    with pytest.raises(ConfigError, match=r"^Parameter 'k' expects 'on' or 'off'$"):
        boolean("maybe", "k")

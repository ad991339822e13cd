"""Whatever is typed: a configuration, an answer or a message, never a traceback."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.chardev.syntax import BACKENDS, KEYS
from pyqemu.cli import configfile
from pyqemu.cli.drive_devices import PROPS, TYPES
from pyqemu.cli.drives import KEYS as DRIVE_KEYS
from pyqemu.cli.messages import Answer, Typed
from pyqemu.cli.options import OPTIONS, parse
from pyqemu.core.errors import ConfigError

NOT_HERE = {"add-fd", "writeconfig", "readconfig"}  # they act on descriptors and files at once
VALUED = sorted(name for name, option in OPTIONS.items() if option.metavar and name not in NOT_HERE)
PLAIN = """
on off help ? 0 1 -1 0x10 1k 99999999999999999999 none std pc tcg raw file ide.0 a,,b stdio null type=0 id=a id=1a
driver=file node-name=n file=n fd=3 0.0 2.1 ::1 [::1]:1 tcp::1 mon:mon:null
"""
WORDS = sorted(
    {
        *PLAIN.split(),
        *BACKENDS,
        *TYPES,
        *(f"{key}=x" for key in (*KEYS, *PROPS, *DRIVE_KEYS)),
        *(f"{key}=on" for key in KEYS),
    }
)

texts = st.text(max_size=30) | st.text(string.printable, max_size=30)
lists = st.lists(st.sampled_from(WORDS) | texts, max_size=6).map(",".join)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | texts
keys = st.sampled_from(
    ["driver", "node-name", "file", "filename", "id", "qom-type", "cache", "read-only", "bus", "drive"]
)
objects = st.recursive(
    st.dictionaries(keys | texts, scalars, max_size=5),
    lambda inner: st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
values = texts | lists | objects.map(json.dumps) | objects.map(lambda value: json.dumps(value)[:-1])
options = st.tuples(st.sampled_from(VALUED).map(lambda name: f"-{name}"), values)


@given(st.lists(options, max_size=4))
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_options_are_a_machine_or_refused(typed: list[tuple[str, str]]) -> None:
    try:
        parse([word for option in typed for word in option])
    except (ConfigError, Answer):
        return


@pytest.mark.parametrize("name", VALUED)
@given(value=values)
@settings(max_examples=60, deadline=None)
def test_any_value_of_each_option(name: str, value: str) -> None:
    try:
        parse([f"-{name}", value])
    except (ConfigError, Answer):
        return


@given(st.lists(texts, max_size=5))
@settings(max_examples=300, deadline=None)
def test_any_words(words: list[str]) -> None:
    if any(word.lstrip("-") in NOT_HERE for word in words):
        return
    try:
        parse(words)
    except (ConfigError, Answer):
        return


@given(st.lists(st.sampled_from(['[drive "a"]', "[device]", '  driver = "x"', "# x", "[x"]) | texts, max_size=8))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_of_options(tmp_path, lines: list[str]) -> None:
    path = tmp_path / "config"
    path.write_text("\n".join(lines), errors="surrogatepass")
    try:
        for typed in configfile.read(Typed("-readconfig", str(path))):
            assert typed.option[1:] in OPTIONS
    except ConfigError as error:
        assert str(path) in str(error)


@given(st.dictionaries(st.sampled_from(["file", "id", "serial"]), st.text("ab,=. ", max_size=10)))
def test_what_is_written_reads_the_same(tmp_path_factory, values: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("config") / "c"
    value = ",".join(f"{key}={text.replace(',', ',,')}" for key, text in values.items())
    configfile.write(Typed("-writeconfig", str(path)), [Typed("-drive", value)])
    (read,) = configfile.read(Typed("-readconfig", str(path)))
    written = dict(pair for pair in configfile.split(read.value))
    assert written == {key: text for key, text in values.items() if key != "id" or text}

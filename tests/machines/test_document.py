"""Reading YAML with places: what is refused, where it says so, and that nothing else happens."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.core.errors import ConfigError
from pyqemu.machines import document
from pyqemu.machines.document import MAX_BYTES, Node, read_document


def read(folder: Path, content: str | bytes) -> Node:
    path = folder / "a.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_document(path)


def complaint(folder: Path, content: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, content)
    return f"{caught.value}\n{caught.value.hint}".replace(f"{folder}/", "").rstrip()


def plain(node: Node) -> object:
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    return node.value


def test_values_are_the_text_that_was_written(tmp_path: Path) -> None:
    written = "a: off\nb: 1.0\nc: 0x0500\nd: '~'\ne: ~\nf:\ng: [x, {y: 012}]\nh: |\n  two\n  lines\n"
    assert plain(read(tmp_path, written)) == {
        "a": "off",
        "b": "1.0",
        "c": "0x0500",
        "d": "~",
        "e": None,
        "f": None,
        "g": ["x", {"y": "012"}],
        "h": "two\nlines\n",
    }


def test_every_value_and_every_key_knows_its_place(tmp_path: Path) -> None:
    root = read(tmp_path, "# a remark\na: 1\nlist:\n  - x\n  - {y: z}\n")
    assert isinstance(root.value, dict) and isinstance(root.value["list"].value, list)
    inner = root.value["list"].value[1]
    assert isinstance(inner.value, dict)
    places = [root.keys["a"], root.value["a"].place, root.keys["list"], inner.keys["y"], inner.value["y"].place]
    assert [place[1:] for place in places] == [(2, 1), (2, 4), (3, 1), (5, 6), (5, 9)]
    assert str(places[0]) == f"{tmp_path}/a.yaml:2:1"


@pytest.mark.parametrize("parser", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: &x [*x]", "a.yaml:1:4: anchors are not accepted; write the value out"),
        ("a: 1\nb: *a", "a.yaml:2:4: aliases are not accepted"),
        ("a: !!python/object/apply:os.system [id]", "a.yaml:1:4: tags are not accepted\nThe tag was"),
        ("a: !x 1", "a.yaml:1:4: tags are not accepted\nThe tag was '!x'."),
        ("a: 1\n  b: 2", "a.yaml:2:4: mapping values are not allowed"),
        ("a: [1", "a.yaml:"),
        ('a: "\\q"', "a.yaml:1:"),
        ("a: 1\nb: 2\na: 3", "a.yaml:3:1: 'a' is there twice"),
        ("a: {b: 1, b: 2}", "a.yaml:1:11: 'b' is there twice"),
        ("? [x, y]\n: z", "a.yaml:1:3: a key has to be a word\nIt is a list."),
        ("~: z", "a.yaml:1:1: a key has to be a word\nIt is nothing."),
        ("<<: {a: 1}\nb: *c", "a.yaml:2:4: aliases are not accepted"),
        ("a: 1\n---\nb: 2", "a.yaml:2:1: a second document; one is all that is read"),
        ("x: " + "[" * 500, "a.yaml:1:15: nested more than 12 levels deep"),
        ("x: " + "[" * 5000, "a.yaml:1:"),
        ("x: " + "{a: " * 5000, "a.yaml:1:"),
        ("- a\n" * 20_000, "a.yaml:20000:3: more than 20000 values"),
        (b"a: 1\nb: x\x00y", "a.yaml:2:5: not YAML:"),
        (b"a: 1\nb: \xff", "a.yaml:2:4: not UTF-8 text"),
        ("a: 1\n".encode("utf-16"), "a.yaml:1:1: not UTF-8 text"),
        ("#" * (MAX_BYTES + 1), "a.yaml: larger than 256 KiB"),
    ],
)
def test_what_is_refused(
    content: str | bytes, message: str, parser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    monkeypatch.setattr(document, "_Loader", getattr(yaml, parser))
    assert complaint(tmp_path, content).startswith(message)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")  # opening one for reading would wait for a writer
    (tmp_path / "null.yaml").symlink_to("/dev/zero")
    for name in ("folder", "pipe", "null"):
        with pytest.raises(ConfigError, match=rf"{name}\.yaml: not a regular file$"):
            read_document(tmp_path / f"{name}.yaml")
    with pytest.raises(ConfigError, match=r"^Could not open '.*': No such file or directory$"):
        read_document(tmp_path / "missing.yaml")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(ConfigError, match=r"^Could not open '.*': Too many levels of symbolic links$"):
        read_document(tmp_path / "loop.yaml")


def test_a_file_of_the_greatest_size_takes_no_time_to_speak_of(tmp_path: Path) -> None:
    """Shapes that make parsers slow: many keys, long scalars, deep flow, many quotes."""
    shapes = [
        "a: [" + "x, " * 80_000,
        "{" + "a, " * 80_000,
        "'" * 250_000,
        "a" * 250_000,
        "? " * 100_000,
        "- " * 100_000,
    ]
    for shape in shapes:
        started = time.process_time()
        try:
            read(tmp_path, shape)
        except ConfigError as error:
            assert "a.yaml:" in str(error)
        assert time.process_time() - started < 5, shape[:20]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{},&*!|>'\"%@~#? \n\t\\0", max_size=80).map(str.encode))
def test_any_bytes_are_a_document_or_a_complaint_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    try:
        read(tmp_path, content)
    except ConfigError as error:
        assert "a.yaml:" in str(error)

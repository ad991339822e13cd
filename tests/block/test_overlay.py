"""Snapshot mode: the image stays as it is, reads see what was written."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqemu.block import overlay
from pyqemu.block.drive import open_drive
from pyqemu.core.errors import ConfigError

SIZE = 5 * overlay.CLUSTER_BYTES + 512


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("overlay") / "base.img"
    path.write_bytes(bytes(i * 7 & 0xFF for i in range(SIZE - 100)))
    return path


OFFSETS = st.one_of(
    st.integers(0, SIZE),
    st.builds(lambda n, d: max(0, min(SIZE, n * overlay.CLUSTER_BYTES + d)), st.integers(0, 5), st.integers(-2, 2)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=st.lists(st.tuples(OFFSETS, OFFSETS), max_size=6), pages=st.sampled_from([2, 4096]))
def test_behaves_like_memory_and_leaves_the_image_alone(image, monkeypatch, spans, pages):
    monkeypatch.setattr(overlay, "PAGE_CLUSTERS", pages)
    before = image.read_bytes()
    model = bytearray(before + bytes(100))
    drive = open_drive(str(image), id="d", format="raw", snapshot=True)
    assert not drive.read_only
    for number, (a, b) in enumerate(spans):
        start, end = min(a, b), max(a, b)
        drive.write(start, bytes([number + 1]) * (end - start))
        model[start:end] = bytes([number + 1]) * (end - start)
        content = bytearray(SIZE)
        drive.read_into(0, content)
        assert content == model
        piece = bytearray(end - start + min(3, start))
        drive.read_into(start - min(3, start), piece)
        assert piece == model[start - min(3, start) : end]
    drive.flush()
    drive.close()
    assert image.read_bytes() == before


def test_a_failed_write_leaves_new_clusters_as_they_were(image, monkeypatch):
    drive = open_drive(str(image), id="d", format="raw", snapshot=True)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        with pytest.raises(OSError, match="No space"):
            drive.write(0, b"\xff" * 100000)
    content = bytearray(100000)
    drive.read_into(0, content)
    assert content == image.read_bytes()[:100000]
    drive.close()


def test_the_temporary_file_has_no_name_and_is_sparse(image, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    big = tmp_path / "big.img"
    with open(big, "wb") as file:
        file.truncate(1 << 40)
    drive = open_drive(str(big), id="d", format="raw", snapshot=True)
    drive.write((1 << 40) - 512, b"e" * 512)
    assert os.listdir(tmp_path) == ["big.img"]
    assert big.stat().st_blocks == 0
    drive.close()


def test_nowhere_to_put_the_temporary_file(image, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/proc/nosuch")
    with pytest.raises(ConfigError, match="temporary file"):
        open_drive(str(image), id="d", format="raw", snapshot=True)
    monkeypatch.delenv("TMPDIR")
    open_drive(str(image), id="d", format="raw").close()  # and the image is not left locked

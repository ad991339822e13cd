"""Debian packages for the guests: found, downloaded and opened without root and without touching the system.

Source   apt-get and apt-cache of the host, run on a state directory of our own, so that i386 packages come
         on an amd64 host and the system's package state stays as it is; sources.list is the host's
Errors   PackageError, with what apt said
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

INDEX_AGE_S = 24 * 3600  # package lists older than this are fetched again
FETCH_LIMIT_S = 600


class PackageError(Exception):
    """A package could not be had; the text says which and why."""


class Archive:
    """The Debian archive for one architecture; packages are kept in *store*."""

    def __init__(self, architecture: str, store: Path) -> None:
        if not shutil.which("apt-get"):
            raise PackageError("the guests are made from Debian's packages: apt-get is needed and was not found")
        self.architecture = architecture
        self.store = store
        self._state = store / "apt" / architecture
        for folder in ("lists/partial", "cache/archives/partial"):
            (self._state / folder).mkdir(parents=True, exist_ok=True)
        (self._state / "status").touch()

    def resolve(self, name: str) -> str:
        """The package behind a metapackage such as linux-image-686: its only versioned kernel dependency."""
        found = re.findall(r"Depends: (linux-image-\d\S+)", self._run("apt-cache", "depends", name))
        if not found:
            raise PackageError(f"{name}:{self.architecture}: no kernel behind this name")
        return str(found[0])

    def fetch(self, *names: str) -> dict[str, Path]:
        """Download the packages that are not there yet; the file of each, named by version."""
        return {name: self._fetch(name) for name in names}

    def refresh(self) -> None:
        """Fetch the package lists when they are old. One broken index among many does not matter."""
        stamp = self._state / "refreshed"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < INDEX_AGE_S:
            return
        self._run("apt-get", "update", check=False)
        stamp.touch()

    def _fetch(self, name: str) -> Path:
        version = re.search(r"Candidate: (\S+)", self._run("apt-cache", "policy", name))
        if not version or version[1] == "(none)":
            raise PackageError(f"{name}:{self.architecture}: not in the archive")
        stem = f"{name}_{version[1].replace(':', '%3a')}_"
        files = [self.store / f"{stem}{architecture}.deb" for architecture in (self.architecture, "all")]
        if not any(file.exists() for file in files):
            self._run("apt-get", "download", name)
        for file in files:
            if file.exists():
                return file
        raise PackageError(f"{name}:{self.architecture}: apt-get downloaded something else than {stem}*.deb")

    def _run(self, tool: str, *arguments: str, check: bool = True) -> str:
        options = {
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "",
            "Dir::State": self._state,
            "Dir::State::status": self._state / "status",
            "Dir::Cache": self._state / "cache",
            "Dir::Cache::pkgcache": "pkgcache.bin",  # container images turn these off; they save seconds
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
        }
        command = [tool, "-q"] + [f"-o{key}={value}" for key, value in options.items()] + list(arguments)
        done = subprocess.run(
            command,
            cwd=self.store,
            env=os.environ | {"LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=FETCH_LIMIT_S,
        )
        if check and done.returncode:
            raise PackageError(f"{' '.join((tool, *arguments))}:\n{done.stdout}{done.stderr}")
        return done.stdout


def members(package: Path) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
    """Walk the files of a .deb once, in order: (path without the leading ./, header, open archive)."""
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpacker,
        tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive,
    ):
        for header in archive:
            yield header.name.removeprefix("./"), header, archive


def read(package: Path, pattern: str) -> dict[str, bytes]:
    """Contents of the package's plain files whose whole path matches the regular expression."""
    wanted = re.compile(pattern)
    found = {}
    for path, header, archive in members(package):
        if header.isfile() and wanted.fullmatch(path):
            stream = archive.extractfile(header)
            assert stream is not None
            found[path] = stream.read()
    if not found:
        raise PackageError(f"{package.name}: holds no {pattern}")
    return found

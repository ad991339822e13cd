"""Finding Unicorn's library and joining it with our native half.

``_sysmode`` replaces functions inside libunicorn by defining the same names, which works if it is loaded
globally before libunicorn is. Where ``unicorn`` was imported already (a notebook, an analysis tool), its
library is bound to itself; a private copy of the file is loaded then, which the dynamic linker takes for
another library.
"""

from __future__ import annotations

import os
import sys
from importlib import util
from pathlib import Path
from typing import Any

from pyqemu.core.errors import ConfigError

UNICORN_VERSION = "2.1.4"

_sysmode: Any = None


def native() -> Any:
    """The native module, joined with Unicorn. Raises ConfigError with one clear line if that cannot be."""
    global _sysmode
    if _sysmode is not None:
        return _sysmode
    if not sys.platform.startswith("linux") or os.uname().machine != "x86_64":
        raise ConfigError(
            f"pyqemu needs Linux on x86-64, this is {os.uname().sysname} on {os.uname().machine}",
        )
    path = _library_path()
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
    try:
        from pyqemu.cpu import _sysmode as module  # type: ignore[attr-defined]
    except ImportError as error:
        raise ConfigError(f"the native CPU module is not built: {error}", "Run: pip install -e .") from None
    finally:
        sys.setdlopenflags(flags)
    try:
        if "unicorn" in sys.modules:
            _bind_copy(module, path)
        else:
            module.bind(str(path))
    except RuntimeError as error:
        raise ConfigError(f"cannot use Unicorn's library: {error}") from None
    from pyqemu.cpu import selfcheck

    selfcheck.check(module)
    _sysmode = module
    return module


def _library_path() -> Path:
    spec = util.find_spec("unicorn")
    places = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    if not any((place.parent / f"unicorn-{UNICORN_VERSION}.dist-info").is_dir() for place in places):
        _check_version()
    for place in places:
        path = place / "lib" / "libunicorn.so.2"
        if path.exists():
            return path
    raise ConfigError("the package 'unicorn' has no libunicorn.so.2", _how())


def _check_version() -> None:
    """Ask the installer's records, wherever they are: that takes as long as all the rest of this file."""
    from importlib import metadata

    try:
        version = metadata.version("unicorn")
    except metadata.PackageNotFoundError:
        raise ConfigError("the package 'unicorn' is not installed", _how()) from None
    if version != UNICORN_VERSION:
        raise ConfigError(f"Unicorn {version} is installed, pyqemu needs exactly {UNICORN_VERSION}", _how())


def _bind_copy(module: Any, path: Path) -> None:
    fd = os.memfd_create("libunicorn", os.MFD_CLOEXEC)
    try:
        os.sendfile(fd, source := os.open(path, os.O_RDONLY), 0, os.stat(path).st_size)
        os.close(source)
        module.bind(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def _how() -> str:
    return f"Run: pip install unicorn=={UNICORN_VERSION}"

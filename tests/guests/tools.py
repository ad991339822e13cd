"""Programs that make images: mtools, xorriso, mke2fs, GRUB's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

LIMIT_S = 300
FIXED = {  # nearly the same image each time: files' times differ
    "SOURCE_DATE_EPOCH": "0",
    "E2FSPROGS_FAKE_TIME": "1",
    "MTOOLS_SKIP_CHECK": "1",
}


class ToolError(Exception):
    """A program needed to make an image is missing or failed."""


def run(tool: str | Path, *arguments: str | Path) -> None:
    path = shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")
    if path is None:
        raise ToolError(
            f"{tool} is needed and was not found (apt-get install grub-common xorriso mtools e2fsprogs)"
        )
    done = subprocess.run(
        [path, *arguments], env=os.environ | FIXED, capture_output=True, text=True, timeout=LIMIT_S
    )
    if done.returncode:
        raise ToolError(f"{tool}: {done.stderr}")

"""``python -m pyqemu`` is ``pyqemu``."""

import sys

from pyqemu.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())

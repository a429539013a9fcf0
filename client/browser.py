"""Opening an address in the user's browser."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Mapping
from typing import Final

LONGEST_S: Final = 3.0  # a browser that takes longer to start is left to it


def has_browser(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Without a display a text browser might start and take over the terminal, unless the user chose it ($BROWSER)."""
    return platform != "linux" or any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def open_page(url: str) -> bool:
    """Open a browser at this address. False: there is none, or it could not be started."""
    if not has_browser():
        return False
    opened = True

    def start() -> None:
        nonlocal opened
        opened = webbrowser.open(url)

    thread = threading.Thread(target=start, name="browser", daemon=True)
    thread.start()
    thread.join(LONGEST_S)
    return opened

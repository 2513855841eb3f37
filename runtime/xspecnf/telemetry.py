"""onnxruntime's telemetry, which is off unless the user has set onnxruntime's own variable.

Since 1.29 its wheels for Linux and macOS write an identifier into HOME and send events to Microsoft. They read the
variable once, when they are imported. Where a program had imported onnxruntime before, the call keeps back what is
still to come, but not the first event; on Windows the call is all that there is.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "ORT_DISABLE_TELEMETRY"
YES = ("1", "true", "yes", "on", "y")
"""Of whatever case: what onnxruntime takes for a yes; by anything else its telemetry stays on."""


def switch_off() -> None:
    """Turn it off in this process and in those that it starts, unless the user has set the variable."""
    if not os.environ.get(VARIABLE):
        os.environ[VARIABLE] = "1"
    disable = getattr(sys.modules.get("onnxruntime"), "disable_telemetry_events", None)
    if disable is not None and is_off():
        disable()


def is_off() -> bool:
    """Whether the variable says so."""
    return os.environ.get(VARIABLE, "").strip().lower() in YES

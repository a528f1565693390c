from __future__ import annotations

from toys import panic_call


class PanicCompute(panic_call.PanicCall):
    """The same without a service."""

    remote = False

"""`torch.inference_mode` as a decorator, for modules that do not import torch at their top."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Args = ParamSpec("Args")
Result = TypeVar("Result")


def inference_mode(call: Callable[Args, Result]) -> Callable[Args, Result]:
    """Run `call` under `torch.inference_mode()`; torch is imported at the first call, not by the decorator."""

    @wraps(call)
    def wrapped(*args: Args.args, **kwargs: Args.kwargs) -> Result:
        import torch

        with torch.inference_mode():
            return call(*args, **kwargs)

    return wrapped

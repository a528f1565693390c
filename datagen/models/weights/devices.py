"""Check the device that a model is to be loaded onto."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datagen.core.errors import SetupError

if TYPE_CHECKING:
    import torch

_GIB = 1024**3


def check_device(device: str, *, wanted_gb: float) -> None:
    """Raise `SetupError` if `device` is a GPU that is missing or has less than `wanted_gb` GiB of memory in all.

    There is no silent fall-back to the CPU.
    """
    import torch

    if device == "cpu":
        return
    if not torch.cuda.is_available():
        raise SetupError(
            f"it is given a GPU (`resources.gpus`), but torch {torch.__version__} sees none here: check `nvidia-smi` "
            "and that torch was built for CUDA, or set `resources: {gpus: 0}` to run it on the CPU"
        )
    has_gb = torch.cuda.get_device_properties(device).total_memory / _GIB
    if wanted_gb > has_gb:
        raise SetupError(
            f"the model takes {wanted_gb:g} GiB of GPU memory (`gpu_memory_gb`), this GPU has {has_gb:.1f}: take a "
            "larger one, a smaller model, half precision or a smaller `batch_size`, and lower `gpu_memory_gb` with it"
        )


def dtype_of(precision: str) -> torch.dtype:
    """The torch dtype by its name, such as `float16`. Raises `SetupError`."""
    import torch

    found = getattr(torch, precision)
    if not isinstance(found, torch.dtype):
        raise SetupError(f"torch has no number format '{precision}'")
    return found

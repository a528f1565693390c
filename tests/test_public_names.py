"""The public names of `import datagen`: listed by `dir`, importable, and unknown ones refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

import datagen


def test_dir_lists_every_public_name() -> None:
    assert {*datagen.__all__} <= {*dir(datagen)}
    assert dir(datagen) == sorted({*dir(datagen)})


def test_every_public_name_can_be_used() -> None:
    for name in datagen.__all__:
        assert getattr(datagen, name) is not None, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'datagen' has no attribute 'Mapp'"):
        _ = datagen.Mapp


def test_dir_imports_nothing() -> None:
    program = (
        "import sys, datagen; names = dir(datagen); print(*names, sep='\\n'); sys.exit('datagen.core' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {*datagen.__all__} <= {*done.stdout.split()}

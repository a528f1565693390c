"""Limits on the structure of the code: sizes of folders, import circles, names, and what `check` imports.

Each limit is a function that returns one line a fault. It is applied to this repository, and to small trees that keep it
and break it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from code_structure import (
    Module,
    circles,
    files_by_folder,
    import_graph,
    lines_of,
    modules_of,
    private_functions,
    repeated_classes,
    shortest_circle,
    told_words,
    vague_names,
)
from conftest import ROOT

from datagen import cli

MOST_FILES = 22
"""Python files in one folder of datagen/."""
MOST_AT_TOP = 6
"""Python files in datagen/ itself."""
HEAVY = ("ray", "torch")
"""Packages that take seconds to import."""

Modules = Mapping[str, Module]


@cache
def ours() -> Modules:
    return modules_of(ROOT)


def crowded_folders(modules: Modules) -> list[str]:
    return [
        f"{folder}/ holds {number} Python files, at most {MOST_FILES} are allowed: move files that belong together "
        "into a folder of their own"
        for folder, number in files_by_folder(modules.values()).items()
        if folder.startswith("datagen/") and number > MOST_FILES
    ]


def files_at_the_top(modules: Modules) -> list[str]:
    files = [module.file for module in modules.values() if module.file.rpartition("/")[0] == "datagen"]
    if len(files) <= MOST_AT_TOP:
        return []
    return [
        f"datagen/ itself holds {len(files)} Python files, at most {MOST_AT_TOP} are allowed: move some into a folder; "
        f"it holds {', '.join(file.rpartition('/')[2] for file in files)}"
    ]


def import_circles(modules: Modules) -> list[str]:
    graph = import_graph(modules, lazy=False)
    faults = []
    for circle in circles(graph):
        way = shortest_circle(graph, circle)
        steps = (f"{modules[a].file}:{graph[a][b]} imports {b}" for a, b in pairwise(way))
        faults.append(
            f"{len(circle)} modules import each other in a circle: {'; '.join(steps)}. Move what both need into a module "
            "that imports neither"
        )
    return faults


def repeated_class_names(modules: Modules) -> list[str]:
    return [
        f"{len(places)} classes are called {name}, rename all but one by what each is: {', '.join(map(str, places))}"
        for name, places in repeated_classes(modules.values()).items()
    ]


def names_that_say_nothing(modules: Modules, *, variables: bool = False) -> list[str]:
    faults = vague_names(modules.values(), variables=variables)
    return [f"{found}: rename it by what it is, returns or does" for found in faults]


def heavy_imports(*configs: str, folder: Path, profile: str) -> list[str]:
    """The packages of `HEAVY` that `check` imports in one process, each with the first config that brings it in."""
    program = f"""
import json, sys
from datagen import cli
found = {{}}
for config in sys.argv[1:]:
    sys.argv = ["datagen", "check", config, "--profile", {profile!r}]
    try:
        cli.main()
    except SystemExit as ended:
        found[config] = ended.code, [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps(found))
"""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    words = [sys.executable, "-c", program, *configs]
    done = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    faults: dict[str, str] = {}
    for config, (code, imported) in json.loads(done.stdout.splitlines()[-1]).items():
        assert code == cli.OK, f"{config}: {done.stderr}"
        for name in imported:
            faults.setdefault(
                name,
                f"check of {config} with profile '{profile}' imports {name}: import it inside the method that needs it, "
                f"not at the top of a module; python -X importtime -m datagen check {config} -p {profile} shows by which",
            )
    return list(faults.values())


# This repository


def test_no_folder_holds_too_many_files() -> None:
    faults = crowded_folders(ours())
    assert not faults, "\n".join(faults)


def test_few_files_lie_at_the_top() -> None:
    faults = files_at_the_top(ours())
    assert not faults, "\n".join(faults)


def test_no_modules_import_each_other_in_a_circle() -> None:
    faults = import_circles(ours())
    assert not faults, "\n".join(faults)


def test_a_class_name_exists_once() -> None:
    faults = repeated_class_names(ours())
    assert not faults, "\n".join(faults)


def test_no_function_or_class_has_a_name_that_says_nothing() -> None:
    faults = names_that_say_nothing(ours())
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_no_name_in_tests_and_benchmarks_says_nothing(folder: str) -> None:
    modules = modules_of(ROOT, packages=[folder])
    assert modules
    faults = names_that_say_nothing(modules, variables=True)
    assert not faults, "\n".join(faults)


@pytest.mark.subprocess
def test_check_imports_neither_torch_nor_ray() -> None:
    with_models = [
        f"configs/{path.name}"
        for path in sorted((ROOT / "configs").glob("*.yaml"))
        if yaml.safe_load(path.read_text())["profiles"].get("gpu")
    ]
    assert "configs/subject_add.yaml" in with_models
    faults = heavy_imports(*with_models, folder=ROOT, profile="gpu")
    assert not faults, "\n".join(faults)


# Trees that keep the limits, and trees that break them


def tree(folder: Path, files: Mapping[str, str]) -> Modules:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return modules_of(folder)


def test_a_crowded_folder_is_found(tmp_path: Path) -> None:
    files = {"datagen/__init__.py": "", "datagen/models/__init__.py": ""}
    files |= {f"datagen/models/m{number}.py": "" for number in range(MOST_FILES - 1)}
    files |= {f"stages/s{number}.py": "" for number in range(MOST_FILES + 1)}  # `ls stages/` is the catalogue
    files |= {f"datagen/models/role/m{number}.py": "" for number in range(3)}
    assert crowded_folders(tree(tmp_path, files)) == []
    (fault,) = crowded_folders(tree(tmp_path, {"datagen/models/more.py": ""}))
    assert fault.startswith("datagen/models/ holds 23 Python files, at most 22 are allowed")


def test_a_crowded_top_is_found(tmp_path: Path) -> None:
    files = {f"datagen/{name}.py": "" for name in ("__init__", "__main__", "a", "b", "c", "d", "inner/e", "inner/f")}
    assert files_at_the_top(tree(tmp_path, files)) == []
    (fault,) = files_at_the_top(tree(tmp_path, {"datagen/g.py": ""}))
    assert "holds 7 Python files, at most 6" in fault
    assert fault.endswith("it holds __init__.py, __main__.py, a.py, b.py, c.py, d.py, g.py")


def test_an_import_circle_is_found_with_its_lines(tmp_path: Path) -> None:
    files = {
        "datagen/__init__.py": "",
        "datagen/a.py": "import os\n\nfrom datagen.b import x\n",
        "datagen/b.py": "import datagen.c\n",
        "datagen/c.py": "def later():\n    import datagen.a\n",
        "datagen/d.py": "from datagen import a, missing\nimport somewhere.else_\n",
    }
    modules = tree(tmp_path, files)
    assert import_circles(modules) == []
    assert circles(import_graph(modules, lazy=True)) == [("datagen.a", "datagen.b", "datagen.c")]
    files["datagen/c.py"] = "try:\n    from . import a\nexcept ImportError:\n    pass\n"
    (fault,) = import_circles(tree(tmp_path, files))
    assert fault.startswith(
        "3 modules import each other in a circle: datagen/a.py:3 imports datagen.b; datagen/b.py:1 "
    )
    assert "datagen/c.py:2 imports datagen.a" in fault


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"a": "if TYPE_CHECKING:\n    import datagen.b", "b": "import datagen.a"}, [], id="for types alone"),
        pytest.param(
            {"a": "if typing.TYPE_CHECKING:\n    pass\nelse:\n    import datagen.b", "b": "import datagen.a"},
            ["a b"],
            id="not for types",
        ),
        pytest.param(
            {"a": "if not TYPE_CHECKING:\n    import datagen.b", "b": "import datagen.a"}, ["a b"], id="if not for types"
        ),
        pytest.param({"a": "class A:\n    from datagen.b import x", "b": "from .a import A"}, ["a b"], id="in a class"),
        pytest.param({"a": "import datagen.a"}, [], id="of itself"),
        pytest.param(
            {"role/__init__": "from datagen.role.one import One", "role/one": "from datagen.role import base", "role/base": ""},
            [],
            id="a union in __init__, and a module beside it",
        ),
        pytest.param(
            {"role/__init__": "from datagen.role.one import One", "role/one": "from datagen.role.base import B", "role/base": ""},
            [],
            id="a module inside imports its neighbour",
        ),
        pytest.param(
            {"role/__init__": "from .one import One", "role/one": "from datagen.role import Union"},
            ["role role.one"],
            id="a module takes a name from its own package",
        ),
        pytest.param(
            {"role/__init__": "from .one import One", "role/one": "from . import Union"},
            ["role role.one"],
            id="the same, relative",
        ),
        pytest.param(
            {"role/__init__": "from .one import One", "role/one": "import datagen.x", "role/base": "", "x": "import datagen.role.base"},
            ["role role.one x"],
            id="a submodule's import runs its package",
        ),
        pytest.param(
            {"role/__init__": "", "role/one": "import datagen.x", "role/base": "", "x": "import datagen.role.base"},
            [],
            id="an empty package",
        ),
        pytest.param(
            {"a": "import datagen.b", "b": "import datagen.a", "c": "from datagen.d import *", "d": "import datagen.c"},
            ["a b", "c d"],
            id="two circles",
        ),
        pytest.param(
            {"a/b/c": "from ... import d", "a/b/__init__": "", "a/__init__": "", "d": "from .a.b.c import x"},
            ["a.b.c d"],
            id="relative, two packages up",
        ),
    ],
)  # fmt: skip
def test_which_imports_make_a_circle(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    modules = tree(
        tmp_path, {"datagen/__init__.py": "", **{f"datagen/{name}.py": text for name, text in files.items()}}
    )
    found = circles(import_graph(modules, lazy=False))
    assert [" ".join(name.removeprefix("datagen.") for name in circle) for circle in found] == expected


def test_a_long_chain_of_imports_is_followed(tmp_path: Path) -> None:
    number = 3000
    graph = {f"m{n}": {f"m{n + 1}": 1} for n in range(number)} | {f"m{number}": {}}
    assert circles(graph) == []
    (circle,) = circles({**graph, f"m{number}": {"m0": 1}})
    assert len(circle) == number + 1


def test_a_class_name_that_exists_twice_is_found(tmp_path: Path) -> None:
    stage = "class {}:\n    class Config:\n        pass\n"
    files = {"stages/a.py": stage.format("A"), "stages/b.py": stage.format("B"), "datagen/x.py": "class Config: ..."}
    assert repeated_class_names(tree(tmp_path, files)) == []
    inner = "def f():\n    class A:\n        pass\n\nclass Config:\n    pass\n"
    assert repeated_class_names(tree(tmp_path, {"datagen/y.py": inner})) == [
        "2 classes are called A, rename all but one by what each is: datagen/y.py:2: A, stages/a.py:1: A",
        "2 classes are called Config, rename all but one by what each is: datagen/x.py:1: Config, datagen/y.py:5: Config",
    ]


def test_a_name_that_says_nothing_is_found(tmp_path: Path) -> None:
    sound = "told = 1\n\ndef teller(said):\n    return said\n\nclass ToldTale:\n    kept: int\n"
    assert names_that_say_nothing(tree(tmp_path, {"datagen/a.py": sound})) == []
    vague = "class _Told:\n    async def tell(self): ...\n\ndef f():\n    def __kept(): ...\n"
    faults = names_that_say_nothing(tree(tmp_path, {"datagen/b.py": vague}))
    assert [fault.partition(": rename")[0] for fault in sorted(faults)] == [
        "datagen/b.py:1: _Told",
        "datagen/b.py:2: tell",
        "datagen/b.py:5: __kept",
    ]
    variables = "told = 1\n\ndef f(asked, *, kept):\n    f.said, _ = asked\n    return told, lent.spent\n"
    faults = names_that_say_nothing(tree(tmp_path / "tests", {"datagen/c.py": variables}), variables=True)
    assert [fault.partition(": rename")[0] for fault in sorted(faults)] == [
        "datagen/c.py:1: told",
        "datagen/c.py:3: asked",
        "datagen/c.py:3: kept",
        "datagen/c.py:4: said",
    ]


@pytest.mark.subprocess
def test_a_heavy_package_that_check_imports_is_found(tmp_path: Path) -> None:
    def stage(name: str, *, lazy: str = "pass", eager: str = "") -> str:
        return f"""
from datagen import Map
{eager}


class {name.title()}(Map):
    reads = ("caption",)
    writes = ("instruction", "target")
    version = 1

    def setup(self, device):
        {lazy}
"""

    stages = {
        "light": stage("light", lazy="import torch, ray"),
        "heavy": stage("heavy", eager="import torch"),
        "heaviest": stage("heaviest", eager="import torch, ray"),
    }
    files = {f"heavy_plugin/{name}.py": text for name, text in stages.items()}
    files |= {"torch.py": "", "ray.py": "", "heavy_plugin/__init__.py": ""}
    files |= {"m.jsonl": '{"id": "a", "uri": "a.png", "caption": "a"}\n'}
    for name in stages:
        config = {
            "pipeline": name,
            "plugins": ["heavy_plugin"],
            "source": {"kind": "manifest", "path": "m.jsonl"},
            "profiles": {"gpu": {}},
            "stages": [{"use": name}],
        }
        files[f"{name}.yaml"] = yaml.safe_dump(config)
    tree(tmp_path, files)
    assert heavy_imports("light.yaml", folder=tmp_path, profile="gpu") == []
    faults = heavy_imports("light.yaml", "heavy.yaml", "heaviest.yaml", folder=tmp_path, profile="gpu")
    assert [fault.partition(": import it")[0] for fault in faults] == [
        "check of heavy.yaml with profile 'gpu' imports torch",
        "check of heaviest.yaml with profile 'gpu' imports ray",
    ]


# Figures that are printed alone


def test_what_the_benchmark_counts(tmp_path: Path) -> None:
    text = (
        '"""It tells\n\n# what is told."""\n\nX = """\n# a template\n"""\n\n# a comment\nY = 1  # another\n'
        "Z = 2  # noqa: F841\n\n\ndef _once():\n    pass\n\n\ndef _twice():\n    return _once(), _twice\n\n\nmap(_twice, [])\n"
    )
    modules = tree(tmp_path, {"datagen/a.py": text}).values()
    assert told_words(modules) == 2
    assert private_functions(modules) == (2, 1)
    assert tuple(lines_of(modules)) == (22, 10, 2)

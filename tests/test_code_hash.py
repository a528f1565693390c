"""Which changes of code the hash of a stage's code notices: all that decide its answers, and no others."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
import yaml
from building import PAINT, toy_graph
from conftest import ROOT

from datagen.execute.reuse import code_versions as code
from datagen.execute.reuse.code_versions import code_hash, code_hashes, code_parts, source_modules
from datagen.execute.reuse.fingerprints import models_of
from datagen.execute.reuse.source_code import SourceModules
from datagen.models import roles
from datagen.models.base import ModelConfig
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.graph_model import Graph, Node

# A package with models in two layouts: each config beside its class, in a folder of its role; and all configs of a
# role in one module, whose classes lie in modules of their own. `P` stands for the package.

HEAD = "from __future__ import annotations\n"
STAGE = '''
from datagen import Map, StageConfig
from P.masks import grown
from {role} import GrabConfig, Segmentation, SegmenterConfig, each{more}


class Cut(Map):
    """Cut something out."""

    writes = ("target_caption",)

    class Config(StageConfig):
        """Options."""

        segmenter: SegmenterConfig = GrabConfig()

    def setup(self, device):
        self._segmenter = self.config.segmenter.load(device)

    def process(self, batch):
        if isinstance(self.config.segmenter, GrabConfig):
            return [{{}} for record in batch]
        return [{{"target_caption": grown(each(self._segmenter, batch))}}]
'''
HASHING = '''
from datagen import Map, StageConfig
from {role} import HasherConfig


class HashIt(Map):
    """Hash something."""

    writes = ("target_caption",)

    class Config(StageConfig):
        """Options."""

        hasher: HasherConfig

    def process(self, batch):
        return [{{"target_caption": self.config.hasher.load("cpu")(record)}} for record in batch]
'''
CONFIG_HEAD = """
from typing import Annotated, ClassVar, Literal, NamedTuple, Protocol
from pydantic import Field
from datagen.models.base import ModelConfig
"""
ROLE = '''
NOTHING = "nothing"


class Segmentation(NamedTuple):
    """Pixels."""

    mask: str = NOTHING


class Segmenter(Protocol):
    """Finds pixels."""


def each(segmenter, things):
    """One after the other."""
    return [segmenter(thing) for thing in things]


class PromptedConfig(ModelConfig):
    """Prompted by boxes."""

    def ready(self):
        """Where its weights are."""
        return "ready"
'''
SAM_CONFIG = '''
class SamConfig(PromptedConfig):
    """Segment Anything."""

    kind: Literal["sam"] = "sam"

    def load(self, device):
        """It."""
        {sam}
        return Sam(self)
'''
SAM = '''
class Sam:
    """Segments anything."""

    def __init__(self, config):
        from {twin} import network

        self._network = network(config.ready())

    def __call__(self, thing):
        # a comment
        return Segmentation("sam")
'''
GRAB_CONFIG = '''
class GrabConfig(ModelConfig):
    """GrabCut."""

    kind: Literal["grab"] = "grab"

    def load(self, device):
        """It."""
        {grab}
        return Grab()
'''
GRAB = '''
class Grab:
    """Grabs."""

    def __call__(self, thing):
        return Segmentation(edges("grab"))
'''
EMBEDDER_CONFIG = '''
class {name}Config(ModelConfig):
    """An embedder."""

    kind: Literal["{kind}"] = "{kind}"

    def load(self, device):
        """It."""
        {lazy}
        return {name}()
'''
EMBEDDER = '''
class {name}:
    """Embeds."""

    def __call__(self, thing):
        return unit("{kind}")
'''
HASHER_CONFIGS = '''
class PlaneConfig(ModelConfig):
    """Random planes."""

    kind: Literal["plane"] = "plane"
    embedder: EmbedderConfig = DinoConfig()

    def load(self, device):
        """It."""
        from {plane} import Plane

        return Plane(self.embedder.load(device))


class ImageConfig(ModelConfig):
    """Frequencies."""

    kind: Literal["image"] = "image"

    def load(self, device):
        """It."""
        from {image} import ImageHasher

        return ImageHasher()


HasherConfig = Annotated[PlaneConfig | ImageConfig, Field(discriminator="kind")]
'''
UNION = """
SegmenterConfig = Annotated[GrabConfig | SamConfig, Field(discriminator="kind")]
"""
EMBEDDERS = """
EmbedderConfig = Annotated[DinoConfig | ClipConfig, Field(discriminator="kind")]
"""
SHARED = {
    "__init__.py": "",
    "masks.py": "def grown(mask):\n    return mask * 2\n",
    "models/__init__.py": "",
    "models/weights/__init__.py": "",
    "models/weights/reading.py": "def read(place):\n    return place\n",
    "models/pixels/__init__.py": "from .edges import edges\nfrom .unused import unused\n",
    "models/pixels/edges.py": "def edges(thing):\n    return thing\n",
    "models/pixels/unused.py": "def unused(thing):\n    return thing\n",
    "models/plane_hasher.py": "class Plane:\n    def __init__(self, embedder):\n        self._embedder = embedder\n",
    "models/image_hasher.py": "class ImageHasher:\n    side = 16\n",
}
NETWORK = "from P.models.weights.reading import read\n\n\ndef network(place):\n    return read(place)\n"
UNIT = "def unit(thing):\n    return thing\n"

BESIDE = {
    **SHARED,
    "cut.py": STAGE.format(role="P.models.segmenters", more=", best"),
    "hash_it.py": HASHING.format(role="P.models.hashers"),
    "models/segmenters/__init__.py": (
        "from typing import Annotated\nfrom pydantic import Field\n"
        "from P.models.segmenters.base import Segmentation, Segmenter, each\n"
        "from P.models.segmenters.grab import Grab, GrabConfig\n"
        "from P.models.segmenters.sam import Sam, SamConfig\n"
        f"\n__all__ = ['Grab', 'Sam']\n{UNION}"
        "\n\ndef best(found):\n    return max(found)\n"
    ),
    "models/segmenters/base.py": CONFIG_HEAD + ROLE,
    "models/segmenters/sam.py": (
        f"{CONFIG_HEAD}from .base import PromptedConfig, Segmentation\n"
        + SAM_CONFIG.format(sam="")
        + SAM.format(twin="P.models.segmenters._network")
    ),
    "models/segmenters/_network.py": "from P.models.segmenters import SamConfig, SegmenterConfig\n" + NETWORK,
    "models/segmenters/grab.py": (
        f"{CONFIG_HEAD}from P.models.pixels import edges\nfrom P.models.segmenters.base import Segmentation\n"
        + GRAB_CONFIG.format(grab="")
        + GRAB
    ),
    "models/embedders/__init__.py": (
        f"{CONFIG_HEAD}from P.models.embedders.clip import ClipConfig\n"
        f"from P.models.embedders.dino import DinoConfig\n{EMBEDDERS}"
    ),
    "models/embedders/base.py": UNIT,
    **{
        f"models/embedders/{name.lower()}.py": (
            f"{CONFIG_HEAD}from P.models.embedders.base import unit\n"
            + EMBEDDER_CONFIG.format(name=name, kind=name.lower(), lazy="")
            + EMBEDDER.format(name=name, kind=name.lower())
        )
        for name in ("Dino", "Clip")
    },
    "models/hashers/__init__.py": (
        f"{CONFIG_HEAD}from P.models.embedders import DinoConfig, EmbedderConfig\n"
        + HASHER_CONFIGS.format(plane="P.models.plane_hasher", image="P.models.image_hasher")
    ),
}
APART = {
    **SHARED,
    "cut.py": STAGE.format(role="P.models.segmenter", more=""),
    "hash_it.py": HASHING.format(role="P.models.hasher"),
    "models/segmenter.py": (
        CONFIG_HEAD
        + ROLE
        + SAM_CONFIG.format(sam="from P.models.sam_segmenter import Sam\n")
        + GRAB_CONFIG.format(grab="from P.models.grab_segmenter import Grab\n")
        + UNION
    ),
    "models/sam_segmenter.py": (
        "from P.models.segmenter import SamConfig, Segmentation\n" + SAM.format(twin="P.models._network")
    ),
    "models/_network.py": NETWORK,
    "models/grab_segmenter.py": "from P.models.pixels import edges\nfrom .segmenter import Segmentation\n" + GRAB,
    "models/embedder.py": (
        CONFIG_HEAD
        + "".join(
            EMBEDDER_CONFIG.format(
                name=name, kind=name.lower(), lazy=f"from P.models.{name.lower()}_embedder import {name}"
            )
            for name in ("Dino", "Clip")
        )
        + EMBEDDERS
    ),
    "models/unit.py": UNIT,
    **{
        f"models/{name.lower()}_embedder.py": (
            "from P.models.unit import unit\n" + EMBEDDER.format(name=name, kind=name.lower())
        )
        for name in ("Dino", "Clip")
    },
    "models/hasher.py": (
        f"{CONFIG_HEAD}from P.models.embedder import DinoConfig, EmbedderConfig\n"
        + HASHER_CONFIGS.format(plane="P.models.plane_hasher", image="P.models.image_hasher")
    ),
}
LAYOUTS = {"beside": BESIDE, "apart": APART}
PLACES = {
    "sam": ("models/segmenters/sam.py", "models/sam_segmenter.py"),
    "grab": ("models/segmenters/grab.py", "models/grab_segmenter.py"),
    "sam config": ("models/segmenters/sam.py", "models/segmenter.py"),
    "grab config": ("models/segmenters/grab.py", "models/segmenter.py"),
    "role": ("models/segmenters/base.py", "models/segmenter.py"),
    "union": ("models/segmenters/__init__.py", "models/segmenter.py"),
    "network": ("models/segmenters/_network.py", "models/_network.py"),
    "dino": ("models/embedders/dino.py", "models/dino_embedder.py"),
    "clip": ("models/embedders/clip.py", "models/clip_embedder.py"),
    "unit": ("models/embedders/base.py", "models/unit.py"),
    "embedders": ("models/embedders/__init__.py", "models/embedder.py"),
    "hashers": ("models/hashers/__init__.py", "models/hasher.py"),
}
"""Where something lies in either layout; files that lie at the same place in both are named by their path."""

Package = Callable[[str | dict[str, str]], Path]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Makes a package that can be imported, in one of the layouts or of other files."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(files: str | dict[str, str]) -> Path:
        root = tmp_path / f"shop_{uuid.uuid4().hex}"
        for name, text in (LAYOUTS[files] if isinstance(files, str) else files).items():
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(HEAD + re.sub(r"\bP\b", root.name, text) if text else "")
        importlib.invalidate_caches()
        return root

    return make


def node_of(root: Path, use: str, **options: Any) -> Node:
    stages = [{"use": use, "with": options}, PAINT]
    return toy_graph(root.parent, stages, plugins=["toys", root.name]).nodes[0]


def place_in(layout: str, what: str) -> str:
    return PLACES[what][layout == "apart"] if what in PLACES else what


def is_noticed(root: Path, node: Node, *, file: str, old: str, new: str) -> bool:
    """Whether a change of a file changes the hash."""
    path, before = root / file, code_hash(node)
    text = path.read_text()
    assert old in text
    assert text.replace(old, new) != text
    path.write_text(text.replace(old, new))
    found = code_hash(node) != before
    path.write_text(text)
    assert code_hash(node) == before
    return found


SAM_CHANGES = [
    ("its stage", "cut.py", '"target_caption": grown', '"target_caption": not grown'),
    ("helper that its stage imports", "masks.py", "* 2", "* 3"),
    ("its class", "sam", 'Segmentation("sam")', 'Segmentation("sam", 2)'),
    ("its config", "sam config", "return Sam(self)", "return Sam(self, 2)"),
    ("a statement that nothing names", "sam", "class Sam:", "print('sam')\n\n\nclass Sam:"),
    ("a name that nothing uses", "sam", "class Sam:", "_SEED = 7\n\n\nclass Sam:"),
    ("base of its config", "role", 'return "ready"', 'return "not ready"'),
    ("function of its role", "role", "for thing in things]", "for thing in things[:1]]"),
    ("tuple of its role", "role", "mask: str = NOTHING", "mask: str = NOTHING * 2"),
    ("constant of its role", "role", '"nothing"', '"something"'),
    ("module imported when called", "network", "return read(place)", "return read(place) * 2"),
    ("shared package", "models/weights/reading.py", "return place", "return place * 2"),
]
SAM_IGNORES = [
    ("another class", "grab", 'edges("grab")', 'edges("grab") * 2'),
    ("another config", "grab config", "return Grab()", "return Grab(2)"),
    ("what only another uses", "models/pixels/edges.py", "return thing", "return thing * 2"),
    ("a config fewer in the union", "union", "GrabConfig | SamConfig", "SamConfig"),
    ("a new union", "union", "\nSegmenterConfig =", "\nOther = GrabConfig | SamConfig\n\nSegmenterConfig ="),
    ("a comment", "sam", "# a comment", "# another"),
    ("a docstring", "sam", "Segments anything.", "Segments all."),
    ("a docstring of the role", "role", "One after the other.", "Each."),
    ("formatting", "sam", 'Segmentation("sam")', 'Segmentation(\n            "sam"\n        )'),
]
GRAB_CHANGES = [
    ("its class", "grab", 'edges("grab")', 'edges("grab") * 2'),
    ("its config", "grab config", "return Grab()", "return Grab(2)"),
    ("helper package, by its re-export", "models/pixels/edges.py", "return thing", "return thing * 2"),
    ("function of its role", "role", "for thing in things]", "for thing in things[:1]]"),
]
GRAB_IGNORES = [
    ("another class", "sam", 'Segmentation("sam")', 'Segmentation("sam", 2)'),
    ("another config", "sam config", "return Sam(self)", "return Sam(self, 2)"),
    ("base of another config", "role", 'return "ready"', 'return "not ready"'),
    ("module that another imports", "network", "return read(place)", "return read(place) * 2"),
    ("package that another uses", "models/weights/reading.py", "return place", "return place * 2"),
    ("what the helper package offers besides", "models/pixels/unused.py", "return thing", "return thing * 2"),
]
PLANE_CHANGES = [
    ("its class", "models/plane_hasher.py", "= embedder", "= [embedder]"),
    ("the embedder that it names", "dino", 'unit("dino")', 'unit("dino") * 2'),
    ("base of that embedder", "unit", "return thing", "return thing * 2"),
]
PLANE_IGNORES = [
    ("another embedder", "clip", 'unit("clip")', 'unit("clip") * 2'),
    ("union of embedders", "embedders", "DinoConfig | ClipConfig", "DinoConfig"),
    ("another hasher", "models/image_hasher.py", "side = 16", "side = 8"),
    ("union of hashers", "hashers", "PlaneConfig | ImageConfig", "PlaneConfig"),
]
IMAGE_IGNORES = [
    ("embedder that is another's default", "dino", 'unit("dino")', 'unit("dino") * 2'),
    ("another hasher", "models/plane_hasher.py", "= embedder", "= [embedder]"),
]
CASES = [
    ("cut", {"segmenter": {"kind": "sam"}}, SAM_CHANGES, True),
    ("cut", {"segmenter": {"kind": "sam"}}, SAM_IGNORES, False),
    ("cut", {"segmenter": {"kind": "grab"}}, GRAB_CHANGES, True),
    ("cut", {"segmenter": {"kind": "grab"}}, GRAB_IGNORES, False),
    ("hash_it", {"hasher": {"kind": "plane", "embedder": {"kind": "dino"}}}, PLANE_CHANGES, True),
    ("hash_it", {"hasher": {"kind": "plane", "embedder": {"kind": "dino"}}}, PLANE_IGNORES, False),
    ("hash_it", {"hasher": {"kind": "image"}}, IMAGE_IGNORES, False),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("use", "options", "cases", "noticed"), CASES)
def test_all_that_decides_answers_is_noticed_and_nothing_else(
    package: Package, layout: str, use: str, options: dict[str, Any], cases: list[tuple[str, ...]], noticed: bool
) -> None:
    root = package(layout)
    node = node_of(root, use, **options)
    found = {
        what: is_noticed(root, node, file=place_in(layout, file), old=old, new=new) for what, file, old, new in cases
    }
    assert found == {what: noticed for what, *_ in cases}


def test_a_function_of_the_package_of_a_role_is_noticed(package: Package) -> None:
    root = package("beside")
    node = node_of(root, "cut", segmenter={"kind": "sam"})
    file = "models/segmenters/__init__.py"
    assert is_noticed(root, node, file=file, old="max(found)", new="min(found)")
    assert not is_noticed(root, node, file=file, old="GrabConfig | SamConfig", new="SamConfig | GrabConfig")
    assert not is_noticed(root, node, file=file, old="'Grab', ", new="")


def test_what_a_package_imports_for_type_checkers_is_not_followed(package: Package) -> None:
    file = "models/segmenters/__init__.py"
    new = (
        "from typing import TYPE_CHECKING\nfrom P.models.segmenters.sam import SamConfig\n"
        "if TYPE_CHECKING:\n    from P.models.segmenters.sam import Sam\n"
    )
    text = BESIDE[file].replace("from P.models.segmenters.sam import Sam, SamConfig\n", new)
    assert new in text
    root = package({**BESIDE, file: text})
    change = {"file": "models/segmenters/sam.py", "old": 'Segmentation("sam")', "new": 'Segmentation("sam", 2)'}
    assert is_noticed(root, node_of(root, "cut", segmenter={"kind": "sam"}), **change)
    assert not is_noticed(root, node_of(root, "cut", segmenter={"kind": "grab"}), **change)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_new_implementation_changes_nothing_for_the_others(package: Package, layout: str) -> None:
    root = package(layout)
    before = {kind: code_hash(node_of(root, "cut", segmenter={"kind": kind})) for kind in ("sam", "grab")}
    new = GRAB_CONFIG.replace("Grab", "New").replace('"grab"', '"new"')
    file = root / place_in(layout, "union")
    if layout == "beside":
        (root / "models/segmenters/new.py").write_text(HEAD + CONFIG_HEAD + new.format(grab="print(_SHARE)"))
        added = f"from {root.name}.models.segmenters.new import NewConfig\n"
    else:
        added = f"_SHARE = 0.5\n{new.format(grab='print(_SHARE)')}"
    text = file.read_text().replace("GrabConfig | SamConfig", "GrabConfig | SamConfig | NewConfig")
    file.write_text(text.replace("\nSegmenterConfig =", f"\n{added}\n\nSegmenterConfig ="))
    assert {kind: code_hash(node_of(root, "cut", segmenter={"kind": kind})) for kind in ("sam", "grab")} == before


# How a module reaches another

HELPED = """
from datagen import Map
{imports}

class Say(Map):
    writes = ("target_caption",)

    def process(self, batch):
        {inside}
        return [{{"target_caption": {call}}} for _ in batch]
"""
WAYS = {
    "a name": ("from P.words.nouns import noun", "", "noun()"),
    "a relative name": ("from .words.nouns import noun", "", "noun()"),
    "another name": ("from P.words.nouns import noun as word", "", "word()"),
    "a module": ("import P.words.nouns", "", "P.words.nouns.noun()"),
    "a module under a name": ("import P.words.nouns as nouns", "", "nouns.noun()"),
    "a module of a package": ("from P.words import nouns", "", "nouns.noun()"),
    "a module beside": ("from .words import nouns", "", "nouns.noun()"),
    "all names": ("from P.words.nouns import *", "", "noun()"),
    "a re-export": ("from P.words import noun", "", "noun()"),
    "a re-export of all names": ("from P.words.everything import noun", "", "noun()"),
    "a package and its re-export": ("from P import words", "", "words.noun()"),
    "a call": ("", "from P.words.nouns import noun", "noun()"),
    "a call, a module": ("", "from P.words import nouns", "nouns.noun()"),
    "a condition": ("if True:\n    from P.words.nouns import noun", "", "noun()"),
    "a try": ("try:\n    from P.words.nouns import noun\nexcept ImportError:\n    noun = str", "", "noun()"),
    "an alias": ("import P.words.nouns\nword = P.words.nouns.noun", "", "word()"),
    "a module that is handed on": ("from P.words import nouns", "", "vars(nouns)['noun']()"),
    "a name made when asked for": ("from P.words.lazy import noun", "", "noun()"),
    "a module that is only run": ("import P.words.nouns", "", "1"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_helper_is_noticed_however_it_is_imported(package: Package, way: str) -> None:
    imports, inside, call = WAYS[way]
    files = {
        "__init__.py": "",
        "say.py": HELPED.format(imports=imports, inside=inside, call=call),
        "words/__init__.py": "from P.words.nouns import noun\nfrom P.words.verbs import verb\n",
        "words/nouns.py": "def noun():\n    return _noun()\n\n\ndef _noun():\n    return 'cat'\n",
        "words/verbs.py": "def verb():\n    return 'sits'\n",
        "words/everything.py": "from P.words.nouns import *\n",
        "words/lazy.py": (
            "import P.words.nouns as nouns\n\n\ndef __getattr__(name):\n    return getattr(nouns, name)\n"
        ),
    }
    root = package(files)
    node = node_of(root, "say")
    assert is_noticed(root, node, file="words/nouns.py", old="'cat'", new="'dog'")
    assert not is_noticed(root, node, file="words/verbs.py", old="'sits'", new="'lies'")


MADE = {
    "in a method": ("self.config.segmenter.load(device)", "SamConfig().load(device)"),
    "in the class": ('    writes = ("target_caption",)', '    own = SamConfig()\n    writes = ("target_caption",)'),
    "in the module": ("\nclass Cut", "\n_OWN: SamConfig = SamConfig()\n\n\nclass Cut"),
    "by another name": ("\nclass Cut", "\n_Own = SamConfig\n_OWN = _Own()\n\n\nclass Cut"),
}
NOT_MADE = {
    "a default": ("= GrabConfig()", "= SamConfig()"),
    "a default that is made": ("= GrabConfig()", "= Field(default_factory=lambda: SamConfig())"),
    "a question": ("isinstance(self.config.segmenter, GrabConfig)", "isinstance(self.config.segmenter, SamConfig)"),
    "a statement of its own": ("\nclass Cut", "\nSamConfig.model_rebuild()\n\n\nclass Cut"),
    "an alias": ("\nclass Cut", "\n_Own = SamConfig\n_Kinds = (SamConfig, GrabConfig)\n\n\nclass Cut"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("how", [*MADE, *NOT_MADE])
def test_a_config_that_is_no_option_counts_where_running_code_makes_it(package: Package, layout: str, how: str) -> None:
    old, new = {**MADE, **NOT_MADE}[how]
    files = LAYOUTS[layout]
    stage = files["cut.py"].replace("GrabConfig, Segm", "GrabConfig, SamConfig, Segm")
    assert old in stage
    root = package({**files, "cut.py": "from pydantic import Field\n" + stage.replace(old, new)})
    node = node_of(root, "cut", segmenter={"kind": "grab"})
    change = {"file": place_in(layout, "sam"), "old": 'Segmentation("sam")', "new": 'Segmentation("sam", 2)'}
    assert is_noticed(root, node, **change) is (how in MADE)


def test_a_stage_and_a_model_that_derive_from_those_of_other_packages_count_with_them(package: Package) -> None:
    base = package("beside")
    sam = "from BASE.models.segmenters.sam import SamConfig\n\n\nclass OwnConfig(SamConfig):\n    kind: Literal['own'] = 'own'\n"
    stage = (
        "from BASE.cut import Cut\nfrom P.own import OwnConfig\n\n\nclass CutOwn(Cut):\n"
        "    class Config(Cut.Config):\n        segmenter: OwnConfig = OwnConfig()\n"
    )
    files = {"__init__.py": "", "own.py": CONFIG_HEAD + sam, "cut_own.py": stage}
    root = package({name: text.replace("BASE", base.name) for name, text in files.items()})
    node = node_of(root, "cut_own")
    for file, old in (
        ("masks.py", "* 2"),
        ("models/segmenters/sam.py", "'sam'"),
        ("models/weights/reading.py", "place"),
    ):
        assert is_noticed(base, node, file=file, old=old.replace("'", '"'), new="'other' * 3"), file
    assert not is_noticed(base, node, file="models/segmenters/grab.py", old='"grab")', new='"grub")')


def test_there_is_no_hash_where_there_is_no_source(package: Package) -> None:
    root = package("beside")
    node = node_of(root, "cut")
    (root / "cut.py").unlink()
    assert code_hash(node) == ""


# The framework and its stages


def shipped() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        if path.stem != "mix":  # made of finished datasets
            for profile in yaml.safe_load(path.read_text()).get("profiles") or [""]:
                yield path.stem, profile


@cache
def graph_of(name: str, profile: str) -> Graph:
    return build(load(ROOT / "configs" / f"{name}.yaml", profile=profile))


@cache
def homes(kind: type[ModelConfig]) -> set[str]:
    """The modules that hold a model's class: those that `load` imports, or the config's own."""
    loaded = getattr(kind, "load", None)
    tree = ast.parse(textwrap.dedent(inspect.getsource(loaded))) if loaded else ast.Module([], [])
    found = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name for name in found if name.startswith("datagen.models.")} or {kind.__module__}


@cache
def imports_beyond_configs(module: str) -> set[str]:
    """The modules of models from which a module imports more than configs."""
    spec = importlib.util.find_spec(module)
    assert spec
    assert spec.origin
    return {
        node.module or ""
        for node in ast.walk(ast.parse(Path(spec.origin).read_text()))
        if isinstance(node, ast.ImportFrom) and not all(alias.name.endswith("Config") for alias in node.names)
    }


@cache
def current_modules() -> SourceModules:
    """The sources as they are, for tests that change none."""
    return source_modules()


KINDS = [kind for kinds in roles().values() for kind in kinds]


@pytest.mark.parametrize(("name", "profile"), list(shipped()))
def test_a_shipped_stage_covers_its_models_and_no_others(name: str, profile: str) -> None:
    for node in graph_of(name, profile).nodes:
        covered = set(code_parts(node, modules=current_modules()))
        used = [type(model) for model in models_of(node)]
        needed = {node.stage.__module__}.union(*map(homes, used), *({kind.__module__} for kind in used))
        assert needed <= covered, node.id
        others = set[str]().union(*(homes(kind) for kind in KINDS if kind not in used))
        shared = set[str]().union(*map(imports_beyond_configs, needed))
        assert not (others - needed - shared) & covered, node.id
        assert not [module for module in covered if module.startswith(("datagen.execute", "datagen.sources"))]


COVERED = [
    ("subject_add", "embedded", "measure_removal", "datagen.imaging.removal_scores"),
    ("subject_add", "embedded", "write_instruction", "datagen.core.english"),
    ("instruct_edit", "embedded", "add_placeholder", "datagen.core.spelling"),
    ("plan_generation", "embedded", "parse_graph", "datagen.scene_graphs.reading"),
    ("plan_generation", "embedded", "sample_plan", "datagen.scene_graphs.plans"),
    ("plan_generation", "embedded", "sample_plan", "datagen.core.draws"),
    ("plan_generation", "embedded", "render_plan", "datagen.worlds.graph_layout"),
    ("plan_generation", "embedded", "judge_steps", "datagen.scene_graphs.matching"),
    ("critique", "embedded", "spoil_step", "datagen.scene_graphs.faults"),
    ("subject_add", "embedded", "read_image", "datagen.imaging.image"),
    ("subject_add", "gpu", "detect_objects", "datagen.models.weights.pretrained"),
    ("subject_add", "gpu", "detect_objects", "datagen.models.weights.config"),
    ("subject_add", "gpu", "detect_objects", "datagen.models.segmenters.sam"),
    ("subject_add", "gpu", "detect_objects", "datagen.models.segmenters.base"),
    ("subject_add", "gpu", "detect_objects", "datagen.imaging.geometry"),
    ("subject_add", "gpu", "name_subject", "datagen.models.language.schema"),
    ("subject_add", "embedded", "write_instruction", "datagen.models.instructions.relation_facts"),
    ("subject_add", "embedded", "write_instruction", "datagen.imaging.box_relations"),
    ("subject_add_sa1b", "embedded", "read_annotations", "datagen.imaging.rle"),
    ("re_edit", "gpu", "edit_image", "datagen.models.diffusion.pipeline"),
    ("clean", "gpu", "hash_source", "datagen.imaging.perceptual_hash"),
    ("clean", "gpu", "filter_license", "datagen.core.licenses"),
]
NOT_COVERED = [
    ("subject_add", "gpu", "detect_objects", "datagen.models.segmenters.sam2"),
    ("subject_add", "gpu", "detect_objects", "datagen.core.licenses"),
    ("subject_add", "gpu", "detect_objects", "datagen.models.base"),
    ("subject_add", "embedded", "measure_removal", "datagen.models.inpainters.base"),
    ("subject_add", "embedded", "read_image", "datagen.fetch.read"),
    ("subject_add", "embedded", "read_image", "datagen.core.stage"),
    ("clean", "embedded", "hash_source", "datagen.models.embedders.dino"),
]


@pytest.mark.parametrize(
    ("name", "profile", "id", "module", "noticed"),
    [*((*case, True) for case in COVERED), *((*case, False) for case in NOT_COVERED)],
)
def test_a_change_of_the_framework_is_noticed_where_it_decides_answers(
    monkeypatch: pytest.MonkeyPatch, name: str, profile: str, id: str, module: str, noticed: bool
) -> None:
    node = next(node for node in graph_of(name, profile).nodes if node.id == id)
    before, read, changed = code_hash(node, modules=current_modules()), SourceFileLoader.get_source, set()
    assert importlib.util.find_spec(module)

    def get_source(self: SourceFileLoader, fullname: str) -> str | None:
        text = read(self, fullname)
        if fullname == module and text:
            changed.add(fullname)
            return f"{text}\n_CHANGED = True\n"
        return text

    monkeypatch.setattr(SourceFileLoader, "get_source", get_source)
    assert (code_hash(node) != before) is noticed
    assert changed or not noticed


def test_no_source_is_parsed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    from datagen.execute.reuse import source_code

    source_code.parse_module.cache_clear()
    graph, parse, parsed = graph_of("subject_add", "gpu"), ast.parse, list[str]()
    monkeypatch.setattr(source_code.ast, "parse", lambda text: parsed.append(text) or parse(text))
    found = code_hashes(graph)
    assert len(parsed) == len(set(parsed)) > 30
    assert {node.id: found[node.id] for node in graph.nodes[:3]} == {
        node.id: code_hash(node) for node in graph.nodes[:3]
    }


def test_all_roots_are_modules() -> None:
    assert all(importlib.util.find_spec(root) for root in (*code.ROOTS, *code.STAGE_ROOTS))

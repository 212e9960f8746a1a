"""Rooms of the package: imports go down the floors only, never in a circle, and some imports never happen.

The rules are tested on the import statements of every module, those inside functions and under ``TYPE_CHECKING`` too. A
room is a package or a module directly under ``agegender``; a package inside a room belongs to that room.
"""

import ast
import graphlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from agegender.configuration.paths import PACKAGE

FLOORS = {
    "escaping": 0, "whole_package": 0, "errors": 1, "input_paths": 1, "reachable": 1, "regular_files": 1, "version": 1,
    "one_line_errors": 2, "whole_files": 2, "metrics": 2, "heads": 2, "sources": 2, "processes": 2,
    "configuration": 3,
    "models": 4, "data": 4, "runs": 4,
    "evaluation": 5, "inference": 5, "sweeps": 5,
    "comparison": 6, "training": 6,
}  # fmt: skip
ENTRY_POINTS = {"agegender", "train", "evaluate", "compare", "predict", "export", "demo", "serve", "data.__main__", "__main__"}
TOP = 7  # floor of the entry points, and of rooms without one

LIGHTNING = {"lightning", "lightning_fabric", "pytorch_lightning"}
HYDRA = {"hydra", "omegaconf"}
NEVER = [  # these rooms, directly or through other modules of the package, import none of those
    ({"models", "heads", "metrics", "sources"}, {*LIGHTNING, *HYDRA, "training", "evaluation", "comparison"}),
    ({"inference"}, {*LIGHTNING, "training"}),
    ({"evaluation"}, {"training", "comparison"}),
    ({"comparison"}, {"training"}),
    ({"data"}, {"models"}),
    ({"sweeps"}, {*LIGHTNING, "training", "models"}),
    ({"heads"}, {"data"}),
]
BUNDLE = "agegender.inference.bundle"
BUNDLE_ROOMS = {"inference", "errors", "escaping"}
BUNDLE_LIBRARIES = {"numpy", "cv2", "onnxruntime"}

Graph = Mapping[str, set[str]]  # each module of the package, and the modules that it imports


def read_imports(package: Path) -> Graph:
    """Reads what each module of a package imports: its own modules by full name, others by their top-level name."""
    names = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names[path] = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    modules = set(names.values())

    def own(name: str) -> str:
        """The module that a dotted name is in: ``agegender.heads.dldl`` for ``agegender.heads.dldl.DLDL``."""
        while name not in modules:
            name = name.rpartition(".")[0]
        return name

    graph: dict[str, set[str]] = {}
    for path, module in names.items():
        parent = module if path.stem == "__init__" else module.rpartition(".")[0]
        found = _imported(ast.parse(path.read_text(encoding="utf-8")), parent)
        graph[module] = {own(name) if name.split(".")[0] == package.name else name.split(".")[0] for name in found} - {module}
    return graph


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = importlib.util.resolve_name("." * level + (module or ""), package) if level else str(module)
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Call(func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module")):
                if node.args and isinstance(node.args[0], ast.Constant):
                    yield importlib.util.resolve_name(str(node.args[0].value), package)


def room(module: str) -> str:
    """The room of a module of the package; an entry point is a room of its own."""
    _, _, inside = module.partition(".")
    return inside if inside in ENTRY_POINTS else inside.split(".")[0] or module


def floor(module: str) -> int:
    return FLOORS.get(room(module), TOP)


def arrows(graph: Graph) -> Iterator[tuple[str, str]]:
    """Imports of one room by another."""
    for module, imported in sorted(graph.items()):
        for other in sorted(imported & graph.keys()):
            if room(module) != room(other):
                yield module, other


def rooms_without_floor(graph: Graph) -> list[str]:
    return sorted({room(module) for module in graph} - FLOORS.keys() - ENTRY_POINTS)


def arrows_not_down(graph: Graph) -> list[str]:
    return [f"{module} imports {other}" for module, other in arrows(graph) if floor(other) >= floor(module)]


def circles_of_rooms(graph: Graph) -> list[str]:
    rooms: dict[str, set[str]] = {room(module): set() for module in graph}
    for module, other in arrows(graph):
        rooms[room(module)].add(room(other))
    return _circle(rooms)


def circles_of_modules(graph: Graph) -> list[str]:
    return _circle({module: imported & graph.keys() for module, imported in graph.items()})


def _circle(graph: Graph) -> list[str]:
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = error.args[1][:0:-1]  # the last is the first again
        start = circle.index(min(circle))
        return [" imports ".join([*circle[start:], *circle[: start + 1]])]
    return []


def forbidden_imports(graph: Graph) -> list[str]:
    found = []
    for module in sorted(graph):
        never = set().union(*(those for rooms, those in NEVER if room(module) in rooms))
        for chain in _chains(graph, module):
            end = chain[-1]
            own = room(end) if end in graph else end
            outside = own not in BUNDLE_ROOMS | BUNDLE_LIBRARIES | sys.stdlib_module_names
            if own in never or (f"{module}.".startswith(f"{BUNDLE}.") and outside):
                found.append(" imports ".join(chain))
    return found


def _chains(graph: Graph, module: str) -> Iterator[list[str]]:
    """For all that a module imports, directly or through other modules of the package, a shortest chain of imports."""
    chains, known = [[module]], {module}
    for chain in chains:
        for other in sorted(graph.get(chain[-1], set()) - known):
            known.add(other)
            chains.append([*chain, other])
            yield chains[-1]


def imported_entry_points(graph: Graph) -> list[str]:
    return [f"{module} imports {other}" for module, other in arrows(graph) if room(other) in ENTRY_POINTS]


RULES: list[Callable[[Graph], list[str]]] = [
    rooms_without_floor, arrows_not_down, circles_of_rooms, circles_of_modules, forbidden_imports, imported_entry_points,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_the_package_keeps_the_rule(rule: Callable[[Graph], list[str]]) -> None:
    assert rule(read_imports(PACKAGE)) == []


def test_imports_of_the_package_are_found() -> None:
    """Rules on an empty graph would prove nothing."""
    graph = read_imports(PACKAGE)
    assert {room(module) for module in graph} >= {"train", "training", "models", "errors"}
    assert {"agegender.training.module", "agegender.errors"} <= graph.keys()
    assert {"lightning", "torch", "agegender.models.network"} <= graph["agegender.training.module"]


def write(folder: Path, files: Mapping[str, str]) -> Graph:
    """Writes a small package with these modules beside ``errors``, and reads its imports."""
    package = folder / "agegender"
    for name, text in {"errors.py": "import sys", **files}.items():
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for directory in {package, *(file.parent for file in package.rglob("*.py"))}:
        (directory / "__init__.py").touch()
    return read_imports(package)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import agegender.heads.dldl", {"agegender.heads.dldl"}),
        ("import agegender.heads.dldl as d, torch.nn", {"agegender.heads.dldl", "torch"}),
        ("from agegender.heads.dldl import DLDL", {"agegender.heads.dldl"}),
        ("from agegender.heads import dldl", {"agegender.heads.dldl"}),
        ("from agegender.heads import *", {"agegender.heads"}),
        ("from agegender import __version__", {"agegender"}),
        ("from . import other", {"agegender.models.other"}),
        ("from .other import thing", {"agegender.models.other"}),
        ("from ..heads.dldl import DLDL", {"agegender.heads.dldl"}),
        ("from .. import errors", {"agegender.errors"}),
        ("def f():\n    from agegender.heads import dldl", {"agegender.heads.dldl"}),
        ("class A:\n    async def f(self):\n        import hydra", {"hydra"}),
        ("import typing\nif typing.TYPE_CHECKING:\n    import agegender.heads.dldl", {"typing", "agegender.heads.dldl"}),
        ("try:\n    import torch\nexcept ImportError:\n    pass", {"torch"}),
        ("from importlib import import_module\nimport_module('lightning.pytorch')", {"importlib", "lightning"}),
        ("import importlib\nimportlib.import_module('..heads.dldl', __package__)", {"importlib", "agegender.heads.dldl"}),
        ("__import__('agegender.heads.dldl')", {"agegender.heads.dldl"}),
        ("text = 'import torch'  # import hydra", set()),
    ],
)  # fmt: skip
def test_every_way_to_import_is_read(statement: str, expected: set[str], tmp_path: Path) -> None:
    graph = write(tmp_path, {"heads/dldl.py": "", "models/other.py": "", "models/it.py": statement})
    assert graph["agegender.models.it"] == expected


CLEAN = {
    "train.py": "def main():\n    from agegender.training import module",
    "training/module.py": "import lightning\nfrom agegender.training.finetuning import stages",
    "training/finetuning/stages.py": "from agegender.data import cache\nfrom agegender.models import network",
    "comparison/rows.py": "from agegender.evaluation import report",
    "evaluation/report.py": "from agegender.models.network import Network",
    "inference/bundle.py": "import json\nimport cv2, numpy, onnxruntime\nfrom agegender.errors import AgeGenderError",
    "inference/predictor.py": "import torch\nfrom agegender.inference import bundle\nfrom agegender.models import network",
    "models/network.py": "import torch\nfrom agegender.configuration import build\nfrom agegender.heads import dldl",
    "data/cache.py": "import lightning\nfrom agegender.sources import images",
    "data/__main__.py": "from agegender.data import cache",
    "configuration/build.py": "from agegender.errors import AgeGenderError",
    "configuration/command.py": "import hydra",
    "heads/dldl.py": "from agegender.errors import AgeGenderError",
    "sources/images.py": "",
}


def test_a_clean_package_keeps_every_rule(tmp_path: Path) -> None:
    graph = write(tmp_path, CLEAN)
    assert [rule(graph) for rule in RULES] == [[]] * len(RULES)


@pytest.mark.parametrize(
    ("rule", "files", "expected"),
    [
        (rooms_without_floor, {"utils/text.py": ""}, ["utils"]),
        (rooms_without_floor, {"benchmark.py": ""}, ["benchmark"]),
        (
            arrows_not_down,
            {"heads/dldl.py": "def f():\n    from agegender.models import network"},
            ["agegender.heads.dldl imports agegender.models.network"],
        ),
        (  # one floor is not below itself
            arrows_not_down,
            {"models/network.py": "from agegender.data import cache"},
            ["agegender.models.network imports agegender.data.cache"],
        ),
        (  # a package inside a room stands on the room's floor
            arrows_not_down,
            {"evaluation/plots/faces.py": "from agegender.training.finetuning import stages"},
            ["agegender.evaluation.plots.faces imports agegender.training.finetuning.stages"],
        ),
        (arrows_not_down, {"heads/dldl.py": "from agegender import Predictor"}, ["agegender.heads.dldl imports agegender"]),
        (
            circles_of_rooms,
            {"models/a.py": "from agegender.data import b", "data/b.py": "", "data/c.py": "from agegender.models import d",
             "models/d.py": ""},
            ["data imports models imports data"],
        ),
        (
            circles_of_modules,
            {"models/c.py": "import agegender.models.a", "models/a.py": "import agegender.models.b",
             "models/b.py": "def f():\n    from .c import thing"},
            ["agegender.models.a imports agegender.models.b imports agegender.models.c imports agegender.models.a"],
        ),
        (
            imported_entry_points,
            {"evaluate.py": "from agegender.train import main"},
            ["agegender.evaluate imports agegender.train"],
        ),
        (
            imported_entry_points,
            {"data/cache.py": "from agegender.data.__main__ import main"},
            ["agegender.data.cache imports agegender.data.__main__"],
        ),
    ],
)  # fmt: skip
def test_a_broken_rule_is_found(
    rule: Callable[[Graph], list[str]], files: dict[str, str], expected: list[str], tmp_path: Path
) -> None:
    assert rule(write(tmp_path, {**CLEAN, **files})) == expected


@pytest.mark.parametrize(
    ("files", "chain"),
    [
        *(
            ({f"{room}/it.py": f"import {library}.core"}, f"agegender.{room}.it imports {library}")
            for room in ("models", "heads", "metrics", "sources")
            for library in sorted(LIGHTNING | HYDRA)
        ),
        *(
            ({f"{room}/it.py": f"from agegender.{other} import *"}, f"agegender.{room}.it imports agegender.{other}")
            for rooms, those in NEVER
            for room in sorted(rooms)
            for other in sorted(those & FLOORS.keys())
        ),
        ({"inference/predictor.py": "import lightning"}, "agegender.inference.predictor imports lightning"),
        ({"inference/bundle.py": "def f():\n    import torch"}, "agegender.inference.bundle imports torch"),
        ({"inference/bundle.py": "import pandas"}, "agegender.inference.bundle imports pandas"),
        (
            {"inference/bundle.py": "from agegender.sources import images"},
            "agegender.inference.bundle imports agegender.sources.images",
        ),
        (  # through other modules
            {"inference/bundle.py": "from agegender.inference import predictor"},
            "agegender.inference.bundle imports agegender.inference.predictor imports torch",
        ),
        (
            {"inference/faces.py": "from agegender.data import cache"},
            "agegender.inference.faces imports agegender.data.cache imports lightning",
        ),
        (
            {"models/network.py": "from agegender.configuration import command"},
            "agegender.models.network imports agegender.configuration.command imports hydra",
        ),
    ],
)
def test_an_import_that_must_never_be_is_found_with_its_chain(files: dict[str, str], chain: str, tmp_path: Path) -> None:
    assert chain in forbidden_imports(write(tmp_path, {**CLEAN, **files}))

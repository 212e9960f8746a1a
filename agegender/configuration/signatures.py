"""Constructor signatures, read from source without importing it.

The keys of a configuration are constructor arguments, so the constructor is the schema. Importing torch to inspect a class
takes seconds; parsing one file takes milliseconds. Only static syntax is understood: names, ``Literal``, unions, sequences
and mappings. Any other annotation accepts every value.
"""

import ast
import functools
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANYTHING = ast.Constant(...)
SEQUENCES = ("Sequence", "list", "List", "tuple", "Tuple", "Iterable")
MAPPINGS = ("Mapping", "dict", "Dict")


@dataclass(frozen=True)
class Parameter:
    """One constructor argument.

    Args:
        annotation: Its annotation.
        module: The module in which the names of the annotation are defined or imported.
        default: Its default value; None if it is required.
    """

    annotation: ast.expr
    module: str
    default: ast.expr | None

    @property
    def required(self) -> bool:
        """Whether the argument has no default."""
        return self.default is None


@functools.cache
def _module_file(module: str) -> Path | None:
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)  # does not import a top-level module
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))).joinpath(*rest)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _definitions(module: str) -> dict[str, ast.AST]:
    """Classes, aliases and imports at module level, by name."""
    file = _module_file(module)
    if file is None:
        return {}
    names: dict[str, ast.AST] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names[node.name] = node
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id] = node.value
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: node for alias in node.names}
    return names


def _locate(module: str, name: str) -> tuple[ast.AST, str] | None:
    """The definition of a name and its module; follows ``from x import y``."""
    node = _definitions(module).get(name)
    if not isinstance(node, ast.ImportFrom):
        return None if node is None else (node, module)
    if node.level:  # relative import: a package counts as its own first level
        file = _module_file(module)
        parts = module.split(".")
        keep = len(parts) - node.level + (1 if file and file.name == "__init__.py" else 0)
        source = ".".join(parts[:keep] + ([node.module] if node.module else []))
    else:
        source = node.module or ""
    original = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
    return _locate(source, original) if source.split(".")[0] != "typing" else None


def constructor(target: str, inherited: bool = True) -> tuple[ast.ClassDef, str] | None:
    """The class at a dotted path, or the base class that defines its constructor, and the module of that class.

    Args:
        target: The dotted path.
        inherited: Look for the constructor in base classes.

    Returns:
        None where the source cannot be read statically (compiled modules, star imports).
    """
    module, _, name = target.rpartition(".")
    found = _locate(module, name) if module else None
    while found is not None:
        node, home = found
        if not isinstance(node, ast.ClassDef):
            return None
        if not inherited or _is_dataclass(node) or _init(node) or not node.bases:
            return node, home
        base = node.bases[0]
        found = _locate(home, base.id) if isinstance(base, ast.Name) else None
    return None


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def _init(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None)


def parameters(target: str) -> dict[str, Parameter] | None:
    """Constructor arguments of the class at a dotted path, inherited constructors included.

    Returns:
        None where the source cannot be read statically (compiled modules, star imports, ``**kwargs``).
    """
    found = constructor(target)
    if found is None:
        return None
    node, home = found
    if _is_dataclass(node):
        fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
        return {f.target.id: Parameter(f.annotation, home, f.value) for f in fields if isinstance(f.target, ast.Name)}
    init = _init(node)
    if init is None:
        return {}
    return None if init.args.kwarg else _arguments(init, home)


def _arguments(function: ast.FunctionDef, module: str) -> dict[str, Parameter]:
    positional = (function.args.posonlyargs + function.args.args)[1:]
    defaults = [None] * (len(positional) - len(function.args.defaults)) + function.args.defaults
    pairs = [*zip(positional, defaults, strict=True), *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)]
    return {argument.arg: Parameter(argument.annotation or ANYTHING, module, default) for argument, default in pairs}


def choices(annotation: ast.expr, module: str) -> list[Any] | None:
    """The types and literal values that an annotation allows, as a flat list; None allows anything.

    A sequence is reported as ``list`` (``conforms`` checks its items), a mapping as ``dict``, a path as ``Path``, and None as
    ``None``.
    """
    match annotation:
        case ast.Constant(value=None):
            return [None]
        case ast.Constant(value=str(text)):  # a quoted annotation
            return choices(ast.parse(text, mode="eval").body, module)
        case ast.Name(id="int" | "float" | "bool" | "str" | "dict" | "list" | "Path" as name):
            return [{"int": int, "float": float, "bool": bool, "str": str, "dict": dict, "list": list, "Path": Path}[name]]
        case ast.Name(id=name):
            alias = _locate(module, name)
            return None if alias is None or not isinstance(alias[0], ast.expr) else choices(*alias)  # type: ignore[arg-type]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union([left, right], module)
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=members)):
            return _union(members, module)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=member):
            return _union([member, ast.Constant(None)], module)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=values):
            members = values.elts if isinstance(values, ast.Tuple) else [values]
            return [member.value for member in members if isinstance(member, ast.Constant)]
        case ast.Subscript(value=ast.Name(id=name)) if name in SEQUENCES:
            return [list]
        case ast.Subscript(value=ast.Name(id=name)) if name in MAPPINGS:
            return [dict]
    return None


def _union(members: list[ast.expr], module: str) -> list[Any] | None:
    allowed: list[Any] = []
    for member in members:
        part = choices(member, module)
        if part is None:
            return None
        allowed += part
    return allowed


def mentioned(annotation: ast.expr, module: str) -> set[str]:
    """Every name in an annotation, with those that its aliases stand for: ``_PATH`` gives ``_PATH, Union, str, Path``."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):  # a quoted annotation
        annotation = ast.parse(annotation.value, mode="eval").body
    names = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    aliases = [alias for name in names if (alias := _locate(module, name)) and isinstance(alias[0], ast.expr)]
    return names.union(*(mentioned(*alias) for alias in aliases))  # type: ignore[arg-type]


def conforms(value: Any, annotation: ast.expr, module: str) -> bool:
    """Whether a plain configuration value fits an annotation: an int fits float, a bool does not fit int."""
    allowed = choices(annotation, module)
    if allowed is None:
        return True
    if isinstance(value, list) and list in allowed:
        return all(conforms(item, _item(annotation), module) for item in value)
    kind = type(value)
    if (kind is int and float in allowed) or (kind is str and Path in allowed):
        return True
    return kind in allowed or any(value == choice and type(choice) is kind for choice in allowed)


def holds_object(value: Any) -> bool:
    """Whether a plain value is or contains a mapping with ``_target_``, from which an object is built."""
    if isinstance(value, Mapping):
        return "_target_" in value or any(holds_object(item) for item in value.values())
    return isinstance(value, list) and any(holds_object(item) for item in value)


def takes_object(parameter: Parameter) -> bool:
    """Whether an argument may be, or contain, objects: its annotation names a class, or the ``Layer`` of the settings."""
    names = mentioned(parameter.annotation, parameter.module) - {"Path"}
    return "Layer" in names or any(
        (found := _locate(parameter.module, name)) is not None and isinstance(found[0], ast.ClassDef) for name in names
    )


def _item(annotation: ast.expr) -> ast.expr:
    """The annotation of a sequence's items."""
    for node in ast.walk(annotation):
        match node:
            case ast.Subscript(value=ast.Name(id="tuple" | "Tuple"), slice=ast.Tuple(elts=[member, *_])):
                return member
            case ast.Subscript(value=ast.Name(id=name), slice=member) if name in SEQUENCES:
                return member
    return ANYTHING


WORDS = {int: "an integer", float: "a number", bool: "true or false", str: "text", dict: "a mapping", Path: "a path"}
PLURALS = {"an integer": "integers", "a number": "numbers", "a path": "paths", "a mapping": "mappings", "anything": "anything"}


def describe(annotation: ast.expr, module: str) -> str:
    """The allowed values in words, for an error message: ``an integer or null``, ``a list of numbers``."""
    allowed = choices(annotation, module) or []
    words: list[str] = []
    for choice in allowed:
        if choice is list:
            item = describe(_item(annotation), module)
            words.append(f"a list of {PLURALS.get(item, item.replace('a list', 'lists', 1))}")
        elif not (choice is str and Path in allowed):
            words.append("null" if choice is None else WORDS.get(choice, str(choice)))
    *first, last = dict.fromkeys(words or ["anything"])
    return f"{', '.join(first)} or {last}" if first else last

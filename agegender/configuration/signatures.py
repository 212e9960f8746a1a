"""What a class takes, read from its source without importing it.

A configuration's keys are constructor arguments, so the constructor is the schema. Importing torch to look at it would
cost seconds; parsing one file costs milliseconds. Only static syntax is understood (names, ``Literal``, unions,
sequences); whatever else an annotation says is taken as "anything".
"""

import ast
import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANYTHING = ast.Constant(...)


@dataclass(frozen=True)
class Parameter:
    """One constructor argument: its annotation, where that is to be understood, and whether it must be given."""

    annotation: ast.expr
    module: str
    required: bool


@functools.cache
def _module_file(module: str) -> Path | None:
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)  # a top-level name is found without being imported
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))).joinpath(*rest)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _definitions(module: str) -> dict[str, ast.AST]:
    """Module-level classes, aliases and imports by name."""
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
    """The definition behind a name and the module it stands in, following ``from x import y``."""
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


def parameters(target: str) -> dict[str, Parameter] | None:
    """Constructor arguments of the class at a dotted path, inherited constructors included.

    Returns None where the source cannot be read statically (compiled modules, star imports, ``**kwargs``).
    """
    module, _, name = target.rpartition(".")
    found = _locate(module, name) if module else None
    while found is not None:
        node, home = found
        if not isinstance(node, ast.ClassDef):
            return None
        fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
        if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
            return {
                f.target.id: Parameter(f.annotation, home, f.value is None) for f in fields if isinstance(f.target, ast.Name)
            }
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                return None if item.args.kwarg else _arguments(item, home)
        if not node.bases:
            return {}
        base = node.bases[0]
        found = _locate(home, base.id) if isinstance(base, ast.Name) else None
    return None


def _arguments(function: ast.FunctionDef, module: str) -> dict[str, Parameter]:
    positional = (function.args.posonlyargs + function.args.args)[1:]
    optional = len(function.args.defaults)
    result = {}
    for position, argument in enumerate(positional):
        required = position < len(positional) - optional
        result[argument.arg] = Parameter(argument.annotation or ANYTHING, module, required)
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        result[argument.arg] = Parameter(argument.annotation or ANYTHING, module, default is None)
    return result


def choices(annotation: ast.expr, module: str) -> list[Any] | None:
    """What the annotation allows, as a flat list of types and literal values; None means anything.

    Sequences are reported as ``list`` (their items are checked by ``conforms``), None as ``None``.
    """
    match annotation:
        case ast.Constant(value=None):
            return [None]
        case ast.Constant(value=str(text)):  # a quoted annotation
            return choices(ast.parse(text, mode="eval").body, module)
        case ast.Name(id="int" | "float" | "bool" | "str" | "dict" | "list" as name):
            return [{"int": int, "float": float, "bool": bool, "str": str, "dict": dict, "list": list}[name]]
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
        case ast.Subscript(value=ast.Name(id="Sequence" | "list" | "List" | "tuple" | "Tuple" | "Iterable")):
            return [list]
        case ast.Subscript(value=ast.Name(id="Mapping" | "dict" | "Dict")):
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


def conforms(value: Any, annotation: ast.expr, module: str) -> bool:
    """Whether a plain configuration value fits an annotation (an int fits float, a bool is not an int)."""
    allowed = choices(annotation, module)
    if allowed is None:
        return True
    if isinstance(value, list) and list in allowed:
        return all(conforms(item, _item(annotation), module) for item in value)
    kind = type(value)
    if kind is int and float in allowed:
        return True
    return kind in allowed or any(value == choice and type(choice) is kind for choice in allowed)


def _item(annotation: ast.expr) -> ast.expr:
    """The annotation of a sequence's items."""
    for node in ast.walk(annotation):
        match node:
            case ast.Subscript(value=ast.Name(id="Sequence" | "list" | "List" | "Iterable"), slice=member):
                return member
            case ast.Subscript(value=ast.Name(id="tuple" | "Tuple"), slice=ast.Tuple(elts=[member, *_])):
                return member
    return ANYTHING


def describe(annotation: ast.expr, module: str) -> str:
    """The allowed values in words, for an error message."""
    allowed = choices(annotation, module)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", dict: "a mapping"}
    if allowed and list in allowed:
        words[list] = f"a list of ({describe(_item(annotation), module)})"
    parts = ["null" if a is None else words.get(a, repr(a) if not isinstance(a, str) else a) for a in allowed or []]
    return ", ".join(dict.fromkeys(parts)) or "anything"

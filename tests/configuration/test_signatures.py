"""Constructors read from source agree with the constructors themselves."""

import ast
import inspect
from importlib import import_module

import pytest

from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.configuration.signatures import conforms, describe, mentioned, parameters


def targets(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["_target_"]} if "_target_" in node else set()
        return own.union(*(targets(value) for value in node.values()))
    return set().union(*map(targets, node)) if isinstance(node, list) else set()


def all_targets() -> list[str]:
    found: set[str] = set()
    for group in (path for path in CONF.iterdir() if path.is_dir()):
        for choice in group.glob("*.yaml"):
            paths = {"data": ["data.root=/x"] if choice.stem not in ("toyfaces", "mixed") else []}.get(group.name, [])
            needed = {"split/file": ["split.train=a", "split.test=b"], "split/facebase": ["split.benchmark=a"],
                      "data/facebase": ["data.database=a.json"]}  # fmt: skip
            extra = needed.get(f"{group.name}/{choice.stem}", [])
            try:
                found |= targets(compose([f"{group.name}={choice.stem}", *paths, *extra]))
            except Exception:
                continue  # tests of the configuration say why a choice does not compose
    return sorted(target for target in found if not target.startswith("torch.nn."))


@pytest.mark.parametrize("target", all_targets())
def test_static_signature_equals_the_real_one(target: str) -> None:
    module, _, name = target.rpartition(".")
    real = {
        n: p
        for n, p in inspect.signature(getattr(import_module(module), name)).parameters.items()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    static = parameters(target)
    if static is None:  # a library's class that takes **kwargs
        assert not target.startswith("agegender."), "its arguments cannot be checked"
        return
    assert list(static) == list(real)
    assert [p.required for p in static.values()] == [p.default is p.empty for p in real.values()]


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("max_epochs", [3, None], ["three", 1.5, True]),
        ("precision", ["32-true", "bf16-mixed", None, 32], ["fp17", True]),
        ("limit_train_batches", [1, 0.5, None], ["half"]),
        ("devices", [1, "auto", [0, 1]], [[0.5], None]),
        ("deterministic", [True, "warn", None], ["maybe", 1]),
    ],
)
def test_values_against_a_librarys_annotations(key: str, good: list[object], bad: list[object]) -> None:
    parameter = (parameters("lightning.pytorch.Trainer") or {})[key]
    for value in good:
        assert conforms(value, parameter.annotation, parameter.module), value
    for value in bad:
        assert not conforms(value, parameter.annotation, parameter.module), value
    assert describe(parameter.annotation, parameter.module) != "anything"


@pytest.mark.parametrize(
    ("target", "name", "words"),
    [
        ("agegender.configuration.settings.TrainSettings", "seed", "an integer"),
        ("agegender.configuration.settings.DataSettings", "near_copies", "an integer or null"),
        ("agegender.configuration.settings.DataSettings", "duplicates", "keep, drop_conflicting or drop"),
        ("agegender.configuration.settings.TrainSettings", "tasks", "a list of age or gender"),
        ("agegender.configuration.settings.TrainSettings", "age_range", "a list of numbers"),
        ("agegender.models.backbones.TimmBackbone", "weights", "a path or null"),
        ("agegender.models.backbones.TimmBackbone", "pad_type", "same or null"),
        ("agegender.sources.utkface.UTKFace", "root", "a path"),
        ("agegender.data.datamodule.FaceDataModule", "sources", "a mapping"),
        ("agegender.data.datamodule.FaceDataModule", "split", "anything"),
        ("lightning.pytorch.loggers.CSVLogger", "save_dir", "a path"),
        ("lightning.pytorch.Trainer", "sync_batchnorm", "true or false"),
    ],
)
def test_an_annotation_in_words(target: str, name: str, words: str) -> None:
    parameter = (parameters(target) or {})[name]
    assert describe(parameter.annotation, parameter.module) == words


def test_a_path_is_a_text_in_a_configuration() -> None:
    parameter = (parameters("agegender.sources.utkface.UTKFace") or {})["root"]
    assert conforms("/faces", parameter.annotation, parameter.module)
    for value in (None, 3, ["/faces"]):
        assert not conforms(value, parameter.annotation, parameter.module)


def test_names_are_followed_through_aliases_imports_and_quotes() -> None:
    def names(annotation: str, module: str) -> set[str]:
        return mentioned(ast.parse(annotation, mode="eval").body, module)

    assert names("InputFile | None", "agegender.models.backbones") == {"InputFile", "str", "Path"}
    assert names("'Mapping[str, InputFile]'", "agegender.sources.tables") == {"Mapping", "str", "InputFile", "Path"}
    assert names("Optional[_PATH]", "lightning.pytorch.loggers.csv_logs") == {"Optional", "_PATH", "Union", "str", "Path"}
    assert names('Literal["Path"]', "agegender.sources.utkface") == {"Literal"}

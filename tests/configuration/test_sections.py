"""Which mappings of a configuration hold the arguments of which class."""

import pytest

from agegender.configuration.command import compose
from agegender.configuration.sections import UNNAMED, sections
from agegender.configuration.signatures import parameters


def test_sections_without_a_target_have_their_class_and_lack_what_the_commands_set() -> None:
    found = {section.key: section for section in sections(compose())}
    assert found["trainer"].target == "lightning.pytorch.Trainer"
    assert "max_epochs" in found["trainer"].signature and "callbacks" not in found["trainer"].signature
    assert set(found["loader"].signature) == set(found["loader"].values) == {"batch_size", "num_workers", "cache", "cache_dir"}
    assert list(found["tower"].signature) == ["age", "gender"]


@pytest.mark.parametrize("name", UNNAMED)
def test_what_the_commands_set_are_arguments_of_the_class(name: str) -> None:
    target, given = UNNAMED[name]
    assert set(given) <= set(parameters(target))


def test_targets_are_found_at_every_depth_outer_ones_first() -> None:
    config = {
        "data": {"sources": {"mine": {"_target_": "agegender.sources.folder.FolderFaces", "root": "r", "tables": {
            "csv": {"_target_": "agegender.sources.tables.Table", "file": "f"}}}}},
        "trunk": {"layers": [{"_target_": "torch.nn.Dropout", "p": 0.5}]},
        "mine": {"a": 1},
    }  # fmt: skip
    found = list(sections(config))
    assert [section.key for section in found] == [
        "data", "trunk", "data.sources.mine", "data.sources.mine.tables.csv", "trunk.layers.0",
    ]  # fmt: skip
    assert found[3].arguments == {"file": "f"} and found[3].values is config["data"]["sources"]["mine"]["tables"]["csv"]


def test_data_may_have_keys_of_its_own_and_other_sections_may_not() -> None:
    found = {one.key: one for one in sections({"data": {"duplicates": "keep", "root": "r"}, "trunk": {"layers": [], "x": 1}})}
    assert found["data"].arguments == {"duplicates": "keep"}
    assert found["trunk"].arguments == {"layers": [], "x": 1}


def test_a_class_that_cannot_be_read_has_no_signature() -> None:
    [section] = sections({"optimizer": {"_target_": "nowhere.Nothing", "lr": 1}})
    assert section.signature is None and section.arguments == {"lr": 1}

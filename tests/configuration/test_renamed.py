"""Class paths of earlier versions lead to today's classes."""

from importlib import import_module

import pytest

from agegender.configuration.renamed import MODULES, current, with_current_targets

EARLIER = [
    "agegender.sources.toyfaces.ToyFaces",
    "agegender.training.finetune.Frozen",
    "agegender.training.finetune.TwoStage",
    "agegender.training.finetune.Gradual",
    "agegender.training.wandb_logging.Wandb",
]


@pytest.mark.parametrize("target", EARLIER)
def test_each_earlier_path_names_a_class_that_exists(target: str) -> None:
    module, _, name = with_current_targets({"_target_": target})["_target_"].rpartition(".")
    assert getattr(import_module(module), name).__name__ == name


def test_every_renamed_module_has_a_case_above() -> None:
    assert {target.rpartition(".")[0] for target in EARLIER} == set(MODULES)


def test_nested_targets_change_and_nothing_else_does() -> None:
    config = {
        "data": {"sources": [{"_target_": "agegender.sources.toyfaces.ToyFaces", "root": "agegender.training.finetune"}]},
        "head": {"_target_": "agegender.heads.dldl.DLDL", "sigma": 2.0},
        "resume": None,
    }
    current = with_current_targets(config)
    assert current["data"]["sources"][0] == {
        "_target_": "agegender.sources.toyfaces.source.ToyFaces",
        "root": "agegender.training.finetune",
    }
    assert current["head"] == config["head"]
    assert current["resume"] is None
    assert config["data"]["sources"][0]["_target_"] == "agegender.sources.toyfaces.ToyFaces"  # the original is left alone


def test_a_run_of_an_earlier_version_ran_on_one_machine_unless_it_says_otherwise() -> None:
    assert current({"trainer": {"devices": 1}})["trainer"] == {"num_nodes": 1, "devices": 1}
    assert current({"trainer": {"num_nodes": 2}})["trainer"] == {"num_nodes": 2}
    assert current({"trainer": 5, "head": None}) == {"trainer": 5, "head": None}

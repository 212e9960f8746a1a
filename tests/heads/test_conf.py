"""The YAML files of the heads list exactly the constructor arguments of the classes."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml

from agegender.configuration.command import compose
from agegender.heads.age_bins import AgeBins

CONF = Path(__file__).parents[2] / "conf"
FILES = sorted([*CONF.glob("head/*.yaml"), *CONF.glob("gender_head/*.yaml")])


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}={file.stem}")
def test_a_file_lists_every_argument_and_builds_its_head(file):
    arguments = compose([f"{file.parent.name}={file.stem}"])[file.parent.name]
    module, name = arguments.pop("_target_").rsplit(".", 1)
    head_class = getattr(import_module(module), name)
    assert list(arguments) == list(inspect.signature(head_class).parameters)
    if file.parent.name == "head":
        assert arguments["age_range"] == [0, 116]  # that of the whole configuration
    head = head_class(**arguments)
    assert head(torch.randn(2, 8)).shape == (2, head.outputs)


@pytest.mark.parametrize(
    ("file", "last_years"),
    [
        ("age_bins", range(9, 116, 10)),
        ("age_bins_five_years", range(4, 116, 5)),
        ("age_bins_four", [25, 50, 75]),
        ("age_bins_nine", [2, 9, 19, 29, 39, 49, 59, 69]),
    ],
)
def test_presets_of_age_bins_have_the_documented_edges(file, last_years):
    arguments = yaml.safe_load((CONF / f"head/{file}.yaml").read_text())
    head = AgeBins([0, 116], arguments["edges"])
    ends = [year for year in range(116) if head.bin_of_year[year] != head.bin_of_year[year + 1]]
    assert ends == list(last_years)

"""The settings are the keys of the files in conf/, all described."""

from dataclasses import MISSING, fields
from typing import Any

import pytest

from agegender.configuration.command import compose
from agegender.configuration.docstrings import argument_texts
from agegender.configuration.evaluation import EvaluationSettings
from agegender.configuration.paths import CONF
from agegender.configuration.settings import DataSettings, FacesSettings, TowerSettings, TrainSettings, TrunkSettings

GROUPS = {path.name for path in CONF.iterdir() if path.is_dir()}
SETTINGS = {"train": TrainSettings, "evaluate": EvaluationSettings, "faces": FacesSettings}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_keys_of_a_command_are_its_settings_and_groups(name: str) -> None:
    given = ["checkpoint=run"] if name == "evaluate" else []
    assert set(compose(given, name)) - GROUPS == {field.name for field in fields(SETTINGS[name])}


@pytest.mark.parametrize(("group", "settings"), [("data", DataSettings), ("trunk", TrunkSettings), ("tower", TowerSettings)])
def test_the_keys_of_a_group_are_in_every_choice(group: str, settings: Any) -> None:
    keys = {field.name for field in fields(settings)}
    assert {field.name for field in fields(settings) if field.default is MISSING} <= keys <= set(compose()[group])


@pytest.mark.parametrize("settings", [*SETTINGS.values(), DataSettings, TrunkSettings, TowerSettings])
def test_every_key_is_described(settings: Any) -> None:
    texts = argument_texts(f"{settings.__module__}.{settings.__name__}")
    assert list(texts) == [field.name for field in fields(settings)]

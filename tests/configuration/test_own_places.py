"""A run's own configuration, which others may have written, writes below its run directory and the cache only."""

from pathlib import Path
from typing import Any

import pytest

from agegender.configuration.command import compose
from agegender.configuration.own_places import confined
from agegender.errors import AgeGenderError

MODEL_CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"
TENSORBOARD = "lightning.pytorch.loggers.TensorBoardLogger"  # its constructor takes any keyword


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGEGENDER_CACHE", str(tmp_path / "cache"))


def saved(*overrides: str, **callbacks: Any) -> dict[str, Any]:
    config = compose(overrides)
    config["callbacks"] |= callbacks
    return config


def test_an_ordinary_run_is_unchanged_but_that_it_draws_no_faces(tmp_path: Path) -> None:
    config = saved()
    source = config["data"]["sources"]["toyfaces"]
    expected = {**config, "data": {**config["data"], "sources": {"toyfaces": {**source, "draw": False}}}}
    assert confined(config, tmp_path / "run", {}) == expected


@pytest.mark.parametrize(
    ("section", "name", "value", "key"),
    [
        ("callbacks", "c", {"_target_": MODEL_CHECKPOINT, "dirpath": "/evil"}, "callbacks.c.dirpath"),
        ("callbacks", "c", {"_target_": MODEL_CHECKPOINT, "dirpath": "evil"}, "callbacks.c.dirpath"),
        ("callbacks", "c", {"_target_": MODEL_CHECKPOINT, "dirpath": "~/evil"}, "callbacks.c.dirpath"),
        ("callbacks", "c", {"_target_": MODEL_CHECKPOINT, "filename": "../../evil"}, "callbacks.c.filename"),
        ("callbacks", "c", {"_target_": "lightning.pytorch.callbacks.OnExceptionCheckpoint", "dirpath": "/evil"}, "c.dirpath"),
        ("logger", "csv", {"_target_": "lightning.pytorch.loggers.CSVLogger", "name": "/evil"}, "logger.csv.name"),
        ("logger", "csv", {"_target_": "lightning.pytorch.loggers.CSVLogger", "name": "a/../../evil"}, "logger.csv.name"),
        ("logger", "tb", {"_target_": TENSORBOARD, "version": "..\\evil"}, "logger.tb.version"),
        ("logger", "tb", {"_target_": TENSORBOARD, "log_dir": "evil"}, "logger.tb.log_dir"),
        ("logger", "m", {"_target_": "lightning.pytorch.loggers.MLFlowLogger", "tracking_uri": "file:///e"}, "m.tracking_uri"),
        ("finetune", "f", {"_target_": MODEL_CHECKPOINT, "dirpath": "/evil"}, "finetune.f.dirpath"),
    ],
)
def test_places_outside_are_refused_by_key(section: str, name: str, value: Any, key: str, tmp_path: Path) -> None:
    config = saved()
    config[section][name] = value
    with pytest.raises(AgeGenderError, match=f"{key}=.*below the run directory and the cache only"):
        confined(config, tmp_path / "run", {})


def test_places_below_the_run_directory_and_those_that_the_user_gives_are_obeyed(tmp_path: Path) -> None:
    inside = str(tmp_path / "run" / "more")
    config = saved(c={"_target_": MODEL_CHECKPOINT, "dirpath": inside, "filename": "{epoch}-{val/loss}"})
    assert confined(config, tmp_path / "run", {})["callbacks"]["c"]["dirpath"] == inside
    config["callbacks"]["c"]["dirpath"] = "/elsewhere"
    given = {"callbacks": {"c": {"dirpath": "/elsewhere"}}}
    assert confined(config, tmp_path / "run", given)["callbacks"]["c"]["dirpath"] == "/elsewhere"


def test_the_cache_is_that_of_this_machine_unless_images_are_in_it_or_the_user_names_it(tmp_path: Path) -> None:
    other = tmp_path / "other"
    config = saved(f"loader.cache_dir={other}")
    assert confined(config, tmp_path / "run", {})["loader"]["cache_dir"] == str(tmp_path / "cache")
    assert confined(config, tmp_path / "run", {"loader": {"cache_dir": str(other)}})["loader"]["cache_dir"] == str(other)
    (other / "images").mkdir(parents=True)
    (other / "images" / "a.uint8").touch()
    assert confined(config, tmp_path / "run", {})["loader"]["cache_dir"] == str(other)


def test_missing_data_is_neither_downloaded_nor_drawn_unless_the_user_says_so(tmp_path: Path) -> None:
    config = saved("data=utkface", "data.root=/faces", "data.download=true")
    assert confined(config, tmp_path / "run", {})["data"]["sources"]["utkface"]["download"] is False
    given = {"data": {"sources": {"utkface": {"download": True}}}}
    assert confined(config, tmp_path / "run", given)["data"]["sources"]["utkface"]["download"] is True

import argparse
from pathlib import Path

import pytest

from agegender.errors import AgeGenderError
from agegender.inference import model_options
from agegender.inference.model_options import add_model_options, load_predictor


def parsed(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    return parser.parse_args([*map(str, arguments)])


def test_the_options_reach_the_predictor(bundle: Path) -> None:
    predictor = load_predictor(
        parsed("--model", bundle, "--detector", "none", "--flip", "--level", 80, "--batch-size", 7, "--threads", 1)
    )
    assert predictor.detector is None and predictor.flip and predictor.level == 80 and predictor.batch_size == 7


def test_without_a_model_the_released_one_is_loaded(bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(model_options, "RELEASED", bundle)
    assert load_predictor(parsed("--detector", "none")).image_size == 32
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AgeGenderError, match="neither a run directory"):
        load_predictor(parsed("--model", "", "--detector", "none"))  # a variable of the shell that is not set
    monkeypatch.setattr(model_options, "RELEASED", tmp_path / "none")
    with pytest.raises(AgeGenderError, match="--model RUN_DIR_OR_BUNDLE is needed"):
        load_predictor(parsed("--detector", "none"))


def test_a_detector_that_is_needed_must_be_there(bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load_predictor(parsed("--model", bundle)).detector is None
    with pytest.raises(AgeGenderError, match="--detector yunet needs its model file: add --download-detector"):
        load_predictor(parsed("--model", bundle, "--detector", "yunet"))


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "x"])
def test_numbers_are_positive(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(f"--batch-size={number}")
    assert f"{number}: expected an integer of at least 1" in capsys.readouterr().err

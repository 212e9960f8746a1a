"""The configuration of ``agegender.evaluate``: what it may hold, and how it changes the configuration of the run."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agegender.configuration.across import data_of
from agegender.configuration.path_arguments import path_arguments
from agegender.configuration.schema import key_problems, refuse, section_problems, shape_problems
from agegender.configuration.signatures import parameters
from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder

FOR_OTHER_FACES = ("seed", "age_range", "split", "seen")
FOR_MODELS = ("root", "batch_size", "accelerator", "devices", "seen", "views", "robustness", "crop_curve", "explain")
# What may be evaluated, exactly one of them, and the settings that do not apply to it.
EVALUATED = {
    "checkpoint": ("out",),
    "predictions": ("across", *FOR_MODELS),
    "folds": ("across", *FOR_MODELS, "out", "part", "data", "seed", "age_range", "split"),
}
LOWEST = {"devices": 1, "challenge_age": 1, "minimum_group": 2, "resamples": 100}


@dataclass
class EvaluationSettings:
    """The keys of ``conf/evaluate.yaml`` outside groups.

    Args:
        checkpoint: Run directory of the model; null for another model, of which ``predictions`` holds the estimates.
        predictions: CSV file with the estimates of any model: ``path``, and ``age`` in years and ``gender`` or
            ``probability_female``.
        folds: Folder with a tested run of each fold of ``split=folds``: each face is evaluated as predicted by the run that was
            not trained on it.
        out: Folder of the results of ``predictions``; null for a new folder beside the file.
        across: Several other datasets at once, as choices of ``data`` with the folder of each; null for none.
        part: Split to test on.
        root: Folder of the run's own data, if it has moved.
        batch_size: Faces per step; null as in training.
        accelerator: Of ``lightning.pytorch.Trainer``; the model runs in full precision.
        devices: Number of devices, with a process for each. It does not change the results.
        seed: Seed of the split of other faces.
        age_range: Lowest and highest age in years of other faces; faces outside are left out and counted.
        seen: Other faces that are copies of images that the model was trained or selected on, identical or re-encoded:
            ``refuse`` ends with an error, ``exclude`` leaves them out and counts them.
        views: Views of each face over which estimates are averaged: ``one``, ``flip`` (with the mirror image) or ``crops``
            (centre and corners, each with its mirror image); null as in the test at the end of training.
        robustness: Measure the model on graded changes of the images too, such as blur and occlusion: 37 more passes over
            all faces, or over so many random ones.
        crop_curve: Measure the model with ``data.crop_scale`` from 0.5 to 1.5 too, on all validation faces or on so many random
            ones, and say which scale to use: 11 more passes. Where a dataset has no validation faces, a fifth of the tested
            ones is used instead, in whole groups, and not tested.
        explain: Number of random faces on which the model is explained by Grad-CAM and occlusion; 0 for none.
        report: ``html`` writes a report for a browser with its plots and a model card, ``none`` does not.
        faces: Whether faces with suspicious labels and explained faces are drawn, and the report shows faces: those with the
            largest and smallest errors, random ones, and Grad-CAM maps. The licence of the data may forbid passing them on.
        legal_age: Legal ages in years, for which an age gate is measured.
        challenge_age: Predicted age in years below which an age gate asks for proof of age.
        target_rate: Highest acceptable share of under-age faces that pass, 0..1; the mildest threshold that keeps it is found.
        minimum_group: Faces that a group needs to be ranked and tested against the others.
        resamples: Number of bootstrap resamples for the 95% intervals.
        mondrian: Age intervals have their own width for each predicted ``gender`` or for each of nine ranges of predicted ages
            (``age_band``); null: one width for all.
    """

    checkpoint: str | Path | None
    predictions: str | Path | None
    folds: str | Path | None
    out: str | Path | None
    across: Mapping[str, str | Path] | None
    part: Literal["train", "val", "test"]
    root: InputFolder | None
    batch_size: int | None
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"]
    devices: int
    seed: int
    age_range: Sequence[float]
    seen: Literal["refuse", "exclude"]
    views: Literal["one", "flip", "crops"] | None
    robustness: bool | int
    crop_curve: bool | int
    explain: int
    report: Literal["html", "none"]
    faces: bool
    legal_age: Sequence[int]
    challenge_age: int
    target_rate: float
    minimum_group: int
    resamples: int
    mondrian: Literal["gender", "age_band"] | None


def validate_evaluation(config: Mapping[str, Any], overrides: Sequence[str] = ()) -> None:
    """Checks names, types, ranges and choices of a resolved configuration.

    Args:
        config: With the keys of ``conf/evaluate.yaml``.
        overrides: Those of the command line, of which some make no sense together.

    Raises:
        AgeGenderError: Lists every problem found, one a line, each with the key, its value and what is allowed.
    """
    settings = parameters("agegender.configuration.evaluation.EvaluationSettings") or {}
    problems = key_problems(config, settings, ("data", "split"))
    batch_size = config.get("batch_size")
    if isinstance(batch_size, int) and batch_size < 1:
        problems.append(f"batch_size={batch_size}: expected an integer of at least 1, or null")
    for name in ("explain", "robustness", "crop_curve"):
        if isinstance(number := config.get(name), int) and number < 0:
            problems.append(f"{name}={number}: expected a number of faces, or 0")
    if config.get("crop_curve") and config.get("part") == "train":
        problems.append("part=train: crop_curve is measured on val faces; choose part=test or part=val")
    problems = problems or _out_of_range(config)
    if config.get("data") is not None:
        shapes = shape_problems(config, ("data", "split"))
        problems += shapes or section_problems({key: config[key] for key in ("data", "split")})
        if config.get("root") is not None:
            problems.append(f"root={config['root']}: applies to the run's own faces; with data=... give data.root=...")
    elif config.get("across"):
        problems += shape_problems(config, ("split",)) or section_problems({"split": config["split"]})
    elif config.get("predictions") is not None:
        problems.append("predictions: data=... must say which faces these are predictions of")
    if not problems:
        problems += _mismatches(config, overrides)
    refuse(problems)


def _out_of_range(config: Mapping[str, Any]) -> list[str]:
    """Numbers that are too small or too large."""
    problems = [
        f"{key}={config[key]}: expected an integer of at least {low}" for key, low in LOWEST.items() if config[key] < low
    ]
    if not config["legal_age"] or not all(isinstance(age, int) and 1 <= age <= 100 for age in config["legal_age"]):
        problems.append(f"legal_age={config['legal_age']}: expected one or more integers from 1 to 100, such as [18, 21]")
    if not 0 < config["target_rate"] < 1:
        problems.append(f"target_rate={config['target_rate']}: expected a number between 0 and 1")
    return problems


def measured(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``agegender.evaluation.options.Options``.

    Args:
        config: Validated, with the keys of ``conf/evaluate.yaml``.
    """
    same = {key: config[key] for key in ("challenge_age", "target_rate", "resamples", "mondrian")}
    return {"legal_ages": tuple(config["legal_age"]), "minimum": config["minimum_group"], **same}


def _mismatches(config: Mapping[str, Any], overrides: Sequence[str]) -> list[str]:
    """Settings of the command line that do not apply to what is evaluated."""
    named = [name for name in EVALUATED if config[name] is not None]
    if len(named) > 1:
        return [f"{' and '.join(named)}: give one of them"]
    if not named:
        return ["checkpoint: must be given, as in checkpoint=RUN_DIR; for the estimates of another model, predictions=FILE.csv"]
    given = {one: one.lstrip("+~").partition("=")[0].partition(".")[0] for one in overrides}
    if config["across"] and config.get("data") is not None:
        return ["across and data: give one of them"]
    problems = [f"{one}: does not apply to {named[0]}=" for one, key in given.items() if key in EVALUATED[named[0]]]
    if config["across"] and config.get("root") is not None:
        problems.append(f"root={config['root']}: applies to the run's own faces; across=... has the folder of each dataset")
    if named == ["checkpoint"] and config.get("data") is None and not config["across"]:
        ignored = [one for one, key in given.items() if key in FOR_OTHER_FACES]
        problems += [f"{one}: applies to other faces only, which data=... chooses" for one in ignored]
    return problems


def audited(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the faces of which ``predictions`` holds the estimates of another model.

    Args:
        config: Validated, with the keys of ``conf/evaluate.yaml``.
    """
    return {
        "name": Path(config["predictions"]).stem,
        "predictions": str(Path(config["predictions"]).absolute()),
        **{key: config[key] for key in ("seed", "age_range", "data", "split")},
        "image_size": config["data"]["image_size"],
        "tasks": ["age", "gender"],
        "loader": {"cache": "none"},
        "sampler": {"_target_": "agegender.data.sampler.PlainSampler"},
        "augment": {"_target_": "agegender.data.augment.Unchanged"},
    }


def evaluated(saved: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a run, with the faces that are to be evaluated.

    Args:
        saved: Of the run.
        config: Validated, with the keys of ``conf/evaluate.yaml``.

    Raises:
        AgeGenderError: ``root`` is given for a run with several sources, or ``across`` names a dataset that does not fit.
    """
    changed = deepcopy(dict(saved))
    if config["root"] is not None:
        inputs = path_arguments({"data": changed["data"]})
        folders = [one for one in inputs if one.section.startswith("data.sources.") and one.kind == "folder"]
        if len(folders) != 1:
            raise AgeGenderError("root=: this run has several sources; give all of them with data=... instead")
        folders[0].holder[folders[0].name] = config["root"]
    if config["views"] is not None:
        changed["views"] = config["views"]
    if config["batch_size"] is not None:
        changed["loader"]["batch_size"] = config["batch_size"]
    if config.get("data") is not None or config["across"]:
        data = config.get("data") or data_of(config["across"], config["age_range"])
        changed |= {"data": data, "split": config["split"], "age_range": config["age_range"]}
    return changed

"""``python -m agegender.evaluate checkpoint=RUN_DIR``: tests a run's best model again, on its own faces or on others."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agegender import whole_package  # noqa: F401
from agegender.configuration import job
from agegender.configuration.command import entry
from agegender.configuration.evaluation import audited, evaluated, measured, validate_evaluation
from agegender.configuration.own_places import confined
from agegender.configuration.path_arguments import with_absolute_paths
from agegender.configuration.schema import validate_saved
from agegender.errors import AgeGenderError
from agegender.processes import ranks
from agegender.processes.launch import end_with_launcher, launch
from agegender.runs.run_directory import RunDirectory
from agegender.training.log import log_to, silence_libraries

if TYPE_CHECKING:
    from agegender.data.datamodule import FaceDataModule
    from agegender.sources.crop import Crop

log = logging.getLogger("agegender.evaluate")


@entry("evaluate")
def main(config: dict[str, Any]) -> None:
    """Measures the run's best model, or the estimates of another model, on one split; prints and writes the metrics."""
    if ranks.launched():
        end_with_launcher()
    validate_evaluation(config, job.overrides())
    if ranks.rank() == 0:
        log_to()
    if config["predictions"] is not None:
        from agegender.evaluation.audit import audit

        silence_libraries()
        out = None if config["out"] is None else Path(config["out"])
        file, options = Path(config["predictions"]), {"report": config["report"], "show_faces": config["faces"]}
        audit(with_absolute_paths(audited(config)), file, config["part"], out, choices=measured(config), **options)
        return
    if config["folds"] is not None:
        from agegender.evaluation.out_of_fold import evaluate_out_of_fold

        silence_libraries()
        evaluate_out_of_fold(Path(config["folds"]), config["report"], measured(config), config["faces"])
        return
    run = RunDirectory(config["checkpoint"])
    saved = run.read_config()
    validate_saved(saved, run.config)
    run.require_no_links_outside()
    saved |= confined({key: saved[key] for key in ("data", "loader", "split")}, run.path, given={})
    saved = with_absolute_paths(evaluated(saved, config))
    trainer = {"accelerator": config["accelerator"], "devices": config["devices"]}
    if not ranks.started() and (count := ranks.process_count(trainer)) > 1:
        if status := launch("agegender.evaluate", count, run.path):
            raise SystemExit(status)
        return
    others = config.get("data") is not None or bool(config["across"])
    options = {name: config[name] for name in ("seen", "report", "robustness", "crop_curve", "explain", "faces")}
    evaluate(run, saved, config["part"], trainer, others, choices=measured(config), **options)


def evaluate(
    run: RunDirectory,
    config: dict[str, Any],
    split: Literal["train", "val", "test"],
    trainer: Mapping[str, Any] | None = None,
    others: bool = False,
    seen: Literal["refuse", "exclude"] = "refuse",
    report: Literal["html", "none"] = "html",
    faces: bool = False,
    choices: Mapping[str, Any] | None = None,
    robustness: bool | int = False,
    crop_curve: bool | int = False,
    explain: int = 0,
) -> dict[str, Any]:
    """Measures a run's best model on one split of some faces.

    Args:
        run: A run with a best checkpoint.
        config: The run's configuration, for other faces with their ``data``, ``split`` and ``age_range``. Where ``data`` leaves
            ``fit``, ``crop_scale`` or ``outside`` null, they are those of the training.
        split: The split to measure.
        trainer: ``accelerator`` and ``devices`` of Lightning's Trainer; None for the CPU.
        others: The faces are not the run's own.
        seen: Whether to exclude those other faces that are images of the run's train or validation split, or to raise an error.
        report: Whether to write ``report.html`` too.
        faces: Whether the report shows faces, and those that are explained and those with suspicious labels are drawn.
        choices: Arguments of ``agegender.evaluation.options.Options``; None for the defaults.
        robustness: Whether to measure the model on graded changes of the images too, or on how many random faces; see
            ``agegender.data.corruptions``.
        crop_curve: Whether to measure the model at several crop scales too, on the val faces or on how many random ones of
            them. Where a dataset has none, a fifth of the tested faces is used instead and not tested.
        explain: Number of random faces on which the model is explained; see ``agegender.evaluation.explanation``.

    Returns:
        The metrics; empty on other ranks than the first. They are also in ``metrics.json`` in ``evaluation/SPLIT`` of the run
        directory, beside the predictions; for other faces in ``evaluation/DATASET-SPLIT-CHECKSUM``, with the checksum of the
        split and of its images. With several views of each face, the name of the folder ends with their kind; for own faces of
        which a fifth is held out, with ``held-out``.

    Raises:
        AgeGenderError: The run's own faces differ from those of its ``split.csv``, or other faces are among those that
            the model was trained or selected on and are not excluded.
    """
    # Imported here because it takes seconds, and neither help nor a mistake in the configuration needs any of it.
    from agegender.data.assemble import assemble
    from agegender.data.crop_report import (
        difference_warnings,
        image_counts,
        region_kinds,
        source_warnings,
        stretch_warnings,
    )
    from agegender.data.crop_scales import loader_at_scales
    from agegender.data.crops import crop_settings
    from agegender.data.summary import summary
    from agegender.evaluation.crop_curve import advice, measure_crop_curve, scales_of_curve
    from agegender.evaluation.explained_faces import explain_faces
    from agegender.evaluation.explanation import explain_model
    from agegender.evaluation.options import Options
    from agegender.evaluation.recording import record_test
    from agegender.evaluation.report.section import Evidence
    from agegender.evaluation.report.writing import write_report
    from agegender.evaluation.robustness import measure_robustness
    from agegender.evaluation.unseen import require_unseen, require_unseen_before
    from agegender.models.checkpoint import recorded_licenses
    from agegender.runs.leakage import require_same_faces
    from agegender.training.module import AgeGenderModule
    from agegender.training.prediction import predict

    silence_libraries()
    options, views = Options(**(choices or {})), config.get("views", "one")
    trainer = ranks.trainer_arguments(trainer or {"accelerator": "cpu", "devices": 1})
    model = AgeGenderModule.load_from_checkpoint(run.best)
    data = assemble(config, model.crops)
    config = {**config, "data": {**config["data"], **crop_settings(data.crops)}}
    ranks.on_rank_zero("data", data.prepare_data)
    data.setup()
    if not len(data.rows(split)):
        raise AgeGenderError(f"part={split}: the split {data.split_name!r} has no such faces")
    more: dict[str, Any] = {}
    if others:
        more["excluded"] = require_unseen(data, run, split, seen)
        if crop_curve and split != "val":
            require_unseen(data, run, "val", seen)
    else:
        if seen_before := run.read_seen_before():
            excluded = require_unseen_before(data, seen_before, run.seen_before, config.get("seen", "refuse"))
            more |= {"excluded": excluded} if split == "test" else {}
        require_same_faces(run, data.split_csv)
    held_out = bool(crop_curve) and split != "val" and data.hold_out(split)
    if others:
        licenses = {source.name: source.license for source in data.sources.values()}
        log.info("\n".join(summary(data.table, licenses, data.crops, data.split_name, data.split_sha256, data.content_sha256)))
    more["images"] = image_counts(data.table.frame.iloc[data.rows(split)], data.crops)
    if ranks.rank() == 0:
        kinds = region_kinds(data.table.frame), model.hparams["about"].get("regions", {})
        warnings = stretch_warnings(more["images"]) + difference_warnings(more["images"], data.crops, model.crops, *kinds)
        for warning in warnings if crop_curve else [*warnings, *source_warnings(data.crops, model.crops)]:
            log.warning("%s", warning)

    def predicted(rows: Any, change: Any = None) -> Any:
        return predict(model, data.loader_of(rows, change), data.table.frame, trainer, options.legal_ages, views)

    more["views"], used_scales = views, {name: crop.scale for name, crop in data.crops.items()}
    with ranks.one_line_if_connection_lost():
        predictions = predicted(data.rows(split))
        if robustness:
            number = len(predictions) if robustness is True else min(robustness, len(predictions))
            some = predictions.sample(number, random_state=config["seed"]).sort_index()
            changed = partial(predicted, data.rows(split)[some.index])
            more["robustness"], table = measure_robustness(some, changed, model.network.age_classes)
        if crop_curve:
            chosen = data.table.frame.iloc[data.rows("val")]
            if crop_curve is not True:
                chosen = chosen.sample(min(crop_curve, len(chosen)), random_state=config["seed"]).sort_index()
            loader, scaled = loader_at_scales(data, chosen.index.to_numpy(), scales_of_curve(used_scales.values()))
            scaled = predict(model, loader, scaled, trainer, options.legal_ages, views)
            more["crop_curve"], curve = measure_crop_curve(scaled, used_scales, model.network.age_classes, config["seed"])
        ranks.disconnect()
    if ranks.rank() > 0:
        return {}
    name = _folder(data, split, model.crops) if others else f"{split}-held-out" if held_out else split
    out = run.evaluation(name if views == "one" else f"{name}-{views}")
    out.write_split(data.split_csv)
    out.write_config(config)
    if robustness:
        out.write_robustness(table)
    if crop_curve:
        out.write_crop_curve(curve)
    if explain:
        where, shown_in = (data.table.roots, data.crops), out if faces else None
        more["explanation"] = explain_model(model.network, predictions, *where, explain, config["seed"], shown_in)
    selected = split != "test" and not others
    metrics = record_test(
        out, data, {split: predictions}, model.network.age_classes, config["seed"], more,
        options=options, selected=selected, gallery=faces,
    )  # fmt: skip
    for dataset, one in more.get("crop_curve", {}).items():
        log.info("%s", advice(dataset, one))
    if report == "html":
        name = config.get("name") or run.path.resolve().name
        licenses = {source.name: source.license for source in data.sources.values()}
        trained_on = recorded_licenses(model.hparams["about"])
        evidence = Evidence(
            name, metrics, predictions, licenses, trained_on, config, run.read_model(), run.read_versions(),
            roots=data.table.roots if faces else None,
            explained=explain_faces(model.network, predictions, data.table.roots, data.crops) if faces else None,
        )  # fmt: skip
        write_report(out, evidence)
    return metrics


def _folder(data: "FaceDataModule", split: str, trained: "Mapping[str, Crop]") -> str:
    """Name of the folder of an evaluation on other faces; crops that differ from those of the training are in it."""
    parts = [*data.sources, split, data.content_sha256[:8]]
    if any(crop not in trained.values() for crop in data.crops.values()):
        parts += [f"{crop.fit}{crop.scale:g}" for crop in data.crops.values()]
    return "-".join(parts)


if __name__ == "__main__":
    main()

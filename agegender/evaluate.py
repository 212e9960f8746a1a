"""``python -m agegender.evaluate checkpoint=RUN_DIR``: a trained model's figures on its own faces or on others."""

from typing import Any, Literal

from agegender.configuration.command import entry
from agegender.configuration.schema import validate_targets
from agegender.errors import AgeGenderError

Part = Literal["train", "val", "test"]


@entry("evaluate")
def main(config: dict[str, Any]) -> None:
    """Predicts one part with the run's best model and prints and writes the figures."""
    if config["part"] not in ("train", "val", "test"):
        raise AgeGenderError(f"part={config['part']}: allowed: train, val, test")
    others = config.get("data") is not None
    if others:
        validate_targets({key: config[key] for key in ("data", "split")})
    from agegender.runs.run_directory import RunDirectory

    run = RunDirectory(config["checkpoint"])
    saved = run.read_config()
    if config["root"] is not None:
        if len(saved["data"]["sources"]) != 1:
            raise AgeGenderError("root=: this run has several sources; name them all with data=... instead")
        next(iter(saved["data"]["sources"].values()))["root"] = config["root"]
    if config["batch_size"] is not None:
        saved["loader"]["batch_size"] = config["batch_size"]
    if others:
        saved |= {key: config[key] for key in ("data", "split", "age_range")}
    evaluate(run, saved, config["part"], config["accelerator"], others)


def evaluate(run: Any, config: dict[str, Any], part: Part, accelerator: str = "cpu", others: bool = False) -> dict[str, Any]:
    """Measures a run's best model on a part of some data.

    Args:
        run: A ``RunDirectory`` with a best checkpoint.
        config: The run's configuration, with other ``data``, ``split`` and ``age_range`` for other faces.
        part: ``train``, ``val`` or ``test``.
        accelerator: As Lightning's Trainer takes it.
        others: The faces are not the run's own.

    Returns:
        The figures, which are also in ``metrics.json`` under ``evaluation/PART`` (``evaluation/DATA-PART-CHECKSUM``
        for other faces), beside the predictions.

    Raises:
        AgeGenderError: The run's own faces differ from those of its ``split.csv``, or other faces are among those that
            the model was trained or selected on.
    """
    from agegender.data.assemble import assemble
    from agegender.evaluation.plots import draw_test
    from agegender.evaluation.results import baseline, part_metrics, results_table
    from agegender.runs.leakage import require_same_faces, require_unseen_faces
    from agegender.training.log import silence_libraries
    from agegender.training.module import AgeGenderModule
    from agegender.training.testing import predict

    silence_libraries()
    datamodule = assemble(config)
    datamodule.prepare_data()
    datamodule.setup()
    table = datamodule.table.frame
    if not (table["split"] == part).any():
        raise AgeGenderError(f"part={part}: the split {datamodule.split_name!r} has no such faces")
    if others:
        require_unseen_faces(run, table[table["split"] == part])
    else:
        require_same_faces(run, datamodule.split_csv)
    model = AgeGenderModule.load_from_checkpoint(run.best)
    frame = predict(model, datamodule.loader(part), table, {"accelerator": accelerator, "devices": 1})
    figures = part_metrics(frame, config["seed"], model.network.age_classes)
    metrics = {
        "schema": 1,
        "split": {"name": datamodule.split_name, "sha256": datamodule.split_sha256, "part": part, "n": len(frame)},
        part: figures,
        "baseline": baseline(table[table["split"] == "train"], frame),
    }
    name = f"{'-'.join(datamodule.sources)}-{part}-{datamodule.split_sha256[:8]}" if others else part
    out = run.evaluation(name)
    out.write_split(datamodule.split_csv)
    out.write_config(config)
    out.write_predictions(frame)
    draw_test(frame, figures, datamodule.table.roots, out)
    out.write_metrics(metrics)
    print(results_table(metrics))
    print(f"all figures: {out.metrics}")
    return metrics


if __name__ == "__main__":
    main()

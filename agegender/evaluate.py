"""``python -m agegender.evaluate checkpoint=RUN_DIR``: the figures of a trained model on a part of its own data."""

from typing import Any, Literal

from agegender.config import entry
from agegender.errors import AgeGenderError


Part = Literal["train", "val", "test"]


@entry("evaluate")
def main(config: dict[str, Any]) -> None:
    """Predicts one part with the run's best model and prints and writes the figures."""
    from agegender.training.run import RunDirectory

    if config["part"] not in ("train", "val", "test"):
        raise AgeGenderError(f"part={config['part']}: allowed: train, val, test")
    run = RunDirectory(config["checkpoint"])
    saved = run.config()
    if config["root"] is not None:
        if len(saved["data"]["sources"]) != 1:
            raise AgeGenderError("root=: this run has several sources; set each as they were set in training")
        next(iter(saved["data"]["sources"].values()))["root"] = config["root"]
    if config["batch_size"] is not None:
        saved["loader"]["batch_size"] = config["batch_size"]
    evaluate(run, saved, config["part"], config["accelerator"])


def evaluate(run: Any, config: dict[str, Any], part: Part, accelerator: str = "cpu") -> dict[str, Any]:
    """Measures a run's best model on a part of its data.

    Args:
        run: A ``RunDirectory`` with a best checkpoint.
        config: The run's configuration.
        part: ``train``, ``val`` or ``test``.
        accelerator: As Lightning's Trainer takes it.

    Returns:
        The figures, which are also in ``evaluation/PART/metrics.json`` beside the predictions.

    Raises:
        AgeGenderError: The faces found differ from those of the run's ``split.csv``.
    """
    from agegender.data.assemble import assemble
    from agegender.evaluation.results import baseline, part_metrics, results_table
    from agegender.training.run import RunDirectory
    from agegender.training.testing import predict

    datamodule = assemble(config)
    datamodule.prepare_data()
    datamodule.setup()
    _require_same_faces(run, datamodule)
    table = datamodule.table.frame
    if not (table["split"] == part).any():
        raise AgeGenderError(f"part={part}: the run's split has no such faces")
    frame = predict(run.best, datamodule.loader(part), table, {"accelerator": accelerator, "devices": 1})
    metrics = {
        "schema": 1,
        "split": {"name": datamodule.split_name, "sha256": datamodule.split_sha256, "part": part, "n": len(frame)},
        part: part_metrics(frame, config["seed"]),
        "baseline": baseline(table[table["split"] == "train"], frame),
    }
    out = RunDirectory(run.path / "evaluation" / part)
    out.write_json("metrics.json", metrics)
    frame.to_parquet(out.path / "predictions.parquet", index=False)
    print(results_table(metrics, part))
    print(f"all figures: {out.metrics}")
    return metrics


def _require_same_faces(run: Any, datamodule: Any) -> None:
    try:
        expected = (run.path / "split.csv").read_text(encoding="utf-8")
    except OSError as error:
        raise AgeGenderError(f"{run.path}: has no split.csv, so nobody can tell which faces it was trained on") from error
    if expected != datamodule.split_csv:
        then, now = set(expected.splitlines()), set(datamodule.split_csv.splitlines())
        sample = next(iter(sorted(then ^ now)), "")
        raise AgeGenderError(
            f"the faces differ from those of the run: {len(then - now)} rows of split.csv are gone or changed and "
            f"{len(now - then)} are new, such as {sample!r}. Testing on them would not be the run's own test"
        )


if __name__ == "__main__":
    main()

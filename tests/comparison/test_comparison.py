"""Which rows share a table, how they are ranked, and the remarks on a table."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agegender.comparison.comparison import HUMANS, comparisons, record, references
from agegender.comparison.discovery import read
from agegender.comparison.rows import rows_of
from agegender.comparison.tables import as_text
from agegender.comparison.text import sections
from agegender.metrics.registry import shown

Write = Callable[..., Path]


def found(*paths: Path, classes: tuple[int, ...] | None = None) -> list:
    return comparisons(rows_of([read(path) for path in paths])[0], classes)


def text(*paths: Path, left_out: tuple[str, ...] = ()) -> str:
    return as_text(sections(found(*paths), left_out))


def test_only_models_tested_on_the_same_faces_share_a_table_best_first(write_run: Write) -> None:
    worse, better = write_run("a", [3.0, 3.0], name="worse"), write_run("b", [1.0, 1.0], name="better", image_size=1)
    other = write_run("c", [0.1, 0.1], faces="other", name="other", image_size=2)
    tables = [[row.name for row in table.rows] for table in found(worse, better, other)]
    assert tables == [["better", "worse"], ["other"]]
    shown = text(worse, better, other, left_out=("d: not tested",))
    assert "2 tables, because the models were tested on different faces: do not rank across tables" in shown
    assert "d: not tested" in shown
    assert "other -" not in shown and "MAE: better - worse" in shown


def test_mean_and_standard_deviation_over_seeds(write_run: Write) -> None:
    runs = [write_run(f"r{seed}", [error, error], seed=seed) for seed, error in enumerate((1.0, 2.0, 6.0))]
    entry = record(found(*runs)[0].rows[0], ())
    assert (entry["age_mae"], entry["age_mae_sd"]) == pytest.approx((3.0, np.std([1, 2, 6], ddof=1)))
    assert (entry["gap_age_mae"], entry["gap_gender_accuracy"]) == pytest.approx((2.0, 0.1))
    assert (entry["seeds"], entry["n_test"], entry["train_seconds"]) == (3, "2", 121.5)
    assert "3.00 ± 2.65" in text(*runs)
    assert entry["age_class_accuracy"] is None and entry["gender_accuracy"] is None


def test_seeds_with_their_own_splits_are_one_row_with_a_remark(write_run: Write) -> None:
    runs = [
        write_run(f"{m}{s}", [1.0 + m, 2.0], faces=f"s{s}", seed=s, split={"seed": s}, image_size=m)
        for m in (1, 2)
        for s in (0, 1)
    ]
    (table,) = found(*runs)
    assert [len(row.runs) for row in table.rows] == [2, 2] and len(table.rows[0].test_sets) == 2
    shown = text(*runs)
    assert "2 sets of 2 test faces of utkface, one for each split" in shown
    assert "Nadeau and Bengio" in shown and "bootstrap" not in shown


def test_folds_are_one_row_that_is_not_ranked_against_a_single_split(write_run: Write) -> None:
    folds = {"_target_": "agegender.data.folds.Folds", "count": 3, "seed": 0}
    runs = [write_run(f"f{n}", [e, e], faces=f"f{n}", split={**folds, "number": n}) for n, e in enumerate((1.0, 2.0, 6.0))]
    runs.append(write_run("single", [0.5, 0.5], faces="s", image_size=1))
    tables = found(*runs)
    assert [len(table.rows) for table in tables] == [1, 1]
    entry = record(tables[0].rows[0], ())
    assert (entry["age_mae"], entry["age_mae_sd"]) == pytest.approx((3.0, np.std([1, 2, 6], ddof=1)))
    assert (entry["seeds"], entry["folds"]) == (1, "3 of 3")
    shown = text(*runs)
    assert "3 sets of 2 test faces of utkface, one for each fold" in shown and "3.00 ± 2.65" in shown and "3 of 3" in shown
    assert "do not rank across tables" in shown


def test_a_fold_that_other_rows_lack_is_named(write_run: Write) -> None:
    folds = {"_target_": "agegender.data.folds.Folds", "count": 2, "seed": 0}
    runs = [write_run(f"f{n}", [1.0, 2.0], faces=f"f{n}", split={**folds, "number": n}) for n in (0, 1)]
    runs.append(write_run("g0", [3.0, 4.0], faces="f0", split={**folds, "number": 0}, image_size=1))
    shown = text(*runs)
    assert "other rows were not tested on these faces: fold 1 of image_size=64" in shown and "1 of 2" in shown


def test_the_named_statistical_method_depends_on_the_number_of_seeds(write_run: Write) -> None:
    one = write_run("a", [1.0, 2.0]), write_run("b", [1.0, 3.0], image_size=1)
    assert "THE VARIATION OVER SEEDS IS NOT COUNTED" in text(*one)
    two = *one, write_run("c", [1.0, 2.5], seed=1)
    few = "pooled over all rows with several (1 degrees of freedom; more seeds would make it more sensitive)"
    assert f"{few} and assumed for the rows with one. p" in text(*two)
    more = [write_run(f"d{seed}", [1.0, 3.5], seed=seed, image_size=1) for seed in range(1, 4)]
    assert "pooled over all rows with several (4 degrees of freedom). p" in text(*two, *more)


def test_common_facts_are_in_one_line_and_different_ones_in_a_column(write_run: Write) -> None:
    shown = text(write_run("a", [1.0, 2.0]), write_run("b", [1.0, 3.0], age_range=[0, 90]))
    assert "All rows: trained on utkface, split random, checksum face00000000, n train/val/test 100/10/2." in shown
    assert "0-116" in shown and "0-90" in shown


def test_constant_predictions_and_people_are_rows_below_the_models(write_run: Write) -> None:
    (table,) = found(write_run("a", [1.0, 2.0]))
    assert references(table) == [
        {
            "name": "predicting median and majority",
            **{metric.key: None for metric in shown("table")},
            "age_mae": 15.0,
            "age_distance": 15.0,
        },
        {"name": HUMANS[0], "age_mae": (7.2, 7.4)},
    ]
    assert "7.2 to 7.4" in as_text(sections([table], ()))
    drawn = write_run("b", [1.0], data={"sources": {"toyfaces": {}}})
    assert len(references(found(drawn)[0])) == 1


def test_rows_are_compared_on_the_splits_they_share(write_run: Write) -> None:
    def run(model: str, seed: int, error: float) -> Path:
        place, faces = f"{model}{seed}", f"split{seed}"
        return write_run(place, [error, error], faces=faces, seed=seed, split={"seed": seed}, name=model, image_size=ord(model))

    runs = [run("a", s, 1.0 + s) for s in range(3)] + [run("b", s, 1.5 + s) for s in range(3)] + [run("c", 1, 1.75)]
    tables = found(*runs)
    held = {tuple((row.name, len(row.runs), len(row.unshared)) for row in table.rows) for table in tables}
    assert held == {(("a", 3, 0), ("b", 3, 0)), (("c", 1, 0), ("a", 1, 2), ("b", 1, 2))}
    shown = text(*runs)
    assert "other rows were not tested on these faces: seed 0, 2 of a." in shown
    assert "3 sets of 2 test faces" in shown and "2 tables" in shown
    # one seed less of b: no table of a alone, whose third split nobody shares
    assert [len(table.rows) for table in found(*runs[:5])] == [2]
    assert [len(row.runs) for row in found(*runs[:5])[0].rows] == [2, 2]


def test_rows_with_the_same_age_classes_are_ranked_by_class_accuracy(write_run: Write) -> None:
    four = {"_target_": "x.AgeBins", "edges": [0, 26, 51, 76]}
    near = write_run("near", [5.7] * 3, head=four, name="near")  # 25.7, 26.7, 27.7: all in the next class
    far = write_run("far", [-15.0] * 3, head=four, name="far", image_size=1)
    (table,) = found(near, far)
    assert [row.name for row in table.rows] == ["far", "near"]
    assert "age class accuracy: of the predicted age, by which the rows are ranked" in text(near, far)
    plain = write_run("plain", [-20.0] * 3, name="plain", image_size=2)
    assert [row.name for row in found(near, far, plain)[0].rows] == ["near", "far", "plain"]


def test_class_accuracy_has_a_gap_and_a_majority_baseline(write_run: Write) -> None:
    folder = write_run("a", [0.0] * 10, head={"edges": [0, 26, 51]})
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["train"]["age_class_accuracy"] = 0.9
    metrics["val"]["age_class_accuracy"] = 0.75
    (folder / "metrics.json").write_text(json.dumps(metrics))
    rows = ["train,18,18", "train,20,24", "train,60,60", "train,20,40", "test,20,20", "test,30,30", "test,31,31", "test,,"]
    (folder / "split.csv").write_text("\n".join(["split,age_low,age_high", *rows]) + "\n")
    (table,) = found(folder)
    assert record(table.rows[0], table.classes)["gap_age_class_accuracy"] == pytest.approx(0.15)
    assert references(table)[0]["age_class_accuracy"] == pytest.approx(1 / 3)
    assert "+15.00%" in text(folder) and "33.33%" in text(folder)
    assert record(table.rows[0], (0, 50))["gap_age_class_accuracy"] is None  # not what was measured in training
    (folder / "split.csv").write_text("odd\n1\n")
    assert references(table)[0]["age_class_accuracy"] is None


def test_models_without_an_age_task_are_ranked_by_gender(write_run: Write) -> None:
    right = [[True, False, False], [True, True, False]]
    runs = [write_run(str(n), [0.0] * 3, right=one, age=False, image_size=n, name=f"n{n}") for n, one in enumerate(right)]
    assert [row.name for row in found(*runs)[0].rows] == ["n1", "n0"]
    shown = text(*runs)
    assert "66.67%" in shown and "MAE" not in shown.split("How to read this")[0]


def test_a_test_on_other_data_is_in_the_table_of_that_data(write_run: Write) -> None:
    def data(name: str) -> dict[str, Any]:
        return {"sources": {name: {"_target_": f"agegender.sources.{name}", "root": f"/{name}"}}}

    paper = {"title": "T", "metrics": {"test": {"age_mae": 1.0}}}
    write_run("visitor", [9.0], name="one", data=data("utkface"), paper=paper)
    visit = write_run("visitor/evaluation/fairface-test", [2.0], faces="f", name="one", data=data("fairface"), paper=paper)
    home = write_run("home", [3.0], faces="f", name="one", data=data("fairface"))
    (table,) = found(home, visit)
    assert [row.name for row in table.rows] == ["one: trained on utkface", "one: trained on fairface"]
    shown = text(home, visit)
    assert shown.startswith("1 test faces of fairface") and "Beside the papers" not in shown
    own = found(visit.parents[1], visit)
    assert [len(one.rows) for one in own] == [1, 1] and "2 tables" in text(visit.parents[1], visit)


def test_a_remark_says_that_train_time_excludes_the_features_of_a_frozen_backbone(write_run: Write) -> None:
    frozen = {"frozen": {"_target_": "agegender.training.finetuning.stages.Frozen", "views": None}}
    flip = {"_target_": "agegender.data.augment.Flip"}
    runs = [
        write_run("a", [1.0], name="a", finetune=frozen),
        write_run("b", [1.0], name="b", finetune={}),
        write_run("c", [1.0], name="c", finetune=frozen, augment=flip),  # the backbone ran in every epoch
        write_run("d", [1.0], name="d", finetune={"frozen": {**frozen["frozen"], "views": 2}}, augment=flip),
    ]
    assert "without the single pass that computes the features of a frozen backbone: a, d." in text(*runs)


def test_the_classes_of_the_heads_are_used_if_they_agree(write_run: Write) -> None:
    four, plain = {"_target_": "x.AgeBins", "edges": [0, 26, 51, 76]}, {"_target_": "x.DLDL"}
    runs = write_run("a", [0.0, 9.0], head=four), write_run("b", [9.0, 9.0], head=plain)
    (table,) = found(*runs)
    assert table.classes == (0, 26, 51, 76)
    assert [record(row, table.classes)["age_class_accuracy"] for row in table.rows] == [0.5, 0.0]
    nine = write_run("c", [0.0, 0.0], head={**four, "edges": [0, 10]})
    assert found(*runs, nine)[0].classes == ()
    assert found(*runs, nine, classes=(0, 50))[0].classes == (0, 50)


def test_rows_without_predictions_are_named(write_run: Write) -> None:
    shown = text(write_run("a", [1.0], predictions=False, name="a"), write_run("b", [2.0], predictions=False, image_size=1))
    assert "Without predictions" in shown and "no difference is tested: a, image_size=1" in shown
    assert "Larger than chance?" not in shown


def test_long_names_are_replaced_by_numbers_and_of_many_pairs_only_those_of_the_best_row_are_shown(write_run: Write) -> None:
    runs = [write_run(str(n), [1.0 + n, 2.0], name="n" * 40 + str(n), image_size=n) for n in range(9)]
    shown = text(*runs)
    assert "[1] " + "n" * 40 + "0" in shown and "MAE: [1] - [9]" in shown and "MAE: [2] - [3]" not in shown
    assert re.search(r"Only pairs with \[1\]; all \d\d+ are in differences\.csv", shown)
    longer = [write_run(f"x{n}", [1.0 + n, 2.0], name="n" * 80 + str(n), image_size=n) for n in range(2)]
    lines = text(*longer).splitlines()
    assert [line for line in lines if "n" * 80 + "0" in line] == ["[1] " + "n" * 80 + "0"]  # above the table


def test_a_metric_that_an_old_run_did_not_record_is_measured_from_its_predictions(write_run: Write) -> None:
    folder = write_run("a", [1.0, -4.0, 9.0])
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["test"]["age_rmse"], metrics["test"]["age_cs5"]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (table,) = found(folder)
    entry = record(table.rows[0], ())
    assert (entry["age_rmse"], entry["age_cs5"]) == pytest.approx(((98 / 3) ** 0.5, 2 / 3))
    (folder / "predictions.parquet").unlink()
    assert record(found(folder)[0].rows[0], ())["age_rmse"] is None

"""Tables hold what was tested on the same faces, and say what everybody must know of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agegender.config import compose
from agegender.evaluation.comparison import HUMANS, comparisons, record, references
from agegender.evaluation.comparison_text import sections
from agegender.evaluation.reading import read
from agegender.evaluation.rows import rows_of
from agegender.evaluation.tables import as_text

Write = Callable[..., Path]
PAPER = {"title": "Ages",
         "figures": {"test": {"class_accuracy": 0.7238, "mae": 3.45, "recall_female": 0.5}, "val": {"cs5": 0.9}},
         "protocol": {"data": ["utkface"], "n": {"test": 3556}, "epochs": 5, "notes": ["subset unpublished"]}}  # fmt: skip


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
    assert "2 tables, because their models were tested on different faces: do not rank across tables" in shown
    assert "d: not tested" in shown
    assert "other -" not in shown and "MAE: better - worse" in shown


def test_mean_and_standard_deviation_over_seeds(write_run: Write) -> None:
    runs = [write_run(f"r{seed}", [error, error], seed=seed) for seed, error in enumerate((1.0, 2.0, 6.0))]
    entry = record(found(*runs)[0].rows[0], ())
    assert (entry["mae"], entry["mae_sd"]) == pytest.approx((3.0, np.std([1, 2, 6], ddof=1)))
    assert (entry["gap_mae"], entry["gap_gender_accuracy"]) == pytest.approx((2.0, 0.1))
    assert (entry["seeds"], entry["n_test"], entry["train_seconds"]) == (3, "2", 121.5)
    assert "3.00 ± 2.65" in text(*runs)
    assert entry["class_accuracy"] is None and entry["gender_accuracy"] is None


def test_a_split_for_each_seed_is_one_row_that_says_so(write_run: Write) -> None:
    runs = [
        write_run(f"{m}{s}", [1.0 + m, 2.0], faces=f"s{s}", seed=s, split={"seed": s}, image_size=m)
        for m in (1, 2)
        for s in (0, 1)
    ]
    (table,) = found(*runs)
    assert [len(row.runs) for row in table.rows] == [2, 2] and len(table.rows[0].test_sets) == 2
    shown = text(*runs)
    assert "2 sets of 2 test faces of utkface, a set for each split" in shown
    assert "Nadeau and Bengio" in shown and "bootstrap" not in shown


def test_how_chance_was_judged_depends_on_the_seeds(write_run: Write) -> None:
    one = write_run("a", [1.0, 2.0]), write_run("b", [1.0, 3.0], image_size=1)
    assert "THE CHANCE OF ANOTHER SEED IS NOT COUNTED" in text(*one)
    two = *one, write_run("c", [1.0, 2.5], seed=1)
    assert "pooled over all rows with several and taken to be that of the rows with one. p" in text(*two)
    assert "pooled over all rows with several. p" in text(*two, write_run("d", [1.0, 3.5], seed=1, image_size=1))


def test_what_all_rows_share_is_said_once_and_what_differs_is_a_column(write_run: Write) -> None:
    shown = text(write_run("a", [1.0, 2.0]), write_run("b", [1.0, 3.0], age_range=[0, 90]))
    assert "All rows: trained on utkface, split random, checksum face00000000, n train/val/test 100/10/2." in shown
    assert "0-116" in shown and "0-90" in shown


def test_guessing_and_people_are_references_below_the_models(write_run: Write) -> None:
    (table,) = found(write_run("a", [1.0, 2.0]))
    assert references(table) == [
        {
            "name": "guessing median and majority",
            "mae": 15.0,
            "distance": 15.0,
            "gender_accuracy": None,
            "class_accuracy": None,
        },
        {"name": HUMANS[0], "mae": (7.2, 7.4)},
    ]
    assert "7.2 to 7.4" in as_text(sections([table], ()))
    drawn = write_run("b", [1.0], data={"sources": {"toyfaces": {}}})
    assert len(references(found(drawn)[0])) == 1


def test_the_classes_of_the_heads_are_taken_where_they_agree(write_run: Write) -> None:
    four, plain = {"_target_": "x.AgeBins", "edges": [0, 26, 51, 76]}, {"_target_": "x.DLDL"}
    runs = write_run("a", [0.0, 9.0], head=four), write_run("b", [9.0, 9.0], head=plain)
    (table,) = found(*runs)
    assert table.classes == (0, 26, 51, 76)
    assert [record(row, table.classes)["class_accuracy"] for row in table.rows] == [0.5, 0.0]
    nine = write_run("c", [0.0, 0.0], head={**four, "edges": [0, 10]})
    assert found(*runs, nine)[0].classes == ()
    assert found(*runs, nine, classes=(0, 50))[0].classes == (0, 50)


def test_a_papers_figures_stand_beside_ours_with_a_mark(write_run: Write) -> None:
    shown = text(write_run("a", [2.0] * 20, name="ours", paper=PAPER, head={"edges": [0, 26, 51, 76]}))
    assert "MAE 3.45, class 72.38% ≠" in shown
    lines = [line.split() for line in shown.splitlines() if line.startswith("ours")]
    assert ["ours", "test", "MAE", "3.45", "2.00", "≠"] in lines
    # 24 and 25 become 26 and 27
    assert ["ours", "test", "class", "72.38%", "90.00%", "3,556/20", "0.0785", "no", "≠"] in lines
    assert ["ours", "test", "recall", "female", "50.00%", "≠"] in lines
    assert ["ours", "val", "CS@5", "90.00%", "≠"] in lines
    assert "differs: n test 3,556, ours 20; agrees: data utkface, epochs 5; the paper does not say: fractions" in shown
    assert "to be judged by a person: subset unpublished" in shown


def test_figures_of_one_paper_are_held_against_each_other(write_run: Write) -> None:
    """The four-class paper ranks 72.38% above 72.27% and 70.58%: on some 3,556 faces none of it is more than chance."""
    names = ("age4_resnet50", "age4_efficientnet_b0", "age4_mobilenetv2")
    papers = {name: compose([f"experiment={name}", "data.root=/faces"])["paper"] for name in names}
    runs = [write_run(name, [1.0], name=name, image_size=n, paper=papers[name]) for n, name in enumerate(names)]
    other = write_run("other", [1.0], name="other_paper", image_size=9, paper={**papers[names[0]], "title": "Others"})
    lines = text(*runs, other).splitlines()
    pairs = [line for line in lines if line.startswith("test class: ")]
    assert "test class: ResNet50 72.38% (n=3,556), EfficientNet-B0 72.27% (n=3,556)" in pairs[0]
    assert len(pairs) == 3 and all(line.endswith(" no") for line in pairs)


def test_what_flatters_or_cannot_be_tested_is_said(write_run: Write) -> None:
    shown = text(write_run("a", [1.0], predictions=False, name="a"), write_run("b", [2.0], predictions=False, image_size=1))
    assert "Without predictions" in shown and "no difference can be tested: a, image_size=1" in shown
    assert "Larger than chance?" not in shown


def test_long_names_are_numbered_and_many_pairs_cut_to_those_of_the_best(write_run: Write) -> None:
    runs = [write_run(str(n), [1.0 + n, 2.0], name="n" * 40 + str(n), image_size=n) for n in range(9)]
    shown = text(*runs)
    assert "[1] " + "n" * 40 + "0" in shown and "MAE: [1] - [9]" in shown and "MAE: [2] - [3]" not in shown
    assert "Only pairs with [1]; all 36 are in differences.csv" in shown

"""The model card: what a reader must know, and nothing that a name could inject."""

import re
from collections.abc import Callable

import pandas as pd
from markdown_it import MarkdownIt

from agegender.evaluation.report.model_card import model_card
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.writing import report_sections

Make = Callable[..., Evidence]


def card(evidence: Evidence) -> str:
    return model_card(evidence, report_sections(evidence))


def test_the_card_says_what_labels_mean_and_names_every_use(evidence: Evidence) -> None:
    text = card(evidence)
    assert "binary" in text and "appearance" in text and "partly" in text
    uses = re.findall(r"^\| ([\w ]+) \| (yes|no|not alone) \|", text, re.M)
    assert {name for name, answer in uses if answer == "no"} == {
        "surveillance", "retail analytics", "health", "forensics", "advertising", "access control"
    }  # fmt: skip
    assert ("age gate", "not alone") in uses and ("research", "yes") in uses
    assert "ab" * 32 in text and "free for any use" in text


def test_numbers_are_those_of_the_metrics(evidence: Evidence) -> None:
    values = evidence.values
    [row] = re.findall(r"^\| MAE \| (.*)$", card(evidence), re.M)
    assert row.startswith(f"{values['age_mae']:.2f} years")
    rows = re.findall(r"^\| ((?:Asian|Black|Indian|White) (?:fe)?male) \| (\d+) \|", card(evidence), re.M)
    assert {name: int(n) for name, n in rows} == {name: row["n"] for name, row in values["by_group"]["race_gender"].items()}


def test_every_table_has_as_many_cells_as_columns(evidence: Evidence) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", card(evidence), re.M)
    assert len(blocks) >= 6
    for block in blocks:
        lines = block.splitlines()
        assert set(lines[1]) == {"|", "-"}
        cells = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
        assert len(set(cells)) == 1, block


def test_names_are_escaped(estimated: pd.DataFrame, make_evidence: Make) -> None:
    hostile = "a|b [x](http://evil) <script> `c`\n# heading"
    evidence = make_evidence(estimated.assign(race=hostile), name=hostile, licenses={hostile: hostile})
    html = MarkdownIt("gfm-like").render(card(evidence))
    assert "<a " not in html and "<script" not in html and "<code" not in html
    assert html.count("<h1>") == 1 and "a|b [x](http://evil) &lt;script&gt; `c`\\n# heading" in html


def test_training_data_are_named_if_known(evidence: Evidence, estimated: pd.DataFrame, make_evidence: Make) -> None:
    assert "The training data are not known" in card(evidence)
    text = card(make_evidence(estimated, trained_on={"learned": "research only"}))
    assert "- learned: research only" in text and "not known" not in text

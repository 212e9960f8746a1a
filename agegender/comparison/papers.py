"""Metrics that papers print, beside ours and against each other, as text and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from agegender.comparison.comparison import Comparison, over_seeds, published
from agegender.comparison.differences import LEVEL
from agegender.comparison.per_face import per_face_of
from agegender.comparison.protocol import Agreement, beside
from agegender.comparison.rows import Row
from agegender.comparison.tables import Section, TextTable
from agegender.comparison.wording import comparisons, labels, p_value, yes
from agegender.metrics.chance import holm, two_proportions
from agegender.metrics.metric import Metric


@dataclass(frozen=True)
class Beside:
    """A value that a paper prints, and ours.

    Args:
        name: Of the row.
        split: Of the paper's value.
        metric: Of both.
        theirs: The paper's.
        ours: None if we did not measure it.
        remark: On ours: another epoch or another split.
        mark: Whether the protocols agree.
        n: Labelled faces of theirs and ours, if the difference can be tested; else None.
    """

    name: str
    split: str
    metric: Metric
    theirs: float
    ours: float | None
    remark: str
    mark: str
    n: tuple[int, int] | None

    @property
    def p(self) -> float | None:
        """P-value for equal proportions; None if the difference cannot be tested."""
        return None if self.n is None or self.ours is None else two_proportions(self.ours, self.n[1], self.theirs, self.n[0])


def papers(found: Sequence[Comparison]) -> list[Section]:
    """A section on the rows that follow a paper; no section if there are none.

    A row in several tables is taken from the one in which it has most seeds.
    """
    chosen: dict[tuple[int, str], tuple[int, Row]] = {}
    for number, row in ((number, row) for number, comparison in enumerate(found) for row in comparison.rows if row.paper):
        key = id(row.settings), row.apart
        if key not in chosen or len(row.runs) > len(chosen[key][1].runs):
            chosen[key] = number, row
    if not chosen:
        return []
    rows = sorted(chosen.values(), key=lambda one: str((one[1].paper or {}).get("title")))
    rows = _called(rows, [labels([row.name for row in comparison.rows]) for comparison in found])
    agreements = [beside(row.paper or {}, row.runs[0]) for _, row in rows]
    lines = [line for (n, row), one in zip(rows, agreements, strict=True) for line in _beside(row, found[n].classes, one)]
    section = Section("Beside the papers")
    section.content.append(
        "Protocols: ≠ an item differs; ? what the paper says agrees, but it leaves items out; = every item agrees."
    )
    verdicts = [p for line in lines if (p := line.p) is not None]
    corrected = iter(holm(verdicts))
    if verdicts:
        section.content.append(
            "Larger than chance? Test of two proportions, where both numbers of faces are known and the data are the same. "
            f"Training metrics are not tested. p corrected for {comparisons(len(verdicts))} (Holm), yes below {LEVEL}. The "
            "variation over our seeds is not counted."
        )
    body = [_cells(line, next(corrected) if line.p is not None else None) for line in lines]
    titles = ["model", "split", "metric", "paper", "ours", "n paper/ours", "p corrected", "larger than chance", "protocol"]
    used = [column for column in range(len(titles)) if any(cells[column] for cells in body)]
    if body:
        section.content.append(TextTable([titles[c] for c in used], [[cells[c] for c in used] for cells in body]))
    section.content += [_agreement_line(row, agreement) for (_, row), agreement in zip(rows, agreements, strict=True)]
    section.content += _published_pairs([row for _, row in rows])
    return [section]


def _called(rows: Sequence[tuple[int, Row]], called: Sequence[Mapping[str, str]]) -> list[tuple[int, Row]]:
    """Rows under the labels of their tables, with the number of the table if the label alone is ambiguous."""
    names = [called[number][row.name] for number, row in rows]
    tables = [f" of table {number + 1}" if len(called) > 1 else "" for number, _ in rows]
    return [
        (number, replace(row, name=name + (table if names.count(name) > 1 or name.startswith("[") else "")))
        for (number, row), name, table in zip(rows, names, tables, strict=True)
    ]


def _beside(row: Row, classes: Sequence[int], agreement: Agreement) -> list[Beside]:
    result = []
    run = row.runs[0]
    protocol = (row.paper or {}).get("protocol") or {}
    same_data = protocol.get("data") is None or not any(item.startswith("data ") for item in agreement.differs)
    for split, metric, theirs in published(row):
        own_split = run.tested if split == "test" and not run.count("test") else split
        last = protocol.get("epoch") == "last" and split != "test"
        ours = over_seeds(row, metric, classes, own_split, last)[0]
        remark = f"our {own_split} split" if own_split != split else "last epoch" if last else ""
        n = None
        if metric.is_proportion and ours is not None and split != "train" and own_split == split and same_data:
            n = _labelled(row, metric, classes, split)
        result.append(Beside(row.name, split, metric, theirs, ours, remark, agreement.mark, n))
    return result


def _labelled(row: Row, metric: Metric, classes: Sequence[int], split: str) -> tuple[int, int] | None:
    """Number of labelled faces behind the paper's value and behind ours; None if either is unknown."""
    theirs, run = _faces_of_paper(row, split), row.runs[0]
    numbers = per_face_of(run, metric, classes, split)
    ours = run.count(split) if numbers is None else int((numbers == numbers).sum())
    return (theirs, ours) if theirs and ours else None


def _faces_of_paper(row: Row, split: str) -> int | None:
    return (((row.paper or {}).get("protocol") or {}).get("n") or {}).get(split)


def _cells(line: Beside, corrected: float | None) -> list[str]:
    ours = "" if line.ours is None else line.metric.text(line.ours) + (f" ({line.remark})" if line.remark else "")
    return [
        line.name, line.split, line.metric.title, line.metric.text(line.theirs), ours,
        "" if line.n is None else f"{line.n[0]:,}/{line.n[1]:,}",
        "" if corrected is None else p_value(corrected), "" if corrected is None else yes(corrected < LEVEL), line.mark,
    ]  # fmt: skip


def _agreement_line(row: Row, agreement: Agreement) -> str:
    paper = row.paper or {}
    kinds = [
        ("differs", agreement.differs), ("agrees", agreement.same), ("the paper does not say", agreement.unsaid),
        ("to be judged by a person", agreement.notes),
    ]  # fmt: skip
    said = "; ".join(f"{words}: {', '.join(items)}" for words, items in kinds if items)
    system = f", {paper['system']}" if paper.get("system") else ""
    return f"{row.name} {agreement.mark} {paper.get('title')}{system}. {said}."


def _published_pairs(rows: Sequence[Row]) -> list[str | TextTable]:
    """Compares the values that one paper prints for several systems.

    Several of our rows may follow the same system. Its value is used once.
    """
    printed: dict[tuple[str, str, Metric], dict[str, tuple[float, int]]] = {}
    for row in sorted(rows, key=lambda row: not (row.paper or {}).get("system")):
        paper = row.paper or {}
        for split, metric, value in published(row):
            count = _faces_of_paper(row, split)
            if not metric.is_proportion or split == "train" or not count:
                continue
            systems = printed.setdefault((str(paper.get("title")), split, metric), {})
            if paper.get("system") or (value, count) not in systems.values():  # without a name, another value is another system
                systems.setdefault(paper.get("system") or row.name, (value, count))
    pairs = [
        (split, metric, first, second)
        for (_, split, metric), systems in printed.items() for first, second in combinations(systems.items(), 2)
    ]  # fmt: skip
    if not pairs:
        return []
    p_values = [two_proportions(*first, *second) for _, _, (_, first), (_, second) in pairs]
    body = [
        [f"{split} {metric.title}: {a} {metric.text(x)} (n={n:,}), {b} {metric.text(y)} (n={m:,})",
         p_value(p), p_value(corrected), yes(corrected < LEVEL)]
        for (split, metric, (a, (x, n)), (b, (y, m))), p, corrected in zip(pairs, p_values, holm(p_values), strict=True)
    ]  # fmt: skip
    return [
        "Published values of one paper against each other: test of two proportions, as if each system had been tested on other "
        f"faces, since their predictions are unpublished; p corrected for {comparisons(len(pairs))} (Holm).",
        TextTable(["published", "p", "p corrected", "larger than chance"], body),
    ]

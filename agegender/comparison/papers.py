"""What papers print, beside ours and against each other, in words and tables that a person reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from agegender.comparison.comparison import Comparison, over_seeds, published
from agegender.comparison.differences import LEVEL
from agegender.comparison.per_face import per_face
from agegender.comparison.protocol import Agreement, beside
from agegender.comparison.rows import Row
from agegender.comparison.tables import Section, Table
from agegender.comparison.wording import comparisons, labels, p_value, title, value, yes
from agegender.metrics.chance import holm, two_proportions

JUDGED = ("cs5", "class_accuracy", "gender_accuracy")  # means of right and wrong: their chance follows from n alone


@dataclass(frozen=True)
class Beside:
    """A paper's figure and ours.

    Args:
        name: Of the row.
        part: Of the paper's figure.
        figure: Its name.
        theirs: The paper's.
        ours: None where we measured none.
        remark: On ours: whose epoch, or which other part.
        mark: Of the protocols.
        n: Labelled faces of theirs and ours, where chance can be judged; else None.
    """

    name: str
    part: str
    figure: str
    theirs: float
    ours: float | None
    remark: str
    mark: str
    n: tuple[int, int] | None

    @property
    def p(self) -> float | None:
        """Of the two shares being one."""
        return None if self.n is None or self.ours is None else two_proportions(self.ours, self.n[1], self.theirs, self.n[0])


def papers(found: Sequence[Comparison]) -> list[Section]:
    """A section on all rows that follow a paper, or none; a row in several tables is taken from that with most seeds."""
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
        "≠ the protocols are known to differ; ? the paper says too little to tell; = all that it says agrees."
    )
    verdicts = [p for line in lines if (p := line.p) is not None]
    corrected = iter(holm(verdicts))
    if verdicts:
        section.content.append(
            f"Larger than chance? Two proportions, of n faces each, where both are known and of the same data; not of training "
            f"figures. p corrected for {comparisons(len(verdicts))} (Holm), yes below {LEVEL}. Our seeds are not counted."
        )
    body = [_cells(line, next(corrected) if line.p is not None else None) for line in lines]
    titles = ["model", "part", "figure", "paper", "ours", "n paper/ours", "p corrected", "larger than chance", "protocol"]
    used = [column for column in range(len(titles)) if any(cells[column] for cells in body)]
    if body:
        section.content.append(Table([titles[c] for c in used], [[cells[c] for c in used] for cells in body]))
    section.content += [_agreement_line(row, agreement) for (_, row), agreement in zip(rows, agreements, strict=True)]
    section.content += _published_pairs([row for _, row in rows])
    return [section]


def _called(rows: Sequence[tuple[int, Row]], called: Sequence[Mapping[str, str]]) -> list[tuple[int, Row]]:
    """Rows under the labels of their tables, which are named where labels are not enough."""
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
    for part, name, theirs in published(row):
        own_part = run.part if part == "test" and not run.count("test") else part
        last = protocol.get("epoch") == "last" and part != "test"
        ours = over_seeds(row, name, classes, own_part, last)[0]
        remark = f"our {own_part} part" if own_part != part else "last epoch" if last else ""
        n = None
        if name in JUDGED and ours is not None and part != "train" and own_part == part and same_data:
            n = _labelled(row, name, classes, part)
        result.append(Beside(row.name, part, name, theirs, ours, remark, agreement.mark, n))
    return result


def _labelled(row: Row, name: str, classes: Sequence[int], part: str) -> tuple[int, int] | None:
    """Faces that the paper's figure and ours are a share of."""
    theirs, run = _faces_of_paper(row, part), row.runs[0]
    faces = per_face("mae" if name == "cs5" else name, run.faces(part), classes)
    ours = run.count(part) if faces is None else int((faces == faces).sum())
    return (theirs, ours) if theirs and ours else None


def _faces_of_paper(row: Row, part: str) -> int | None:
    return (((row.paper or {}).get("protocol") or {}).get("n") or {}).get(part)


def _cells(line: Beside, corrected: float | None) -> list[str]:
    ours = "" if line.ours is None else value(line.figure, line.ours) + (f" ({line.remark})" if line.remark else "")
    return [
        line.name, line.part, title(line.figure), value(line.figure, line.theirs), ours,
        "" if line.n is None else f"{line.n[0]:,}/{line.n[1]:,}",
        "" if corrected is None else p_value(corrected), "" if corrected is None else yes(corrected < LEVEL), line.mark,
    ]  # fmt: skip


def _agreement_line(row: Row, agreement: Agreement) -> str:
    paper = row.paper or {}
    parts = [
        ("differs", agreement.differs), ("agrees", agreement.same), ("the paper does not say", agreement.unsaid),
        ("to be judged by a person", agreement.notes),
    ]  # fmt: skip
    said = "; ".join(f"{words}: {', '.join(items)}" for words, items in parts if items)
    system = f", {paper['system']}" if paper.get("system") else ""
    return f"{row.name} {agreement.mark} {paper.get('title')}{system}. {said}."


def _published_pairs(rows: Sequence[Row]) -> list[str | Table]:
    """Figures that one paper prints for several systems, against each other; variants of one system print the same."""
    printed: dict[tuple[str, str, str], dict[str, tuple[float, int]]] = {}
    for row in sorted(rows, key=lambda row: not (row.paper or {}).get("system")):
        paper = row.paper or {}
        for part, name, number in published(row):
            count = _faces_of_paper(row, part)
            if name not in JUDGED or part == "train" or not count:
                continue
            systems = printed.setdefault((str(paper.get("title")), part, name), {})
            if paper.get("system") or (number, count) not in systems.values():  # who says no system is another by its figure
                systems.setdefault(paper.get("system") or row.name, (number, count))
    pairs = [
        (part, name, first, second)
        for (_, part, name), systems in printed.items() for first, second in combinations(systems.items(), 2)
    ]  # fmt: skip
    if not pairs:
        return []
    p_values = [two_proportions(*first, *second) for _, _, (_, first), (_, second) in pairs]
    body = [
        [f"{part} {title(name)}: {a} {value(name, x)} (n={n:,}), {b} {value(name, y)} (n={m:,})",
         p_value(p), p_value(corrected), yes(corrected < LEVEL)]
        for (part, name, (a, (x, n)), (b, (y, m))), p, corrected in zip(pairs, p_values, holm(p_values), strict=True)
    ]  # fmt: skip
    return [
        "Published figures of one paper against each other: two proportions, as if each had been tested on faces of its own "
        f"(nobody has the predictions); p corrected for {comparisons(len(pairs))} (Holm).",
        Table(["published", "p", "p corrected", "larger than chance"], body),
    ]

"""Comparisons in words and tables that a person reads."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

from agegender.evaluation.comparison import (
    HUMANS,
    HUMANS_NOTE,
    Comparison,
    Record,
    over_seeds,
    protocol_of,
    published,
    record,
    references,
)
from agegender.evaluation.differences import LEVEL, Pair
from agegender.evaluation.results import CAVEAT
from agegender.evaluation.rows import Row
from agegender.evaluation.tables import Section, Table
from agegender.metrics.chance import DRAWS, holm, two_proportions

PAIRS_SHOWN = 30
LONG = 32  # characters of a name that is not repeated for each pair
SHARES = ("cs5", "gender_accuracy", "class_accuracy")
TITLES = {"mae": "MAE", "distance": "years off", "rmse": "RMSE", "cs5": "CS@5", "gender_accuracy": "gender",
          "class_accuracy": "class"}  # fmt: skip


def sections(found: Sequence[Comparison], left_out: Sequence[str]) -> list[Section]:
    """One section a set of test faces, then papers, then what was left out and how to read it all."""
    result = [_comparison(number, comparison, len(found)) for number, comparison in enumerate(found, 1)]
    rows = [(row, comparison) for comparison in found for row in comparison.rows]
    result += _papers([pair for pair in rows if pair[0].paper])
    if left_out:
        result.append(Section("Left out", list(left_out)))
    result.append(Section("How to read this", _legend(found)))
    return result


def _legend(found: Sequence[Comparison]) -> list[str | Table]:
    lines: list[str | Table] = [
        "Figures of several seeds: mean ± standard deviation. MAE, RMSE in years; CS@5: errors of at most five years. "
        "Gap: validation minus training MAE, training minus validation gender accuracy, of the epoch tested, the training "
        "side measured in training mode on augmented images. FLOPs of one image, two a multiply-add. Train time includes "
        "validation.",
        CAVEAT,
    ]
    if len(found) > 1:
        lines.insert(0, f"{len(found)} tables, because their models were tested on different faces: do not rank across tables.")
    return lines


def _comparison(number: int, comparison: Comparison, tables: int) -> Section:
    run = comparison.sample
    sets = len(comparison.rows[0].test_sets)
    tested = f"{run.count(run.part):,} {run.part} faces" + (
        f", another set for each of {sets} seeds or splits" if sets > 1 else ""
    )
    records = [record(row, comparison.classes) for row in comparison.rows]
    shared, columns = _columns(records)
    others = references(comparison)
    body = [[show(entry) for _, show in columns] for entry in [*records, *others]]
    labels = {row.name: row.name for row in comparison.rows}
    if max(map(len, labels)) > LONG:
        labels = {name: f"[{number}]" for number, name in enumerate(labels, 1)}
        for line, label in zip(body, labels.values(), strict=False):
            line[0] = f"{label} {line[0]}"
    section = Section(f"{f'Table {number}: ' if tables > 1 else ''}{tested}")
    section.content += [f"All rows: {shared}."] if shared else []
    if comparison.classes:
        section.content.append(
            f"class: right age class of the predicted age, classes from {', '.join(map(str, comparison.classes))}."
        )
    if run.part != "test":
        section.content.append(
            "The split has no test part: models were selected on these very faces, so these figures flatter them."
        )
    if len({entry["split_sha256"] for entry in records}) > 1:
        section.content.append("Same test faces, but not the same training and validation parts: see the split checksums.")
    if any(run.predictions is None for row in comparison.rows for run in row.runs):
        section.content.append(
            "Some runs kept no predictions: they are taken to share their split's faces, and are not tested."
        )
    section.content.append(Table([title for title, _ in columns], body))
    section.content += [HUMANS_NOTE] if any(other["name"] == HUMANS[0] for other in others) else []
    section.content += _differences(comparison.pairs, labels, sets)
    return section


Show = Callable[[Record], str]


def _columns(records: Sequence[Record]) -> tuple[str, list[tuple[str, Show]]]:
    """What is the same in every row, in words; and the other columns."""
    facts: list[tuple[str, Show]] = [
        ("data", lambda r: r.get("data", "")),
        ("split", lambda r: r.get("split", "")),
        ("checksum", lambda r: ", ".join(one[:12] for one in r.get("split_sha256", "").split(", "))),
        ("ages", lambda r: r.get("age_range", "")),
        ("n train/val/test", lambda r: "/".join(r.get(f"n_{part}", "") for part in ("train", "val", "test")).strip("/")),
    ]
    same = [(title, show(records[0])) for title, show in facts if len({show(entry) for entry in records}) == 1]
    columns: list[tuple[str, Show]] = [("model", lambda r: r["name"])]
    columns += [fact for fact in facts if fact[0] not in [title for title, _ in same]]
    columns.append(("seeds", lambda r: str(r.get("seeds", ""))))
    measured = [name for name in TITLES if any(entry.get(name) is not None for entry in records)]
    if all(entry.get("distance") == entry.get("mae") for entry in records):
        measured = [name for name in measured if name != "distance"]
    columns += [(TITLES[name], partial(_number, name=name)) for name in measured]
    columns += [
        (f"gap {TITLES[name]}", partial(_number, name=f"gap_{name}")) for name in measured if f"gap_{name}" in records[0]
    ]
    columns += [
        ("parameters", lambda r: _scaled(r.get("parameters"))),
        ("FLOPs", lambda r: _scaled(r.get("flops"))),
        ("latency", lambda r: "" if r.get("latency_ms") is None else f"{r['latency_ms']:.1f} ms"),
        ("train time", lambda r: _time(r.get("train_seconds"))),
        ("paper", _paper_cell),
    ]
    optional = ("parameters", "FLOPs", "latency", "train time", "paper")
    columns = [c for c in columns if c[0] not in optional or any(c[1](entry) for entry in records)]
    return ", ".join(f"{title} {text}" for title, text in same), columns


def _paper_cell(entry: Record) -> str:
    part = entry.get("part")
    own = {name.removeprefix(f"paper_{part}_"): value for name, value in entry.items() if name.startswith(f"paper_{part}_")}
    shown = [f"{TITLES[name]} {_value(name, value)}" for name, value in own.items() if name in TITLES]
    return f"{', '.join(shown) or 'see below'} {entry['protocol']}" if "protocol" in entry else ""


def _number(entry: Record, name: str) -> str:
    value, sd = entry.get(name), entry.get(f"{name}_sd")
    if value is None:
        return "" if "seeds" not in entry else "-"
    if isinstance(value, tuple):
        return " to ".join(map(str, value))
    if name.startswith("gap_"):
        return _signed(name.removeprefix("gap_"), value)
    return _value(name, value) + (f" ± {_value(name, sd)}" if sd is not None else "")


def _is_share(name: str) -> bool:
    return name.endswith("accuracy") or name in SHARES


def _value(name: str, value: float) -> str:
    return f"{100 * value:.2f}%" if _is_share(name) else f"{value:.2f}"


def _signed(name: str, value: float) -> str:
    return f"{100 * value:+.2f}%" if _is_share(name) else f"{value:+.2f}"


def _scaled(value: float | None) -> str:
    if value is None:
        return ""
    for size, unit in (1e9, "G"), (1e6, "M"), (1e3, "k"):
        if value >= size:
            return f"{value / size:.2f} {unit}"
    return f"{value:g}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _differences(pairs: Sequence[Pair], labels: Mapping[str, str], sets: int) -> list[str | Table]:
    if not pairs:
        return []
    best = pairs[0].first
    shown = list(pairs) if len(pairs) <= PAIRS_SHOWN else [pair for pair in pairs if best in (pair.first, pair.second)]
    rows = [[
        f"{TITLES[p.measure]}: {labels[p.first]} - {labels[p.second]}",
        _signed(p.measure, p.difference.value),
        f"{_signed(p.measure, p.difference.low)} to {_signed(p.measure, p.difference.high)}",
        _p(p.difference.p), _p(p.adjusted), "YES" if p.larger_than_chance else "no",
    ] for p in shown]  # fmt: skip
    how = f"Paired bootstrap of the same faces, {DRAWS:,} draws"
    if sets > 1:
        how = "Differences within each set of faces, and Student's t over them, widened because training parts overlap"
        how += " (Nadeau and Bengio, 2003)"
    elif all(min(pair.seeds) > 1 for pair in pairs):
        how += ", and Student's t over the seeds"
    elif any(max(pair.seeds) > 1 for pair in pairs):
        how += (
            ", and Student's t over seeds where there are several; that another seed of the others would differ is not counted"
        )
    else:
        how += "; one seed each: that another seed would give another model is not counted"
    lines: list[str | Table] = [
        f"Larger than chance? {how}. p corrected for {len(pairs)} comparisons (Holm), yes below {LEVEL}.",
        Table(["difference", "value", "95% interval", "p", "p corrected", "larger than chance"], rows),
    ]
    if len(shown) < len(pairs):
        lines.append(f"Only pairs with {labels[best]}; all {len(pairs)} are in differences.csv (--out).")
    return lines


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.001 else "<0.001"


def _papers(rows: Sequence[tuple[Row, Comparison]]) -> list[Section]:
    if not rows:
        return []
    section = Section("Beside the papers")
    section.content.append(
        "≠ the protocols are known to differ; ? the paper says too little to tell; = all that it says agrees."
    )
    body = []
    for row, comparison in rows:
        protocol = protocol_of(row)
        for part, name, value in published(row):
            own = over_seeds(row, name, comparison.classes, part)[0] if name in TITLES else None
            chance = _against_paper(row, part, name, value, own)
            body.append([row.name, part, TITLES.get(name, name), _value(name, value) if name in TITLES else f"{value:g}",
                         "" if own is None else _value(name, own), chance, protocol.mark])  # fmt: skip
    titles = ["model", "part", "figure", "paper", "ours", "larger than chance", "protocol"]
    section.content.append(Table(titles, body))
    for row, _ in rows:
        section.content.append(_protocol_line(row))
    section.content += _published_pairs([row for row, _ in rows])
    return [section]


def _protocol_line(row: Row) -> str:
    protocol = protocol_of(row)
    parts = [
        ("differs", protocol.differs), ("agrees", protocol.same), ("the paper does not say", protocol.unsaid),
        ("to be judged by a person", protocol.notes),
    ]  # fmt: skip
    said = "; ".join(f"{words}: {', '.join(items)}" for words, items in parts if items)
    return f"{row.name} {protocol.mark} {(row.paper or {}).get('title')}. {said}."


def _faces_of_paper(row: Row, part: str) -> int | None:
    return (((row.paper or {}).get("protocol") or {}).get("n") or {}).get(part)


def _against_paper(row: Row, part: str, name: str, value: float, own: float | None) -> str:
    """Of shares only: the chance of a mean error cannot be had from the mean alone."""
    count, ours = _faces_of_paper(row, part), row.runs[0].count(part)
    if own is None or not _is_share(name) or not count or not ours:
        return ""
    p = two_proportions(own, ours, value, count)
    return f"{'YES' if p < LEVEL else 'no'} (p {_p(p)})"


def _published_pairs(rows: Sequence[Row]) -> list[str | Table]:
    """Figures that one paper prints for several systems, against each other."""
    cells = []
    for first, second in combinations(rows, 2):
        if (first.paper or {})["title"] != (second.paper or {})["title"]:
            continue
        theirs: dict[tuple[str, str], Any] = {(part, name): value for part, name, value in published(second)}
        for part, name, value in published(first):
            n_first, n_second = _faces_of_paper(first, part), _faces_of_paper(second, part)
            if _is_share(name) and (part, name) in theirs and n_first and n_second:
                other = theirs[part, name]
                cells.append((part, name, first.name, value, n_first, second.name, other, n_second,
                              two_proportions(value, n_first, other, n_second)))  # fmt: skip
    if not cells:
        return []
    corrected = holm([cell[-1] for cell in cells])
    body = [
        [f"{part} {TITLES.get(name, name)}: {a} {_value(name, x)} (n={n:,}), {b} {_value(name, y)} (n={m:,})",
         _p(p), _p(c), "YES" if c < LEVEL else "no"]
        for (part, name, a, x, n, b, y, m, p), c in zip(cells, corrected, strict=True)
    ]  # fmt: skip
    return [
        "Published figures of one paper against each other: two proportions, as if each had been tested on faces of its own "
        f"(nobody has the predictions); p corrected for {len(cells)} comparisons (Holm).",
        Table(["published", "p", "p corrected", "larger than chance"], body),
    ]

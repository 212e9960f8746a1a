"""Comparisons in words and tables that a person reads."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from agegender.comparison.comparison import HUMANS, HUMANS_NOTE, MAIN, Comparison, Record, record, references
from agegender.comparison.differences import LEVEL, Pair
from agegender.comparison.papers import papers
from agegender.comparison.rows import Row
from agegender.comparison.tables import Section, Table
from agegender.comparison.wording import ages, comparisons, duration, labels, p_value, scaled, title, value, yes
from agegender.evaluation.results import CAVEAT
from agegender.metrics.chance import DRAWS

PAIRS_SHOWN = 30
TOO_LONG = 64  # of one that has a line of its own above the table
FEW_DEGREES = 4  # of freedom: below, Student's t is wider than 1.4 times the normal distribution
Show = Callable[[Record], str]


def sections(found: Sequence[Comparison], left_out: Sequence[str]) -> list[Section]:
    """One section a set of test faces, then papers, then what was left out and how to read it all."""
    result = [_comparison(number, comparison, len(found)) for number, comparison in enumerate(found, 1)]
    result += papers(found)
    if left_out:
        result.append(Section("Left out", list(left_out)))
    result.append(Section("How to read this", _legend(found)))
    return result


def _legend(found: Sequence[Comparison]) -> list[str | Table]:
    lines: list[str | Table] = [
        "Figures of several seeds: mean ± standard deviation. MAE, RMSE in years, CS@5 the share of errors up to five "
        "years, these of exact ages alone; years off: from the nearest age of the label. "
        "Gap: validation minus training MAE, training minus validation accuracy, of the epoch tested, the training "
        "side measured in training mode on augmented images. FLOPs of one image, two a multiply-add. Train time: sum of the "
        "epochs, validation included.",
        CAVEAT,
    ]
    if len(found) > 1:
        lines.insert(0, f"{len(found)} tables, because their models were tested on different faces: do not rank across tables.")
    return lines


def _comparison(number: int, comparison: Comparison, tables: int) -> Section:
    records = [record(row, comparison.classes) for row in comparison.rows]
    shared, columns = _columns(records)
    others = references(comparison)
    body = [[show(entry) for _, show in columns] for entry in [*records, *others]]
    called = labels([row.name for row in comparison.rows])
    longest = max(map(len, called))
    for line, (name, label) in zip(body, called.items(), strict=False):
        line[0] = label if label == name or longest > TOO_LONG else f"{label} {name}"
    section = Section(f"{f'Table {number}: ' if tables > 1 else ''}{_tested(comparison)}")
    section.content += [f"All rows: {shared}."] if shared else []
    section.content += [f"{label} {name}" for name, label in called.items()] if longest > TOO_LONG else []
    section.content += _remarks(comparison, records, called)
    section.content.append(Table([name for name, _ in columns], body))
    section.content += [HUMANS_NOTE] if any(other["name"] == HUMANS[0] for other in others) else []
    section.content += _differences(comparison.pairs, called, len(comparison.rows[0].test_sets))
    return section


def _tested(comparison: Comparison) -> str:
    """How many faces of what, for each seed if these differ."""
    row, run = comparison.rows[0], comparison.sample
    counts = {one.test_set: one.count(one.part) for one in row.runs}
    sizes = dict.fromkeys(f"{count:,}" for count in counts.values())
    faces = f"{' or '.join(sizes)} {run.part} faces of {'+'.join(run.sources)}"
    return faces if len(counts) == 1 else f"{len(counts)} sets of {faces}, a set for each split"


def _remarks(comparison: Comparison, records: Sequence[Record], called: Mapping[str, str]) -> list[str]:
    """What must be known of a table before it is read."""
    rows, run = comparison.rows, comparison.sample
    lines = []
    if any(entry["class_accuracy"] is not None for entry in records):
        ranked = ", by which the rows are ranked" if comparison.by_class else ""
        lines.append(f"class: right age class of the predicted age{ranked}; classes: {ages(comparison.classes)}.")
    if run.part == "val" and not run.elsewhere:
        lines.append("These models were selected on these very faces, so these figures flatter them.")
    if len({entry["split_sha256"] for entry in records}) > 1:
        lines.append("Same test faces, but not the same training and validation parts: see the split checksums.")
    if without := [called[row.name] for row in rows if any(one.predictions is None for one in row.runs)]:
        lines.append(
            f"Without predictions, so that the split's checksum must tell which faces were tested, and no difference can be "
            f"tested: {', '.join(without)}."
        )
    if any(row.runs[0].elsewhere for row in rows):
        lines.append("Trained on other data than these: gaps and curves are of the training's own train and val parts.")
    for row in rows:
        if row.unshared:
            seeds = ", ".join(sorted(str(one.seeds[0]) for one in row.unshared))
            lines.append(
                f"Not in this table, since other rows were not tested on its faces: seed {seeds} of {called[row.name]}."
            )
    if timed := [called[row.name] for row, entry in zip(rows, records, strict=True) if entry["train_seconds"] and _frozen(row)]:
        which = "all rows" if len(timed) == len(rows) else ", ".join(timed)
        lines.append(f"Train time without the one-off pass that computes the features of a frozen backbone: {which}.")
    return lines


def _frozen(row: Row) -> bool:
    """Whether the backbone's features were computed before the first epoch, in seconds that no epoch holds."""
    config = row.runs[0].origin.config
    plain = str((config.get("augment") or {}).get("_target_", ".Unchanged")).endswith(".Unchanged")
    views = [one["views"] for one in (config.get("finetune") or {}).values() if isinstance(one, Mapping) and "views" in one]
    return (config.get("loader") or {}).get("cache") != "none" and any(plain if number is None else number for number in views)


def _columns(records: Sequence[Record]) -> tuple[str, list[tuple[str, Show]]]:
    """What is the same in every row, in words; and the other columns."""
    facts: list[tuple[str, Show]] = [
        ("trained on", lambda r: r.get("trained_on", "")),
        ("split", lambda r: r.get("split", "")),
        ("checksum", lambda r: ", ".join(one[:12] for one in r.get("split_sha256", "").split(", "))),
        ("ages", lambda r: r.get("age_range", "")),
        ("n train/val/test", lambda r: "/".join(r.get(f"n_{part}", "") for part in ("train", "val", "test")).strip("/")),
    ]
    same = [(name, show(records[0])) for name, show in facts if len({show(entry) for entry in records}) == 1]
    columns: list[tuple[str, Show]] = [("model", lambda r: r["name"])]
    columns += [fact for fact in facts if fact[0] not in [name for name, _ in same]]
    columns.append(("seeds", lambda r: str(r.get("seeds", ""))))
    measured = [name for name in MAIN if any(entry.get(name) is not None for entry in records)]
    if all(entry.get("distance") == entry.get("mae") for entry in records):
        measured = [name for name in measured if name != "distance"]
    gaps = [name for name in measured if any(entry.get(f"gap_{name}") is not None for entry in records)]
    columns += [(title(name), partial(_number, name=name)) for name in measured]
    columns += [(f"gap {title(name)}", partial(_number, name=name, gap=True)) for name in gaps]
    optional: list[tuple[str, Show]] = [
        ("parameters", lambda r: scaled(r.get("parameters"))),
        ("trainable", lambda r: scaled(r.get("trainable")) if r.get("trainable") != r.get("parameters") else ""),
        ("FLOPs", lambda r: scaled(r.get("flops"))),
        ("latency", lambda r: "" if r.get("latency_ms") is None else value("latency_ms", r["latency_ms"])),
        ("train time", lambda r: duration(r.get("train_seconds"))),
        ("paper", _paper_cell),
    ]
    columns += [(name, show) for name, show in optional if any(show(entry) for entry in records)]
    return ", ".join(f"{name} {text}" for name, text in same), columns


def _paper_cell(entry: Record) -> str:
    prefix = f"paper_{entry.get('part')}_"
    own = {name.removeprefix(prefix): number for name, number in entry.items() if name.startswith(prefix)}
    shown = [f"{title(name)} {value(name, own[name])}" for name in MAIN if name in own]
    return f"{', '.join(shown) or 'see below'} {entry['protocol']}" if "protocol" in entry else ""


def _number(entry: Record, name: str, gap: bool = False) -> str:
    key = f"gap_{name}" if gap else name
    number, sd = entry.get(key), entry.get(f"{key}_sd")
    if number is None:
        return "" if "seeds" not in entry else "-"
    if isinstance(number, tuple):
        return " to ".join(map(str, number))
    if gap:
        return value(name, number, "+")
    return value(name, number) + (f" ± {value(name, sd)}" if sd is not None else "")


def _differences(pairs: Sequence[Pair], called: Mapping[str, str], sets: int) -> list[str | Table]:
    if not pairs:
        return []
    best = pairs[0].first
    shown = list(pairs) if len(pairs) <= PAIRS_SHOWN else [pair for pair in pairs if best in (pair.first, pair.second)]
    rows = [[
        f"{title(p.measure)}: {called[p.first]} - {called[p.second]}",
        value(p.measure, p.difference.value, "+"),
        f"{value(p.measure, p.difference.low, '+')} to {value(p.measure, p.difference.high, '+')}",
        p_value(p.difference.p), p_value(p.adjusted), yes(p.larger_than_chance),
    ] for p in shown]  # fmt: skip
    lines: list[str | Table] = [
        f"Larger than chance? {_how(pairs, sets)}. p corrected for {comparisons(len(pairs))} (Holm), yes below {LEVEL}.",
        Table(["difference", "value", "95% interval", "p", "p corrected", "larger than chance"], rows),
    ]
    if len(shown) < len(pairs):
        lines.append(f"Only pairs with {called[best]}; all {len(pairs)} are in differences.csv (--out).")
    return lines


def _how(pairs: Sequence[Pair], sets: int) -> str:
    if sets > 1:
        return (
            "Differences within each set of faces, and Student's t over what rows and sets leave over, pooled over all rows "
            "and widened because training parts overlap (Nadeau and Bengio, 2003)"
        )
    how = f"Paired bootstrap of the same faces, {DRAWS:,} draws, tied copies drawn together"
    seeds = {name: count for pair in pairs for name, count in zip((pair.first, pair.second), pair.seeds, strict=True)}
    freedom = sum(count - 1 for count in seeds.values())
    if not freedom:
        return (
            f"{how}. One seed each: THE CHANCE OF ANOTHER SEED IS NOT COUNTED, so a retrained model may differ more than this"
        )
    how += f"; and Student's t over seeds, whose scatter is pooled over all rows with several ({freedom} degrees of freedom"
    how += "; more seeds would tell more)" if freedom < FEW_DEGREES else ")"
    return how + (" and taken to be that of the rows with one" if 1 in seeds.values() else "")


def csv_pairs(found: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Every pair of every table, for ``differences.csv``."""
    return [
        {"table": number, "measure": p.measure, "first": p.first, "second": p.second, **p.difference._asdict(),
         "p_holm": p.adjusted, "larger_than_chance": p.larger_than_chance,
         "seeds_first": p.seeds[0], "seeds_second": p.seeds[1]}
        for number, comparison in enumerate(found, 1) for p in comparison.pairs
    ]  # fmt: skip

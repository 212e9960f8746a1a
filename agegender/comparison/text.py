"""Comparisons as sections of text and tables."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from agegender.comparison import trust
from agegender.comparison.comparison import HUMANS, HUMANS_NOTE, Comparison, Record, record, references
from agegender.comparison.differences import LEVEL, Pair
from agegender.comparison.papers import papers
from agegender.comparison.rows import Row
from agegender.comparison.tables import Section, TextTable
from agegender.comparison.wording import ages, comparisons, duration, labels, p_value, scaled, yes
from agegender.evaluation.results_table import CAVEAT
from agegender.metrics.chance import DRAWS
from agegender.metrics.metric import Metric
from agegender.metrics.registry import AGE_CLASS, BY_KEY, shown

PAIRS_SHOWN = 30
TOO_LONG = 64  # characters; longer names stand in lines above the table
FEW_DEGREES = 4  # of freedom; below, Student's t is wider than 1.4 times the normal distribution
Show = Callable[[Record], str]


def sections(found: Sequence[Comparison], left_out: Sequence[str]) -> list[Section]:
    """A section for each set of test faces, then one on papers, then what was left out and a legend.

    Args:
        found: The tables.
        left_out: A line for each path or run that is in no table.
    """
    result = [_comparison(number, comparison, len(found)) for number, comparison in enumerate(found, 1)]
    result += papers(found)
    if left_out:
        result.append(Section("Left out", list(left_out)))
    result.append(Section("How to read this", _legend(found)))
    return result


def _legend(found: Sequence[Comparison]) -> list[str | TextTable]:
    metrics = "; ".join(f"{metric.title}: {metric.meaning}" for metric in shown("table"))
    lines: list[str | TextTable] = [
        f"{metrics}. Ages in years. Several seeds or folds: mean ± standard deviation. Gap: how much better the training "
        "metric is than the validation metric, in the tested epoch; the training metric is measured in training mode on "
        "augmented images. "
        "Group gap: how much worse the metric is for the worst group of race and gender than for the best, among groups with "
        "enough faces. 90% interval: mean width of age intervals that contain 90% of the labels. "
        "FLOPs: of one image, two for each multiply-add. Train time: sum of the epochs, with their validation.",
        CAVEAT,
    ]
    if len(found) > 1:
        lines.insert(0, f"{len(found)} tables, because the models were tested on different faces: do not rank across tables.")
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
    section.content.append(TextTable([name for name, _ in columns], body))
    section.content += [HUMANS_NOTE] if any(other["name"] == HUMANS[0] for other in others) else []
    section.content += _differences(comparison.pairs, called, len(comparison.rows[0].test_sets))
    return section


def _tested(comparison: Comparison) -> str:
    """Number of faces, split and data set, for each fold or seed if they have different faces."""
    row, run = comparison.rows[0], comparison.sample
    counts = {one.test_set: one.count(one.tested) for one in row.runs}
    what = "fold" if row.folds else "split"
    sizes = dict.fromkeys(f"{count:,}" for count in counts.values())
    faces = f"{' or '.join(sizes)} {run.tested} faces of {'+'.join(run.sources)}"
    return faces if len(counts) == 1 else f"{len(counts)} sets of {faces}, one for each {what}"


def _remarks(comparison: Comparison, records: Sequence[Record], called: Mapping[str, str]) -> list[str]:
    """Facts about a table that its reader must know."""
    rows, run = comparison.rows, comparison.sample
    lines = []
    if measured := [m for m in shown("table") if m.needs is AGE_CLASS and any(entry[m.key] is not None for entry in records)]:
        ranked = ", by which the rows are ranked" if comparison.by_class else ""
        lines.append(f"{measured[0].title}: of the predicted age{ranked}; classes: {ages(comparison.classes)}.")
    if run.tested == "val" and not run.elsewhere:
        lines.append("The best epoch was selected on these faces, so these metrics are too good.")
    if retested := rows[0].retested:
        lines.append(
            f"{retested:,} faces are in several of the test sets: the folds are not independent, the deviation is too small."
        )
    if len({entry["split_sha256"] for entry in records}) > 1:
        lines.append("Same test faces, but different training and validation splits: see the checksums.")
    if without := [called[row.name] for row in rows if any(one.predictions is None for one in row.runs)]:
        lines.append(
            "Without predictions, so tested faces are identified by the checksum of the split, and no difference is tested: "
            f"{', '.join(without)}."
        )
    if any(row.runs[0].elsewhere for row in rows):
        lines.append("Some rows were trained on other data sets than these: their gaps and curves are of their own splits.")
    for row in rows:
        if row.unshared:
            what, numbers = (
                ("fold", [one.fold for one in row.unshared]) if row.folds else ("seed", [o.seed for o in row.unshared])
            )
            lines.append(
                f"Not in this table, because other rows were not tested on these faces: {what} "
                f"{', '.join(sorted(map(str, numbers)))} of {called[row.name]}."
            )
    if timed := [called[row.name] for row, entry in zip(rows, records, strict=True) if entry["train_seconds"] and _frozen(row)]:
        which = "all rows" if len(timed) == len(rows) else ", ".join(timed)
        lines.append(f"Train time without the single pass that computes the features of a frozen backbone: {which}.")
    return lines


def _frozen(row: Row) -> bool:
    """Whether the features of the backbone were computed before the first epoch, in time that no epoch includes."""
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
        ("n train/val/test", lambda r: "/".join(r.get(f"n_{split}", "") for split in ("train", "val", "test")).strip("/")),
    ]
    same = [(name, show(records[0])) for name, show in facts if len({show(entry) for entry in records}) == 1]
    columns: list[tuple[str, Show]] = [("model", lambda r: r["name"])]
    columns += [fact for fact in facts if fact[0] not in [name for name, _ in same]]
    columns += [(name, partial(_count, key=name)) for name in ("seeds", "folds") if any(entry.get(name) for entry in records)]
    measured = [metric for metric in shown("table") if any(entry.get(metric.key) is not None for entry in records)]
    measured = [metric for metric in measured if not _repeats(metric, records)]
    gaps = [metric for metric in measured if any(entry.get(f"gap_{metric.key}") is not None for entry in records)]
    columns += [(metric.title, partial(_number, metric=metric)) for metric in measured]
    columns += [(f"gap {metric.title}", partial(_gap, metric=metric)) for metric in gaps]
    fair = [metric for metric in trust.METRICS if not _repeats(metric, records)]
    fair = [metric for metric in fair if any(entry.get(f"group_gap_{metric.key}") is not None for entry in records)]
    columns += [(f"group gap {metric.title}", partial(_group_gap, metric=metric)) for metric in fair]
    latency = BY_KEY["latency_ms"]
    optional: list[tuple[str, Show]] = [
        ("90% interval", lambda r: "" if r.get("interval_width_90") is None else f"{r['interval_width_90']:.1f} years"),
        ("parameters", lambda r: scaled(r.get("parameters"))),
        ("trainable", lambda r: scaled(r.get("trainable")) if r.get("trainable") != r.get("parameters") else ""),
        ("FLOPs", lambda r: scaled(r.get("flops"))),
        (latency.title, lambda r: "" if r.get(latency.key) is None else latency.text(r[latency.key])),
        ("train time", lambda r: duration(r.get("train_seconds"))),
        ("paper", _paper_cell),
    ]
    columns += [(name, show) for name, show in optional if any(show(entry) for entry in records)]
    return ", ".join(f"{name} {text}" for name, text in same), columns


def _count(entry: Record, key: str) -> str:
    return str(entry.get(key, ""))


def _repeats(metric: Metric, records: Sequence[Record]) -> bool:
    return metric.repeats is not None and all(entry.get(metric.key) == entry.get(metric.repeats) for entry in records)


def _paper_cell(entry: Record) -> str:
    own = {metric: entry.get(f"paper_{entry.get('tested')}_{metric.key}") for metric in shown("table")}
    cells = [f"{metric.title} {metric.text(value)}" for metric, value in own.items() if value is not None]
    return f"{', '.join(cells) or 'see below'} {entry['protocol']}" if "protocol" in entry else ""


def _number(entry: Record, metric: Metric) -> str:
    value, sd = entry.get(metric.key), entry.get(f"{metric.key}_sd")
    if value is None:
        return "" if "seeds" not in entry else "-"
    if isinstance(value, tuple):
        return " to ".join(map(str, value))
    return metric.text(value) + (f" ± {metric.text(sd)}" if sd is not None else "")


def _gap(entry: Record, metric: Metric) -> str:
    gap = entry.get(f"gap_{metric.key}")
    return metric.text(gap, sign="+") if gap is not None else "" if "seeds" not in entry else "-"


def _group_gap(entry: Record, metric: Metric) -> str:
    gap = entry.get(f"group_gap_{metric.key}")
    return metric.text(gap) if gap is not None else "" if "seeds" not in entry else "-"


def _differences(pairs: Sequence[Pair], called: Mapping[str, str], sets: int) -> list[str | TextTable]:
    if not pairs:
        return []
    best = pairs[0].first
    chosen = list(pairs) if len(pairs) <= PAIRS_SHOWN else [pair for pair in pairs if best in (pair.first, pair.second)]
    rows = [[
        f"{p.metric.title}: {called[p.first]} - {called[p.second]}",
        p.metric.text(p.difference.value, sign="+"),
        f"{p.metric.text(p.difference.low, sign='+')} to {p.metric.text(p.difference.high, sign='+')}",
        p_value(p.difference.p), p_value(p.adjusted), yes(p.larger_than_chance),
    ] for p in chosen]  # fmt: skip
    lines: list[str | TextTable] = [
        f"Larger than chance? {_method(pairs, sets)}. p corrected for {comparisons(len(pairs))} (Holm), yes below {LEVEL}.",
        TextTable(["difference", "value", "95% interval", "p", "p corrected", "larger than chance"], rows),
    ]
    if len(chosen) < len(pairs):
        lines.append(f"Only pairs with {called[best]}; all {len(pairs)} are in differences.csv (--out).")
    return lines


def _method(pairs: Sequence[Pair], sets: int) -> str:
    """How the differences were tested, in words."""
    if sets > 1:
        return (
            "Differences within each set of faces; Student's t of the residuals after rows and sets, pooled over all rows and "
            "widened because training splits overlap (Nadeau and Bengio, 2003)"
        )
    method = f"Paired bootstrap of the same faces, {DRAWS:,} draws, copies of a face drawn together"
    seeds = {name: count for pair in pairs for name, count in zip((pair.first, pair.second), pair.seeds, strict=True)}
    freedom = sum(count - 1 for count in seeds.values())
    if not freedom:
        return f"{method}. One seed each: THE VARIATION OVER SEEDS IS NOT COUNTED, so a retrained model may differ by more"
    method += f"; Student's t over seeds, with a variance pooled over all rows with several ({freedom} degrees of freedom"
    method += "; more seeds would make it more sensitive)" if freedom < FEW_DEGREES else ")"
    return method + (" and assumed for the rows with one" if 1 in seeds.values() else "")


def csv_pairs(found: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Every pair of every table, for ``differences.csv``."""
    return [
        {"table": number, "metric": p.metric.key, "first": p.first, "second": p.second, **p.difference._asdict(),
         "p_holm": p.adjusted, "larger_than_chance": p.larger_than_chance,
         "seeds_first": p.seeds[0], "seeds_second": p.seeds[1]}
        for number, comparison in enumerate(found, 1) for p in comparison.pairs
    ]  # fmt: skip

"""How many under-age faces pass as old enough, and how many adults are refused, at each threshold."""

from collections.abc import Mapping, Sequence
from typing import Any

from agegender.evaluation.report.chart import BLUE, GREY, RED, Chart
from agegender.evaluation.report.metric_table import percent, percents, share_cells
from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.table import Cell, Table, TableRow

GROUPS = {"all": "", "age_band": "years", "gender": "", "race": "", "race_gender": ""}  # in the order of the table


def section(evidence: Evidence) -> Section | None:
    """A trade-off curve and a plot by age for each legal age, the smallest thresholds, groups, and child access."""
    gate = evidence.values.get("age_gate")
    if not gate:
        return None
    legal_ages = {age: found for age, found in gate["legal_ages"].items() if found["n_under"] and found["n_of_age"]}
    if not legal_ages:
        return None
    charts, tables = [], [_thresholds(legal_ages, gate["target_rate"])]
    for age, found in legal_ages.items():
        charts.append(_trade_off(age, found["estimate"], gate["target_rate"]))
        charts += _by_age(age, found["at"], gate["challenge_age"])
        tables.append(_groups(age, found["at"]))
    if any(row["n"] for row in gate["child_access"]["rows"]):
        tables.append(_child_access(gate["child_access"]))
    text = (
        "An age gate lets a person pass if the estimated age is at least a threshold. A threshold above the legal age, such as "
        "25, lets fewer under-age people pass and refuses more adults. Rates are computed as in NIST's evaluation FATE AEV.",
        gate["statement"],
    )
    straddling = sum(found["n_straddling"] for found in legal_ages.values())
    notes = [f"{straddling:,} age ranges contain a legal age; these faces are excluded."] if straddling else []
    return Section("age-gate", "Age gate", text, charts, tables, notes)


def _trade_off(age: str, curve: Mapping[str, Any], target: float) -> Chart:
    chart, axes = Chart.new(f"age-gate-{age}", f"Legal age {age}: who passes and who is refused")
    x = curve["thresholds"]
    for key, what, colour, style in (
        ("false_positive_rate", f"under {age}, but passes", RED, "-"),
        ("refused_rate", f"{age} or older, but refused", BLUE, "--"),
    ):
        rates, ends = curve[key], curve[f"{key}_ci95"]
        low, high = ([100 * end[side] for end in ends] for side in (0, 1))
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        texts = [
            f"threshold {threshold:g}: {percent(rate)} {what} (95%: {percents(interval)})"
            for threshold, rate, interval in zip(x, rates, ends, strict=True)
        ]
        chart.points(axes, x, [100 * rate for rate in rates], texts.__getitem__, colour, style, label=what)
    axes.axhline(100 * target, color=GREY, linewidth=0.8, linestyle=":", label=f"target: {percent(target)}")
    axes.set(xlabel="threshold (years)", ylabel="faces (%)", ylim=(0, None))
    axes.legend(fontsize="small", frameon=False)
    chart.summary = _smallest(age, curve, target) + " The bands are 95% intervals."
    return chart


def _smallest(age: str, curve: Mapping[str, Any], target: float) -> str:
    smallest = curve["smallest"]
    if smallest is None:
        return f"No threshold lets at most {percent(target)} of the faces under {age} pass."
    return (
        f"From a threshold of {smallest['threshold']:g} years on, at most {percent(target)} of the faces under {age} pass; it "
        f"refuses {percent(smallest['refused_rate'])} of those who are {age} or older."
    )


def _by_age(age: str, at: Sequence[Mapping[str, Any]], challenge: float) -> list[Chart]:
    """Share that passes by labelled age, at the legal age and at the challenge age."""
    chart, axes = Chart.new(f"passes-{age}", f"Faces under {age} that pass, by age")
    for threshold, colour, style in ((float(age), RED, "-"), (float(challenge), BLUE, "--")):
        rows = [row for row in at if row["kind"] == "age" and row["threshold"] == threshold and row["n"]]
        if not rows:
            return []
        years = [float(row["group"]) for row in rows]
        low, high = ([100 * row["ci95"][side] for row in rows] for side in (0, 1))
        axes.fill_between(years, low, high, color=colour, alpha=0.15, linewidth=0)
        texts = [
            f"{row['group']} years old: {row['passed']:,} of {row['n']:,} pass as {threshold:g} ({percent(row['rate'])})"
            for row in rows
        ]
        rates = [100 * row["rate"] for row in rows]
        chart.points(axes, years, rates, texts.__getitem__, colour, style, label=f"threshold {threshold:g}")
    axes.set(xlabel="labelled age (years)", ylabel="faces that pass (%)", ylim=(0, 100))
    axes.legend(fontsize="small", frameon=False)
    chart.summary = f"Share of the faces of each age that pass as {age}, at two thresholds. The bands are 95% intervals."
    return [chart]


def _thresholds(legal_ages: Mapping[str, Any], target: float) -> Table:
    rows = []
    for age, found in legal_ages.items():
        for key, rule in (
            ("estimate", "estimated age of at least"),
            ("probability", f"probability of being under {age} of at most"),
        ):
            curve = found[key]
            if curve is None:
                continue
            best = curve["smallest"]
            cells = [Cell(age, float(age)), Cell(rule)]
            if best is None:
                cells += [Cell(curve["reason"] or "none"), *[Cell("-")] * 3]
            else:
                low, high = best["ci95"]
                ends = f"{low:g} to {'none' if high is None else format(high, 'g')}" if low is not None else "-"
                cells += [
                    Cell(f"{best['threshold']:g}", best["threshold"]),
                    Cell(ends),
                    Cell(percent(best["false_positive_rate"]), best["false_positive_rate"]),
                    Cell(percent(best["refused_rate"]), best["refused_rate"]),
                ]
            rows.append(TableRow(cells))
    columns = ("legal age", "passes with", "threshold", "95% interval", "under age, but pass", "of age, but refused")
    return Table("gate-thresholds", f"Thresholds that let at most {percent(target)} of the under-age faces pass", columns, rows)


def _groups(age: str, at: Sequence[Mapping[str, Any]]) -> Table:
    """A row a group, with the rate at each threshold."""
    thresholds = sorted({row["threshold"] for row in at})
    found = {(row["kind"], row["group"], row["threshold"]): row for row in at}
    groups = list(dict.fromkeys((row["kind"], row["group"]) for kind in GROUPS for row in at if row["kind"] == kind))
    rows = []
    for kind, group in groups:
        own = [found[kind, group, threshold] for threshold in thresholds]
        if not own[0]["n"]:
            continue
        cells = [Cell(f"{group} {GROUPS[kind]}".strip()), Cell(f"{own[0]['n']:,}", own[0]["n"])]
        for row in own:
            cells += share_cells(row["rate"], row["ci95"])
        rows.append(TableRow(cells))
    columns = ["group", "faces", *(text for one in thresholds for text in (f"pass at {one:g}", "95% interval"))]
    note = f"Faces under {age} only; of 17-22 years those under {age}."
    return Table.of_groups(f"gate-groups-{age}", f"Legal age {age}: under-age faces that pass, by group", columns, rows, note)


def _child_access(access: Mapping[str, Any]) -> Table:
    rows = [
        TableRow(
            [
                Cell(f"{row['group']} years"),
                Cell(f"{row['n']:,}", row["n"]),
                *share_cells(row["rate"], row["ci95"]),
            ]
        )
        for row in access["rows"]
        if row["n"]
    ]
    first, last = access["from"], access["to"]
    note = f"Passes if the estimated age is at least {first} and under {last + 1} years. Other ages pass wrongly."
    title = f"Access for children of {first} to {last} years"
    return Table("child-access", title, ("labelled age", "faces", "pass", "95% interval"), rows, note)

"""Which model was tested on which faces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agegender.configuration.model_name import part_name
from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.table import Cell, Table, TableRow

LIMITS = (
    "These results hold for faces like the tested ones: same source, same crop, same quality. They say nothing about others.",
    "An estimate is a guess at appearance. It is not an identity, and not proof of an age.",
)


def section(evidence: Evidence) -> Section:
    """Model, data, licences, checksums of the split, versions."""
    split, train = evidence.metrics["split"], evidence.metrics.get("train") or {}
    facts = {
        "run": evidence.name,
        "tested split": f"{evidence.tested}, {evidence.values['n']:,} faces",
        "split": split["name"],
        "checksum of the split (SHA-256)": split["sha256"],
        "checksum of the images (SHA-256)": split.get("content_sha256"),
        **_counts(evidence.metrics),
        "started from": Path(earlier).name if (earlier := evidence.config.get("init_from")) else None,
        "training faces": f"{train['n']:,}" if "n" in train else None,
        "tested epoch": train.get("epoch"),
        "backbone": part_name(evidence.config, "backbone"),
        "age head": part_name(evidence.config, "head"),
        "image size": f"{evidence.config['image_size']} pixels" if "image_size" in evidence.config else None,
        "parameters": f"{evidence.model['parameters']:,}" if "parameters" in evidence.model else None,
        "FLOPs of an image": f"{evidence.model['flops']:,}" if "flops" in evidence.model else None,
        "program": _program(evidence),
        **{f"licence of {name}": text for name, text in evidence.licenses.items()},
    }
    rows = [TableRow([Cell(name), Cell(str(value))]) for name, value in facts.items() if value is not None]
    return Section("origin", "Model and data", [], [], [Table("facts", "Facts", ("fact", "value"), rows)], LIMITS)


def _counts(metrics: Mapping[str, Any]) -> dict[str, str]:
    """What was left out of the test."""
    audit, found = metrics.get("audit"), {}
    if audit:
        found["rows in the file of estimates"] = f"{audit['rows']:,}"
        found["faces without an estimate, left out"] = f"{audit['missing']:,}"
        found["rows without a face, left out"] = f"{audit['extra']:,}"
    excluded = metrics.get("excluded") or {}
    if known := excluded.get("byte_identical", 0) + excluded.get("near_identical", 0):
        found["faces left out because the model was trained on them"] = f"{known:,}"
    return found


def _program(evidence: Evidence) -> str | None:
    versions = evidence.versions
    if "agegender" not in versions:
        return None
    return f"agegender {versions['agegender']}" + (f", git {versions['git']}" if versions.get("git") else "")

"""``python -m agegender.data``: prints a summary of a folder of faces and of its split."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agegender import whole_package  # noqa: F401
from agegender.configuration.command import entry
from agegender.configuration.schema import validate_faces
from agegender.errors import AgeGenderError
from agegender.escaping import csv_cell
from agegender.whole_files import WriteError, whole

if TYPE_CHECKING:
    from agegender.sources.faces import Skipped


@entry("faces")
def main(config: dict[str, Any]) -> None:
    """Reads, scans, cleans and splits faces like a training run, and prints a summary; writes the CSV file ``skipped``."""
    validate_faces(config)
    from agegender.data.assemble import assemble
    from agegender.data.summary import summary

    datamodule = assemble({**config, "loader": {**config["loader"], "cache": "none"}})
    datamodule.prepare_data()
    licenses = {name: source.license for name, source in datamodule.sources.items()}
    checksums = datamodule.split_sha256, datamodule.content_sha256
    print("\n".join(summary(datamodule.table, licenses, datamodule.crops, datamodule.split_name, *checksums)))
    if config["skipped"] is not None:
        _write(Path(config["skipped"]), datamodule.table.skipped)


def _write(file: Path, skipped: "Sequence[Skipped]") -> None:
    try:
        with whole(file) as partial, partial.open("w", newline="", encoding="utf-8") as opened:
            rows = csv.writer(opened, lineterminator="\n")
            rows.writerow(["path", "reason"])
            rows.writerows((csv_cell(one.path), csv_cell(one.reason)) for one in skipped)
    except WriteError as error:
        raise AgeGenderError(f"skipped={error}") from error


if __name__ == "__main__":
    main()

"""``python -m agegender.data``: prints a summary of a folder of faces and of its split."""

import csv
from pathlib import Path
from typing import Any

from agegender.configuration.command import entry
from agegender.configuration.schema import validate_targets


@entry("faces")
def main(config: dict[str, Any]) -> None:
    """Reads, scans, cleans and splits faces like a training run, and prints a summary; writes the CSV file ``skipped``."""
    validate_targets(config)
    from agegender.data.assemble import assemble
    from agegender.data.summary import summary

    datamodule = assemble({**config, "loader": {**config["loader"], "cache": "none"}})
    datamodule.prepare_data()
    licenses = {name: source.license for name, source in datamodule.sources.items()}
    print("\n".join(summary(datamodule.table, licenses, datamodule.split_name, datamodule.split_sha256)))
    if config["skipped"] is not None:
        with Path(config["skipped"]).open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["path", "reason"])
            rows.writerows((skipped.path, skipped.reason) for skipped in datamodule.skipped)


if __name__ == "__main__":
    main()

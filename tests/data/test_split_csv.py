"""The CSV text of a split, and its checksums."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from agegender.data.split_csv import content_checksum, split_checksum, split_csv
from agegender.sources.faces import FaceTable


def table(**columns: Any) -> FaceTable:
    faces = {"path": ["b\n.jpg", 'a,"1".jpg'], "age_low": [3, np.nan], "age_high": [9.5, np.nan], "gender": [1, None],
             "split": ["test", "train"]}  # fmt: skip
    sha256 = columns.pop("sha256", ["bb", "aa"])
    return FaceTable.of("d", Path("/d"), {**faces, **columns}).with_columns(sha256=sha256)


def test_rows_are_sorted_and_quoted_and_unknown_labels_are_empty() -> None:
    text = split_csv(table())
    assert text == (
        "dataset,path,split,age_low,age_high,gender,group,sha256\n"
        'd,"a,""1"".jpg",train,,,,"d/a,""1"".jpg",aa\n'
        'd,"b\n.jpg",test,3,9.5,1,"d/b\n.jpg",bb\n'
    )
    assert content_checksum(text) == hashlib.sha256(text.encode()).hexdigest()


def test_the_checksum_of_the_split_is_that_of_the_text_of_earlier_versions() -> None:
    """They wrote no content hashes. If the checksum changed, published checksums would be wrong."""
    text = (
        "dataset,path,split,age_low,age_high,gender,group\n"
        'd,"a,""1"".jpg",train,,,,"d/a,""1"".jpg"\n'
        'd,"b\n.jpg",test,3,9.5,1,"d/b\n.jpg"\n'
    )
    assert split_checksum(split_csv(table())) == split_checksum(text) == hashlib.sha256(text.encode()).hexdigest()


def test_the_order_of_rows_and_the_folder_do_not_matter() -> None:
    reverse = FaceTable(table().frame.iloc[::-1], {"d": Path("/elsewhere")})
    assert split_csv(reverse) == split_csv(table())


def test_labels_change_both_checksums_and_images_that_of_the_content() -> None:
    first, older = split_csv(table()), split_csv(table(age_high=[9, np.nan]))
    other = split_csv(table(sha256=["bb", "ab"]))
    assert split_checksum(first) == split_checksum(other) != split_checksum(older)
    assert len({content_checksum(text) for text in (first, older, other)}) == 3

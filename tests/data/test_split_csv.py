"""The CSV text of a split, and its checksum."""

import hashlib
from pathlib import Path

import numpy as np

from agegender.data.split_csv import checksum, split_csv
from agegender.sources.faces import FaceTable


def test_rows_are_sorted_and_quoted_and_unknown_labels_are_empty() -> None:
    columns = {
        "path": ["b.jpg", 'a,"1".jpg'],
        "age_low": [3, np.nan],
        "age_high": [9.5, np.nan],
        "gender": [1, None],
        "split": ["test", "train"],
    }
    text = split_csv(FaceTable.of("d", Path("/d"), columns))
    assert text == (
        "dataset,path,split,age_low,age_high,gender,group\n"
        'd,"a,""1"".jpg",train,,,,"d/a,""1"".jpg"\n'
        "d,b.jpg,test,3,9.5,1,d/b.jpg\n"
    )
    assert checksum(text) == hashlib.sha256(text.encode()).hexdigest()


def test_the_order_of_rows_and_the_folder_do_not_matter_and_labels_do() -> None:
    columns = {"path": ["a", "b"], "age_low": [1.0, 2.0], "age_high": [1.0, 2.0], "split": ["train", "val"]}
    table = FaceTable.of("d", Path("/d"), columns)
    reverse = FaceTable(table.frame.iloc[::-1], {"d": Path("/elsewhere")})
    assert split_csv(reverse) == split_csv(table)
    older = FaceTable.of("d", Path("/d"), {**columns, "age_high": [1.0, 3.0]})
    assert checksum(split_csv(older)) != checksum(split_csv(table))

"""The message of an error, also of one that a worker process of a data loader raises."""

import pytest
from torch.utils.data import DataLoader, Dataset

from agegender.errors import AgeGenderError
from agegender.sources.images import ImageError


class Broken(Dataset[int]):
    def __init__(self, error: AgeGenderError) -> None:
        self.error = error

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        try:
            raise OSError("the cause")
        except OSError as error:
            raise self.error from error


@pytest.mark.parametrize("error", [AgeGenderError("a.jpg: is gone", "b.jpg: too"), ImageError("a.jpg: is gone", "b.jpg: too")])
def test_a_worker_s_error_has_its_message_only(error: AgeGenderError) -> None:
    with pytest.raises(type(error)) as caught:
        next(iter(DataLoader(Broken(error), num_workers=1)))
    assert str(caught.value) == str(error) == "a.jpg: is gone\nb.jpg: too"


def test_a_name_starts_no_new_line_and_sends_nothing_to_the_terminal() -> None:
    name = "a\nerror: b\x1b[2J\u202egpj.jpg"
    error = AgeGenderError(f"{name}: is gone", "another line")
    assert str(error) == "a\\nerror: b\\x1b[2J\\u202egpj.jpg: is gone\nanother line"
    assert str(AgeGenderError(f"run: {error}")).endswith("gone\\nanother line")


def test_a_very_long_line_is_shortened() -> None:
    first, second = AgeGenderError("x" * 100_000, "y").lines
    assert len(first) < 1000 and second == "y"


def test_a_password_in_a_url_is_hidden() -> None:
    error = AgeGenderError("db=postgresql://me:s3cret/w0rd@host:5432/db?password=s3cret&ssl=1 fails", "see http://host:80/a")
    assert str(error) == "db=postgresql://me:***@host:5432/db?password=***&ssl=1 fails\nsee http://host:80/a"

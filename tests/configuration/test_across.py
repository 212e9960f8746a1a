"""Several datasets with their folders become one section of sources."""

import pytest

from agegender.configuration.across import data_of
from agegender.configuration.command import compose
from agegender.errors import AgeGenderError


def test_each_source_gets_its_own_folder_and_the_age_range() -> None:
    data = data_of({"utkface": "/a b/'x", "fairface": "/y"}, [0, 90])
    alone = compose(["data=fairface", "data.root=/y", "age_range=[0,90]"], "evaluate")["data"]
    assert data["sources"]["fairface"] == alone["sources"]["fairface"] and data["sources"]["fairface"]["max_age"] == 90
    assert data["sources"]["utkface"]["root"] == "/a b/'x"
    assert list(data["sources"]) == ["utkface", "fairface"]
    assert {key: alone[key] for key in data if key != "sources"} == {key: data[key] for key in data if key != "sources"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("utkfac", r"across\.utkfac: unknown dataset, did you mean utkface\?. Allowed: adience, "),
        ("mixed", r"across\.mixed: it is not read from one folder; evaluate it alone with data=mixed"),
        ("folder", r"across\.folder: it needs data\.csv too; evaluate it alone with data=folder"),
    ],
)
def test_a_dataset_that_does_not_fit_is_an_error(name: str, message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        data_of({name: "/faces"}, [0, 116])

"""Short names of models."""

from agegender.configuration.model_name import model_name, part_name


def test_a_name_is_preferred_to_a_class() -> None:
    config = {"backbone": {"_target_": "a.b.TimmBackbone", "name": "resnet50"}, "head": {"_target_": "a.heads.DLDL"}}
    assert model_name(config) == "resnet50 DLDL"


def test_a_missing_section_has_no_name() -> None:
    assert part_name({"head": None}, "head") is None and model_name({}) == ""

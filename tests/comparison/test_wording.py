"""Numbers as tables show them."""

from agegender.comparison.wording import ages, comparisons, duration, labels, p_value, scaled, yes


def test_labels_are_names_or_numbers_if_a_name_is_long() -> None:
    assert labels(["a", "b"]) == {"a": "a", "b": "b"}
    assert labels(["a", "b" * 33]) == {"a": "[1]", "b" * 33: "[2]"}


def test_numbers_have_a_unit() -> None:
    assert [scaled(number) for number in (None, 12, 1234, 2.5e6, 3e9)] == ["", "12", "1.23 k", "2.50 M", "3.00 G"]
    assert [duration(seconds) for seconds in (None, 59.6, 61, 3600)] == ["", "1 min 00 s", "1 min 01 s", "1 h 00 min"]


def test_p_values_and_verdicts() -> None:
    assert (p_value(0.0491), p_value(0.00099)) == ("0.0491", "<0.001")
    assert (yes(True), yes(False)) == ("YES", "no")
    assert (comparisons(1), comparisons(0)) == ("1 comparison", "0 comparisons")


def test_age_classes_are_open_at_both_ends() -> None:
    assert ages([0, 26, 51]) == "up to 25, 26-50, 51 and over"

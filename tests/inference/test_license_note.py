from agegender.inference.license_note import license_note


def test_the_note_names_every_dataset_and_the_initial_weights() -> None:
    note = license_note({"a": "CC BY 4.0", "b|": "research *only*"}, "timm's weights of x_y")
    rows = [line for line in note.splitlines() if line.startswith("| ")]
    assert len(rows) == 3 and "CC BY 4.0" in rows[1]
    assert "b\\|" in rows[2] and "research \\*only\\*" in rows[2]  # plain text, whatever a name is
    assert "Initial weights: " in note and "of x" in note
    assert "Apache-2.0" in note and "grants no right" in note


def test_unknown_data_is_said() -> None:
    assert "| unknown |" in license_note({}, "random")

"""The licence note of a bundle: on what the weights depend, and what each part allows."""

from collections.abc import Mapping

from agegender.escaping import markdown


def license_note(licenses: Mapping[str, str], initial_weights: str) -> str:
    """The text of ``licenses.md``.

    Args:
        licenses: Terms of each dataset that the model was trained on.
        initial_weights: Where the weights came from before the training.
    """
    terms = [f"| {markdown(name)} | {markdown(text)} |" for name, text in licenses.items()]
    return "\n".join([
        "# Licences",
        "",
        "This note lists what the weights in this folder were made from. It grants no right: whoever passes the weights on or",
        "uses them has to keep the terms of every line, and no licence of a dataset settles the rights of the people it shows.",
        "",
        "| training data | terms |",
        "|---|---|",
        *(terms or ["| unknown | ask whoever trained the model |"]),
        "",
        f"Initial weights: {markdown(initial_weights)}. Their terms apply too.",
        "",
        "The program that wrote this folder, agegender, is licensed under Apache-2.0. That licence does not cover the weights.",
        "",
    ])  # fmt: skip

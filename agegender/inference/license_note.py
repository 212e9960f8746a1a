"""The licence note of a bundle: on what the weights depend, and what each part allows."""

from collections.abc import Mapping

from agegender.escaping import markdown


def license_note(licenses: Mapping[str, str], initial_weights: str, own: str | None = None) -> str:
    """The text of ``licenses.md``.

    Args:
        licenses: Terms of each dataset that the model was trained on.
        initial_weights: Where the weights came from before the training.
        own: Terms for the exported weights, Markdown; None: no one has stated them.
    """
    terms = [f"| {markdown(name)} | {markdown(text)} |" for name, text in licenses.items()]
    return "\n".join([
        "# Licences",
        "",
        "This is what the weights in this folder were made from. The list grants no right: whoever passes the weights on or",
        "uses them has to keep the terms of every line, and no licence of a dataset settles the rights of the people it shows.",
        "",
        "| training data | terms |",
        "|---|---|",
        *(terms or ["| unknown | ask whoever trained the model |"]),
        "",
        f"Initial weights: {markdown(initial_weights)}. Their terms apply too.",
        "",
        "The program that wrote this folder, agegender, is licensed under Apache-2.0. That licence does not cover the weights.",
        *([] if own is None else ["", own.strip()]),
        "",
    ])  # fmt: skip

"""Every head has an `Examples` section in its docstring, and every example prints what the docstring says."""

import doctest
import inspect
import pkgutil
from importlib import import_module

import pytest

from agegender import heads
from agegender.heads.base import Head

MODULES = [import_module(f"{heads.__name__}.{module.name}") for module in pkgutil.iter_modules(heads.__path__)]
HEADS = [
    value
    for module in MODULES
    for value in vars(module).values()
    if inspect.isclass(value)
    and issubclass(value, Head)
    and not inspect.isabstract(value)
    and value.__module__ == module.__name__
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_print_what_the_docstring_says(module):
    assert doctest.testmod(module).failed == 0  # the differences are in the captured output


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.__name__)
def test_the_docstring_of_a_head_has_examples(head):
    _, _, examples = inspect.getdoc(head).partition("\nExamples:\n")
    assert doctest.DocTestParser().get_examples(examples), f"{head.__name__} has no Examples section"


def test_heads_are_found():
    assert {"AgeBins", "DLDL", "Regression", "GenderBCE", "GenderCrossEntropy"} <= {head.__name__ for head in HEADS}

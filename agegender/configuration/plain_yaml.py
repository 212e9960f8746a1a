"""Reads YAML that other people may have written, within limits."""

from typing import Any

import yaml

LONGEST = 2**18  # characters; the configuration of a run has a few thousand
MOST_NODES = 20_000  # with every alias replaced by what it stands for


def read_yaml(text: str) -> Any:
    """Parses one YAML document of plain values.

    Aliases can make a short document stand for billions of values, so the values are counted before they are built.

    Raises:
        ValueError: The text is no YAML, is too long, nests too deep, or stands for too many values.
    """
    if len(text) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if (count := _count(node, {})) > MOST_NODES:
            raise ValueError(f"more than {MOST_NODES} values once aliases are replaced ({count:.0e})")
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, float]) -> float:
    """Number of nodes below and including a node, each alias counted in full; infinite for a node that contains itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")  # found again only while its own children are counted
        children = [child for pair in node.value for child in pair] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + (sum(_count(child, known) for child in children) if isinstance(children, list) else 0)
    return known[id(node)]

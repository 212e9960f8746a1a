"""Settings that a person may mistype or a program may generate: refused in one line, or carried out."""

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agegender.configuration.command import compose

EXAMPLES = 60


def leaves(config: Any, path: str = "") -> list[str]:
    """Dotted keys of all values of a nested configuration."""
    if isinstance(config, dict) and config:
        return [leaf for key, value in config.items() for leaf in leaves(value, f"{path}.{key}".lstrip("."))]
    return [path]


# Left out: class paths, Hydra's own keys, and keys that name a folder, for which text is valid and is then written to.
FOLDERS = (".root", "_dir")
KEYS = [
    key for key in leaves(compose()) if not key.startswith(("hydra", "resume")) and not key.endswith(("_target_", *FOLDERS))
]
VALUES = st.one_of(
    st.sampled_from(
        ["null", "true", "nan", "inf", "-inf", "''", "[]", "{}", "[1,2]", "{a: 1}", "x", "'${nope.x}'", "???", "1e400"]
    ),
    st.integers(-(10**12), 10**12).map(str),
    st.sampled_from([-1, 0, 1, 2, 3]).map(str),
    st.floats(allow_nan=False).map(repr),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).map(
        lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    ),
)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(key=st.sampled_from(KEYS), value=VALUES)
@example(key="callbacks.early_stopping.monitor", value="''")
@example(key="optimizer.lr", value="81653986099300.0")  # finite losses in training, predictions that are NaN in validation
def test_train_refuses_or_obeys_any_setting(world: Any, key: str, value: str) -> None:
    result = world.train(f"{key}={value}")
    result.must_be_decent(key, key.split(".")[-1], value, "diverged", "not finite")  # the last two: training has begun

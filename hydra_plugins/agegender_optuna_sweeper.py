"""``hydra/sweeper=optuna``: searches with Optuna. The work is done in ``agegender.sweeps.search``."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, OmegaConf


class OptunaSweeper(Sweeper):
    """Asks Optuna for configurations and tells it their scores.

    Args:
        **settings: See ``agegender.sweeps.search.settings.SearchSettings``.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = OmegaConf.to_container(OmegaConf.create(settings), resolve=True)

    def setup(self, *, hydra_context: Any, task_function: Any, config: DictConfig) -> None:
        """Keeps what Hydra gives."""
        self.config = config
        self.loader = hydra_context.config_loader
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: Sequence[str]) -> None:
        """Searches; ends the process if the search fails."""
        from agegender.configuration.command import exit_on_error
        from agegender.errors import AgeGenderError

        with exit_on_error():
            if find_spec("optuna") is None:
                raise AgeGenderError("hydra/sweeper=optuna needs Optuna: pip install 'agegender[sweep]'")
            from agegender.sweeps.search.run import run_search
            from agegender.sweeps.search.settings import SearchSettings

            settings = SearchSettings(**self.settings)
            if status := run_search(settings, arguments, self.loader, self.config, self.launcher):
                raise SystemExit(status)

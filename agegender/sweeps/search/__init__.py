"""Search for the best configuration with Optuna, as an extra: ``pip install 'agegender[sweep]'``."""

import logging
import warnings

# Optuna's retry of lost trials and its pictures are marked as experimental; alembic reports its own plugins when imported.
warnings.filterwarnings("ignore", message=".* is experimental", module="agegender|optuna")
logging.getLogger("alembic").setLevel(logging.WARNING)

"""What the stack says of itself and nobody here can use."""

import logging
import warnings

from agegender.processes import ranks


def silence_what_is_known() -> None:
    """Advice of the stack on what is done here on purpose, or on its own insides; and all but one of several processes."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if ranks.rank() > 0:  # what all of them have to say, the first one says
        logging.getLogger("agegender").setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",  # a CPU trainer loads in its own process: the model keeps the cores busy
        ".*is smaller than the logging interval.*",
        ".*LeafSpec.*is deprecated.*",
        ".*sync_dist=True.*",  # what is logged at the end of an epoch was summed over the processes before
        ".*exists and is not empty.*",
    ):
        warnings.filterwarnings("ignore", message=message)

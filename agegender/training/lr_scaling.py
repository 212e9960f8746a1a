"""Learning rates for several processes, which see more faces in a step than one."""

import math
from typing import Literal

LrScaling = Literal["none", "linear", "sqrt"]


def factor(rule: LrScaling, processes: int) -> float:
    """What the learning rate is multiplied by.

    Args:
        rule: ``linear``: the number of processes (Goyal et al., "Accurate, Large Minibatch SGD", 2017), usual for SGD and
            together with a warm-up; ``sqrt``: its square root (Krizhevsky, "One weird trick", 2014), usual for Adam;
            ``none``: 1.
        processes: Number of ranks, at least 1.
    """
    return {"none": 1.0, "linear": float(processes), "sqrt": math.sqrt(processes)}[rule]

"""Exponential moving average of the weights."""

from lightning.pytorch.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn


class EMA(WeightAveraging):
    """Validates, saves and so tests the exponential moving average of weights and buffers (Polyak & Juditsky, 1992).

    Lightning's EMAWeightAveraging averages tensor by tensor; this one updates all tensors in one call.

    Args:
        decay: Share of the old average kept at each step, in 0..1.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=get_ema_multi_avg_fn(decay))

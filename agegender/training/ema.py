"""Exponential moving average of the weights."""

from lightning.pytorch.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

from agegender.training.setting_checks import require


class EMA(WeightAveraging):
    """Validates, saves and tests the exponential moving average of weights and buffers instead of the trained ones.

    Averaging of weights: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992. Lightning's
    EMAWeightAveraging updates tensor by tensor; this class updates all tensors in one call, which is faster.

    Args:
        decay: Share of the old average that each step keeps, in 0..1.

    Raises:
        AgeGenderError: ``decay`` is outside this range.
    """

    def __init__(self, decay: float) -> None:
        require(0 <= decay <= 1, "callbacks.ema.decay", decay, "between 0 and 1")
        super().__init__(multi_avg_fn=get_ema_multi_avg_fn(decay))

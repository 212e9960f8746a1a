"""Exponential moving average of the weights."""

from collections.abc import Sequence

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from agegender.training.setting_checks import require


class EMA(WeightAveraging):
    """Validates, saves and tests the exponential moving average of weights and buffers instead of the trained ones.

    Averaging of weights: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992. Lightning's
    EMAWeightAveraging updates tensor by tensor; this class updates all tensors in one call, which is faster.

    Args:
        decay: Share of the old average that each step keeps, in 0..1.
        warmup: Limits the share to ``(1 + n) / (10 + n)`` after ``n`` steps, as TensorFlow's ``ExponentialMovingAverage``
            does with ``num_updates``. The average then forgets the initial weights within the first steps; without it, the
            first ``1 / (1 - decay)`` steps are validated with weights that are mostly the initial ones.

    Raises:
        AgeGenderError: ``decay`` is outside this range.
    """

    def __init__(self, decay: float, warmup: bool = False) -> None:
        require(0 <= decay <= 1, "callbacks.ema.decay", decay, "between 0 and 1")
        super().__init__(multi_avg_fn=self._average)
        self._decay, self._warmup = decay, warmup
        self._step = 0

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Whether the average is updated now: after each step."""
        # The step is read here because the average's own counter may be on a GPU, where reading it waits for the GPU.
        self._step = self._step if step_idx is None else step_idx
        return super().should_update(step_idx, epoch_idx)

    def _average(self, averages: Sequence[Tensor], weights: Sequence[Tensor], updates: Tensor | int) -> None:
        decay = min(self._decay, (1 + self._step) / (10 + self._step)) if self._warmup else self._decay
        get_ema_multi_avg_fn(decay)(averages, weights, updates)

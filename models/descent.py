"""One way down for every training loop: AdamW along a cosine, its gradients clipped."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Descent"]


class Descent:
    """An optimizer and its schedule.

    Parameters
    ----------
    module : nn.Module
        Whose parameters are moved.
    learning_rate : float
        At the start; falls to 0 along a cosine.
    weight_decay : float
        Share of every parameter taken off per step, times the learning rate.
    clip : float
        Largest norm of the gradient.
    steps : int
        Of the whole training.
    """

    def __init__(
        self,
        module: nn.Module,
        learning_rate: float,
        weight_decay: float,
        clip: float,
        steps: int,
    ) -> None:
        self._module, self._clip = module, clip
        self._optimizer = torch.optim.AdamW(
            module.parameters(), learning_rate, weight_decay=weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, steps)

    def step(self, loss: Tensor, epoch: int) -> float:
        """Move the parameters down a batch's loss, and return it.

        Raises
        ------
        FloatingPointError
            When the loss is not finite; nothing has been moved then.
        """
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss.item()} in epoch {epoch}")
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._module.parameters(), self._clip)
        self._optimizer.step()
        self._schedule.step()
        return float(loss.detach())

"""A module of torch and how it is trained: gradients clipped by their common norm, AdamW, a rate for each step."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

from collections.abc import Mapping, Sequence

import numpy as np
import torch


class Training:
    """A module whose call on a batch is the loss.

    Args:
      module: with its weights.
      rates: the learning rate of each step; the last one stays.
      weight_decay: decoupled.
      b2: decay of the mean of squares.
      matrices_only: whether vectors do not decay.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        rates: Sequence[float],
        *,
        weight_decay: float,
        b2: float = 0.999,
        matrices_only: bool = False,
    ):
        self.module, self.rates, self.loss = module, rates, module
        self.options = {"betas": (0.9, b2), "fused": True}
        self.decays = [(weight_decay, lambda x: x.ndim > 1 or not matrices_only)]
        self.decays += [(0.0, lambda x: x.ndim <= 1)] if matrices_only else []
        self.begin()

    def begin(self) -> None:
        """Before the first step."""
        groups = [
            {"params": [x for x in self.module.parameters() if chosen(x)], "weight_decay": decay}
            for decay, chosen in self.decays
        ]
        self.optimizer, self.done = torch.optim.AdamW(groups, lr=self.rates[0], **self.options), 0

    def reset(self, weights: Mapping[str, np.ndarray]) -> None:
        """Before the first step, from these weights."""
        self.module.load_state_dict({name: torch.from_numpy(np.array(x)) for name, x in weights.items()})
        self.begin()

    def compile(self) -> None:
        """The loss with its gradient under torch.compile; the optimizer is one fused kernel anyway."""
        torch._dynamo.reset()  # else the compiler gives up on the ninth graph of a process
        self.loss = torch.compile(self.module, dynamic=False)

    def step(self, batch) -> float:
        """One update; the loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rates[min(self.done, len(self.rates) - 1)]
        self.optimizer.zero_grad()
        loss = self.loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        self.done += 1
        return loss.item()

    def outcome(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Copies of the weights, and of the mean squares of their gradients."""
        return outcome(self.module, self.optimizer)


def outcome(module: torch.nn.Module, optimizer: torch.optim.Optimizer):
    """Weights and mean squares of gradients of a module that Adam has trained."""
    named = dict(module.named_parameters())
    weights = {name: x.detach().numpy().copy() for name, x in named.items()}
    return weights, {name: optimizer.state[x]["exp_avg_sq"].numpy().copy() for name, x in named.items()}

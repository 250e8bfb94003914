"""Sizes of the runs of `digits`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """One comparison. Nothing here was chosen by looking at test labels: steps and sizes are fixed beforehand."""

    labels_per_class: int = 3  # so 30 of 1,797 digits are labelled
    num_neighbors: int = 5
    gcn_dims: tuple[int, ...] = (64, 64, 10)
    gat_dims: tuple[int, ...] = (64, 8, 10)  # hidden sizes are those of a head
    num_heads: int = 4
    appnp_dims: tuple[int, ...] = (64, 64, 10)
    appnp_restart: float = 0.1  # with this many steps the paper's, arXiv:1810.05997, section 5
    appnp_steps: int = 10
    spreading: float = 0.99  # of label spreading, the paper's alpha: Zhou et al., NIPS 2003, section 4
    num_steps: int = 100
    learning_rate: float = 0.01
    weight_decay: float = 5e-3
    dropout_rate: float = 0.5
    inverse_penalties: tuple[float, ...] = (0.1, 1.0, 10.0)  # of logistic regression, chosen by cross-validation


PRESETS = {
    "smoke": Config(
        gcn_dims=(64, 16, 10),
        gat_dims=(64, 4, 10),
        num_heads=2,
        appnp_dims=(64, 16, 10),
        num_steps=20,
        inverse_penalties=(1.0,),
    ),
    "cpu": Config(),
    "full": Config(num_steps=300),
}

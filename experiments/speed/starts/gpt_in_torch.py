"""A language model's first step with torch."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

import torch

from experiments.speed.peers.gpt import Gpt, as_tokens
from experiments.speed.starts.given import main


def train(inputs, weights, num_steps):
    """Losses of the first steps."""
    tokens, (vocab, depth, dim, heads) = as_tokens(inputs["tokens"]), inputs["sizes"].tolist()
    model = Gpt(vocab, depth, dim, heads, tokens.shape[1] - 1)
    if weights is not None:
        model.load_state_dict({name: torch.from_numpy(x) for name, x in weights.items()})
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1), []
    for _ in range(num_steps):
        optimizer.zero_grad()
        loss = model(tokens)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    main(train)

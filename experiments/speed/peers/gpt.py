"""The language model of `experiments.language` in torch, with its fused attention; a call on tokens is the loss."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

import torch
from torch import nn
from torch.nn.functional import cross_entropy, linear, relu, scaled_dot_product_attention


class Block(nn.Module):
    """Attention to the past and a perceptron of four times the width, each behind a norm."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.output = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.up, self.down = nn.Linear(dim, 4 * dim, bias=False), nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x):
        """[batch, n, dim] -> [batch, n, dim]."""
        batch, n, dim = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(batch, n, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # [batch, heads, n, head_dim]
        mixed = scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.output(mixed.transpose(1, 2).reshape(batch, n, dim))
        return x + self.down(relu(self.up(self.norm_mlp(x))))


class Gpt(nn.Module):
    """Embeddings, blocks, and the table of the embeddings once more for the logits."""

    def __init__(self, vocab_size: int, depth: int, dim: int, heads: int, context: int):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocab_size, dim), nn.Embedding(context, dim)
        self.blocks, self.norm = nn.ModuleList(Block(dim, heads) for _ in range(depth)), nn.LayerNorm(dim)
        for table in (self.embedding, self.positions):
            nn.init.normal_(table.weight, std=dim**-0.5)

    def forward(self, tokens):
        """[batch, context + 1], inputs and, one later, targets -> nats a token."""
        x = self.embedding(tokens[:, :-1]) + self.positions.weight
        x = x * x.shape[-1] ** 0.5
        for block in self.blocks:
            x = block(x)
        logits = linear(self.norm(x), self.embedding.weight)
        return cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def as_tokens(batch) -> torch.Tensor:
    """In the integers that torch indexes by."""
    return torch.from_numpy(batch).long()

"""Attention and reductions in NumPy float64, one receiver, head and edge at a time; no code of the library runs."""

import numpy as np


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def logit(score, parameters, q, k, e, head):
    """Of one edge and head: q, k are rows [dim], e is the edge's features of this head or None."""
    if score == "dot":
        return q @ (k if e is None else k + e)
    if score == "cosine":
        return (q / np.sqrt(q @ q + 1)) @ (k / np.sqrt(k @ k + 1))
    if score == "additive":
        return leaky(parameters[0][head] @ q + parameters[1][head] @ k + (0 if e is None else e))
    if score == "additive v2":
        return parameters[0][head] @ leaky(q + k + (0 if e is None else e))
    if score == "gaussian":
        u = k - q if e is None else e
        return -0.5 * (((u - parameters[0][head]) / parameters[1][head]) ** 2).sum()
    assert score == "own"
    return np.tanh(parameters[0][head] * q * k).sum()


def attend(senders, receivers, operands, score, keep=None):
    """Output, log-sum-exp and weights.

    Args:
        senders: of the live edges.
        receivers: of the live edges.
        operands: query [n, heads, dim], key, value, and perhaps parameters, bias [n_live, heads], edges, edge_value,
            scale [heads], all float64.
        score: its name.
        keep: what dropout leaves of a weight, [n_live, heads]: 0 or 1 / (1 - rate).
    """
    query, key, value = operands["query"], operands["key"], operands["value"]
    n, heads, dim = query.shape
    group = heads // key.shape[1]
    scale = operands.get("scale", np.full(heads, (dim**-0.5 if dim else 1.0) if score == "dot" else 1.0))
    bias, edges, extra = (operands.get(name) for name in ("bias", "edges", "edge_value"))
    output, weights = np.zeros((n, heads, value.shape[2])), np.zeros((len(senders), heads))
    lse, logits = np.full((n, heads), -np.inf), np.full((len(senders), heads), -np.inf)
    for e, (j, i) in enumerate(zip(senders, receivers, strict=True)):
        for a in range(heads):
            features = None if edges is None else edges[e, a]
            found = logit(score, operands.get("parameters"), query[i, a], key[j, a // group], features, a)
            logits[e, a] = scale[a] * found + (0.0 if bias is None else bias[e, a])
    for i in range(n):
        mine = np.flatnonzero(receivers == i)
        for a in range(heads):
            top = logits[mine, a].max(initial=-np.inf)
            if top == -np.inf:
                continue
            exponentials = np.exp(logits[mine, a] - top)
            lse[i, a] = top + np.log(exponentials.sum())
            weights[mine, a] = exponentials / exponentials.sum()
            for e in mine:
                message = value[senders[e], a // group] + (0.0 if extra is None else extra[e, a])
                kept = 1.0 if keep is None else keep[e, a]
                output[i, a] += weights[e, a] * kept * message
    return output, lse, weights


def kept(words, rate, senders, receivers, heads):
    """What dropout leaves: a hash of two words of a key, receiver, sender and head, in 32 bits."""
    bits = 2**32
    result = np.zeros((len(senders), heads))
    for e, (j, i) in enumerate(zip(senders, receivers, strict=True)):
        for a in range(heads):
            state = int(words[0])
            for word in (int(words[-1]), int(i), int(j), a):
                state = mixed(state ^ ((word * 0x9E3779B9 + 0x7F4A7C15) % bits))
            result[e, a] = 1 / (1 - rate) if state >= min(round(rate * bits), bits - 1) else 0.0
    return result


def mixed(x):
    bits = 2**32
    x = ((x ^ (x >> 16)) * 0x7FEB352D) % bits
    x = ((x ^ (x >> 15)) * 0x846CA68B) % bits
    return x ^ (x >> 16)


def reduce(senders, receivers, x, n, reduction, edges=None):
    """The messages of the in-edges of each receiver, as one row: [n, dim]."""
    output = np.zeros((n, x.shape[1]), x.dtype if reduction in ("sum", "max", "min") else np.float64)
    for i in range(n):
        mine = np.flatnonzero(receivers == i)
        if not len(mine):
            continue
        messages = x[senders[mine]] + (0 if edges is None else edges[mine])
        if reduction == "softmax":
            weights = np.exp(messages - messages.max(axis=0))
            output[i] = (weights / weights.sum(axis=0) * messages).sum(axis=0)
        else:
            output[i] = getattr(messages, reduction)(axis=0)
    return output

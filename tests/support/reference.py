"""The definition as a NumPy loop in float64: slow, obvious, and sharing no code with the library."""

import numpy as np


def attend(senders, receivers, live, query, key, value, *, bias=None, scale=None, edge_value=None):
    """Attention over an edge list, one receiver, head and edge at a time. bias: [n_edge, heads]."""
    query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
    n, heads, dim = query.shape
    group = heads // key.shape[1]
    scale = dim**-0.5 if scale is None else scale
    output = np.zeros((n, heads, value.shape[2]))
    weights = np.zeros((len(senders), heads))
    for a in range(heads):
        for i in range(n):
            mine = [e for e in range(len(senders)) if live[e] and receivers[e] == i]
            logits = {}
            for e in mine:
                logit = scale * float(query[i, a] @ key[senders[e], a // group])
                logits[e] = logit + (0.0 if bias is None else float(bias[e, a]))
            logits = {e: x for e, x in logits.items() if x != -np.inf}
            if not logits:
                continue
            top = max(logits.values())
            total = sum(np.exp(x - top) for x in logits.values())
            for e, x in logits.items():
                weights[e, a] = np.exp(x - top) / total
                message = value[senders[e], a // group]
                output[i, a] += weights[e, a] * (message if edge_value is None else message + edge_value[e, a])
    return output, weights

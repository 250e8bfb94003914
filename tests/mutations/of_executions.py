"""Guards of the fused executions: what the definition gives they must give."""

from tests.mutations.guard import guards_of

FUSED = "tests/attention/fused/"
ALL = " -m 'slow or not slow' -k "
EDGES = FUSED + "test_edges.py" + ALL + "'minus_infinity or hold or (every_gradient and padded and dot)'"
DEAD_EDGES = "tests/attention/test_dead_edges.py -m slow -k "
HOLD = FUSED + "test_edges.py" + ALL + "hold"
LSE = "tests/attention/test_lse.py"
PAIRS = "tests/attention/test_weights.py -m slow -k pairs_that_do_not_exist"

GUARDS = [
    *guards_of(
        "tgnn/attention/fused/chunk.py",
        EDGES,
        (
            "        rows = tuple(x if x is None else chunk.zero_dead(x) for x in rows)\n",
            "        pass\n",
            HOLD,
        ),
        (
            "return on_live(logits, chunk.live, parameters, *rows, chunk.receiver, chunk.sender, inputs.bias)",
            "return logits(parameters, *rows, chunk.receiver, chunk.sender, inputs.bias)",
            f"{DEAD_EDGES}'fused-edges'",
        ),
        (
            "live = (receivers < layout.n_receivers) & (places >= number * size)",
            "live = receivers < layout.n_receivers",
            FUSED + "test_edges.py -k last_chunk",
        ),
        ("jnp.where(layout.live, layout.receiver_index, layout.n_receivers)", "layout.receiver_index"),
        ("jnp.clip(senders, 0, layout.n_senders - 1)", "senders", FUSED + "test_edges.py -k nodes_that_exist"),
        ("jnp.where(live, senders, layout.n_senders)", "senders"),
        ("jnp.where(live, positions, layout.n_edge)", "positions"),
        (
            "rows = repeat_heads(take(call.value, self.sender).astype(wide), heads)",
            "rows = repeat_heads(take(call.value, self.sender), heads)",
            "tests/attention/test_guards.py -k half_precision_promote",
        ),
        (
            "step = inner - lost",
            "step = inner",
            "tests/attention/test_long_sums.py",
        ),
        (
            "sum_in_buckets(rows.astype(self.total.dtype), jnp.minimum(index, n), n) - self.lost",
            "sum_in_buckets(rows.astype(self.total.dtype), jnp.minimum(index, n), n)",
            "tests/attention/test_long_sums.py",
        ),
    ),
    *guards_of(
        "tgnn/attention/fused/edges.py",
        EDGES,
        ("shift = jnp.where(jnp.isfinite(maximum), maximum, 0.0)", "shift = maximum"),
        ("maximum = jnp.where(maximum == -jnp.inf, 0.0, maximum)", "maximum = maximum * 1.0"),
        ("total = jnp.where(total == 0.0, jnp.inf, total)", "total = total * 1.0"),
        (
            "to_logits = chunk.zero_dead(to_logits) if floats else to_logits",
            "to_logits = to_logits",
            HOLD,
        ),
        (
            "delta = (gradient.astype(wide) * output.astype(wide)).sum(-1)",
            "delta = (gradient * output).sum(-1).astype(wide)",
            FUSED + "test_edges.py -k slopes_of_half",
        ),
    ),
    *guards_of(
        "tgnn/attention/fused/edge_kernel.py",
        FUSED + "test_edge_kernel.py",
        ("logits = jnp.where(ends.live[:, None], logits, -jnp.inf)", "logits = logits * 1.0"),
        ("weights = jnp.where(live, exponentials / total, 0.0)", "weights = exponentials / total"),
        ("total = jnp.where(total == 0.0, jnp.inf, total)", "total = total * 1.0"),
    ),
    *guards_of(
        "tgnn/attention/fused/runs.py",
        FUSED + "test_edge_kernel.py",
        ("other = jnp.where(pick(live), pick(others), -1).astype(jnp.int32)", "other = pick(others).astype(jnp.int32)"),
        ("end = jnp.minimum(first + PIECE, fetch(begin, node + 1))", "end = fetch(begin, node + 1)"),
    ),
    *guards_of(
        "tgnn/attention/fused/tile.py",
        FUSED + "test_dense.py",
        ("& (rows.segment[:, None] >= 0))", ")"),
        ("alive = None if score.ignores_zeros else alive", "alive = None", f"{DEAD_EDGES}'fused-causal'"),
        ("on_live(bias_at, alive, bias,", "on_live(bias_at, None, bias,", f"{DEAD_EDGES}'fused-causal'"),
        ("conditions.append(columns.index[None, :] <= rows.last[:, None])", "pass"),
        (
            "return x if alive is None else jnp.where(alive[None, None], x, -jnp.inf)",
            "return x if alive is None else jnp.where(alive[None, None], x, -1e30)",
        ),
        ("return jnp.where(jnp.isfinite(maximum), maximum, 0.0)", "return maximum"),
        ("    safe = jnp.where(empty, 1.0, total)\n", "    safe = total\n"),
        ("jnp.where(empty, jnp.inf, jnp.log(safe))", "jnp.log(safe)", LSE + " -k tiles_give"),
        (
            "drop(rule, weights, draw, heads, rows, columns), value, slots.value)",
            "weights, value, slots.value)",
            FUSED + "test_dense.py",
        ),
    ),
    *guards_of(
        "tgnn/attention/fused/rows.py",
        FUSED + "test_dense.py",
        ("    return jnp.where(touched.reshape(shape), x, jnp.zeros((), x.dtype))\n", "    return x\n"),
    ),
    *guards_of(
        "tgnn/attention/fused/derivatives.py",
        LSE + " -k tiles_give",
        (
            "to_lse = [jnp.where(x == -jnp.inf, 0.0, g) for x, g in zip(lse, to_lse, strict=True)]",
            "to_lse = list(to_lse)",
        ),
    ),
    *guards_of(
        "tgnn/attention/fused/execution.py",
        LSE,
        ("return jnp.where(empty, -jnp.inf, self.maximum + self.log_total)", "return self.maximum + self.log_total"),
    ),
    *guards_of(
        "tgnn/attention/fused/weights.py",
        "tests/attention/test_weights.py tests/attention/fused/test_calls.py",
        (
            "    at = tuple(jnp.where(x < 0, jnp.iinfo(jnp.int32).max, x) for x in at)  # negative ones would wrap around\n",
            "",
        ),
        ("    inside = (head >= 0) & (head < heads)\n", "    inside = head >= 0\n"),
        (
            "jnp.where(layout.live & inside, jnp.exp(logits[row, column] - maximum - log_total), 0.0)",
            "jnp.exp(logits[row, column] - maximum - log_total)",
        ),
        ("inside = inside & (slot >= 0) & (slot < size)", "inside = inside & (slot >= 0)", PAIRS),
        ("if len(at) != axes + 1:", "if False:"),
        ("live = inside if layout.live is None else inside & pick(layout.live)", "live = inside", PAIRS),
    ),
]

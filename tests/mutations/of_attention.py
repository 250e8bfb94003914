"""Guards of softmax, attention and reductions."""

from tests.mutations.guard import guards_of

PROMISES = "tests/attention/test_promises.py"
JRAPH = "tests/graphs/test_jraph.py"
SOFTMAX = "tests/test_softmax.py"
AGGREGATION = "tests/attention/test_reduction_guards.py"
DEAD_EDGES = "tests/attention/test_dead_edges.py"

GUARDS = [
    *guards_of(
        "tgnn/attention/bias.py",
        "tests/attention/test_bias_functions.py",
        ("    if is_tree or jax.sharding.get_abstract_mesh().manual_axes:\n", "    if is_tree:\n"),
        ("    return Program(list(program.consts), program.jaxpr)\n", "    return bias\n"),
    ),
    *guards_of(
        "tgnn/nn/row_product.py",
        "tests/nn/test_row_product.py",
        ("batching.primitive_batchers[product] = batched", "batching.defvectorized(product)"),
        (" or 0 in (*x.shape, *kernel.shape)", ""),
    ),
    *guards_of(
        "tgnn/softmax.py",
        SOFTMAX,
        (
            "return jnp.promote_types(jnp.result_type(*(jnp.dtype(x) for x in dtypes)), jnp.float32)",
            "return jnp.result_type(*(jnp.dtype(x) for x in dtypes))",
            f"{PROMISES} -k half_precision",
        ),
        (
            "return dtype if jnp.issubdtype(dtype, jnp.integer) and dtype.itemsize >= 4 else wide_dtype(dtype)",
            "return dtype if jnp.issubdtype(dtype, jnp.integer) else wide_dtype(dtype)",
        ),
        (
            "return x if live is None else jnp.where(expand(live, x.ndim), x, jnp.asarray(least(x.dtype), x.dtype))",
            "return x",
        ),
        ("return exponentials / jnp.where(total == 0.0, 1.0, total)", "return exponentials / total"),
        (
            "return jnp.where(empty, -jnp.inf, maximum + jnp.log(jnp.where(empty, 1.0, total)))",
            "return maximum + jnp.log(total)",
        ),
        ("        live = live & expand(mask, logits.ndim)\n", "        pass\n"),
        (
            "jnp.exp(jnp.where(live, logits - to_edges(maximum), 0.0))",
            "jnp.exp(logits - to_edges(maximum))",
        ),
        (
            "exponentials = jnp.where(live, jnp.exp(jnp.where(live, logits - to_edges(maximum), 0.0)), 0.0)",
            "exponentials = jnp.exp(jnp.where(live, logits - to_edges(maximum), 0.0))",
        ),
        ("    logits = logits.astype(wide_dtype(logits.dtype))\n    live = logits", "    live = logits"),
        ("    x = x.astype(sum_dtype(x.dtype))\n    if num_segments == 0:", "    if num_segments == 0:"),
        ("    ids = widen_index(segment_ids)\n    ids = jnp.where", "    ids = segment_ids\n    ids = jnp.where"),
        ("    ids = jnp.where(ids < 0, num_segments, ids)\n", ""),
        (
            "    if num_segments == 0:  # a scatter into nothing has no derivative in JAX\n"
            "        return jnp.zeros((0, *x.shape[1:]), x.dtype)\n",
            "",
        ),
        ("return rows >= LONG and num_segments <= BUCKET", "return False"),
        ("sum_in_buckets(x, jnp.minimum(ids, num_segments), num_segments)", "sum_in_buckets(x, ids, num_segments)"),
        (
            "sum_in_parts(x, jnp.minimum(ids, num_segments), num_segments, depth)",
            "sum_in_parts(x, ids, num_segments, depth)",
        ),
        (
            "place = jnp.where(ids == n, parts * n, jnp.arange(x.shape[0]) // size * n + ids)",
            "place = jnp.arange(x.shape[0]) // size * n + ids",
        ),
        ("    live = (segment_ids >= 0) & (segment_ids < num_segments)\n", "    live = segment_ids < num_segments\n"),
        (
            '        mask = jnp.asarray(mask)\n        check_bool("mask", mask)\n',
            "        mask = jnp.asarray(mask)\n",
        ),
        ("if x is not None and np.shape(x) != logits.shape[:1]:", "if False:"),
    ),
    *guards_of(
        "tgnn/attention/definition.py",
        "tests/attention/test_guards.py",
        ("layout.zero_dead_edges(call.edge_value.astype(call.wide))", "call.edge_value.astype(call.wide)"),
        (
            "scores = layout.zero_dead_edges(check_logits(layout, heads, scores.astype(call.wide)))",
            "scores = check_logits(layout, heads, scores.astype(call.wide))",
            "tests/attention/test_guards.py",
        ),
        (
            "check_logits(layout, heads, scores.astype(call.wide))",
            "scores.astype(call.wide)",
            "tests/attention/test_errors.py -k shape",
        ),
        ("return result.astype(call.value.dtype)", "return result"),
        ("        query, key = query.astype(call.wide), key.astype(call.wide)\n", "        pass\n"),
        ("kept = apply_dropout(call.draw, call.dropout_rate, weights, *edge_numbers(call))", "kept = weights"),
    ),
    *guards_of(
        "tgnn/attention/dropout.py",
        "tests/attention/test_dropout.py",
        ("for word in (words.last, *numbers):", "for word in (words[-1], *list(numbers)[1:]):"),
        ("for word in (words.last, *numbers):", "for word in (words[-1], *list(numbers)[::2]):"),
        ("for word in (words.last, *numbers):", "for word in (words[-1], *list(numbers)[:2]):"),
        ("for word in (words.last, *numbers):", "for word in numbers:"),
        ("return index + origin if jnp.ndim(origin) == 0 else", "return index if jnp.ndim(origin) == 0 else"),
        ("weights / (1.0 - rate), 0.0)", "weights, 0.0)", "tests/attention/test_guards.py"),
    ),
    *guards_of(
        "tgnn/attention/aggregation.py",
        AGGREGATION,
        (
            "messages = layout.from_senders(x.astype(wide))",
            "messages = layout.from_senders(x).astype(wide)",
        ),
        ("layout.zero_dead_edges(edges.astype(wide))", "edges.astype(wide)"),
        ("/ jnp.maximum(count, 1.0)", "/ count"),
        ("return jnp.where(jnp.isneginf(largest), 0.0, largest)", "return largest"),
        (
            "return jnp.where(expand(degree > 0, largest.ndim), largest, 0)",
            "return largest",
            AGGREGATION,
        ),
        (
            "return jnp.where(expand(degrees(layout) > 0, smallest.ndim), smallest, 0)",
            "return smallest",
            AGGREGATION,
        ),
        ("jnp.where(variance == 0, 0.0, jnp.sqrt(jnp.where(variance == 0, 1.0, variance)))", "jnp.sqrt(variance)"),
        ("    below = messages - largest\n", "    below = messages\n"),
        ("unit = jnp.where(unit > 0, unit, 1.0)", "unit = unit * 1.0"),
        ("jnp.log1p(jnp.maximum(degrees(layout), 1.0))", "jnp.log1p(degrees(layout))"),
        ("return layout.zero_dead_edges(weights[..., None])", "return weights[..., None]"),
        ("roots * layout.zero_dead_edges(edge_weight.astype(roots.dtype))", "roots * edge_weight.astype(roots.dtype)"),
        (
            "return layout.zero_dead_edges(jnp.broadcast_to(inverse, layout.edge_shape)[..., None])",
            "return jnp.broadcast_to(inverse, layout.edge_shape)[..., None]",
        ),
        ("jnp.where(nothing, 0.0, 1.0 / jnp.sqrt(jnp.where(nothing, 1.0, degree)))", "1.0 / jnp.sqrt(degree)"),
        ("    if found != sizes:\n", "    if False:\n", "tests/sampling/test_hops.py -k degrees_of"),
        (
            "return jnp.where(jnp.isneginf(largest), 0.0, largest)",
            "return jnp.where(jnp.isfinite(largest), largest, 0.0)",
        ),
    ),
    *guards_of(
        "tgnn/attention/scores.py",
        PROMISES + " -k parameters",
        (
            "self.pair(*(x if x is None else layout.zero_dead_edges(x) for x in inputs))",
            "self.pair(*inputs)",
            "tests/attention/test_guards.py",
        ),
        ("return on_live(type(self).pair, layout.live, self, *inputs)", "return self.pair(*inputs)", DEAD_EDGES),
        ("safe = jnp.where(jnp.isfinite(x), x, jnp.zeros((), x.dtype))", "safe = x"),
        (
            "return quiet(x), jnp.where(jnp.isfinite(x), to_x, jnp.zeros((), to_x.dtype))",
            "return quiet(x), to_x",
            "tests/attention/test_guards.py",
        ),
        ("return head_dim**-0.5 if head_dim else 1.0", "return head_dim**-0.5", "tests/attention/test_guards.py"),
    ),
    *guards_of(
        "tgnn/attention/live.py",
        DEAD_EDGES,
        ("jnp.where(exists, x, jax.lax.stop_gradient(x))", "x", f"{DEAD_EDGES} -k any_edge"),
        ("return jnp.where(expand(live, x.ndim), x, row)", "return x"),
        ("jax.lax.stop_gradient(row).reshape(", "row.reshape(", f"{DEAD_EDGES} -k any_edge"),
    ),
    *guards_of(
        "tgnn/attention/definition.py",
        DEAD_EDGES,
        ("return on_live(bias_at, call.layout.live, call.bias, *ends)", "return bias_at(call.bias, *ends)"),
    ),
    *guards_of(
        "tgnn/attention/merging.py",
        "tests/attention/test_lse.py -k 'merg'",
        ("if outputs.ndim != 4 or outputs.shape[:3] != lses.shape:", "if False:"),
    ),
]

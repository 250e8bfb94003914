"""Guards of layouts, their transforms and what is said of bad input."""

from tests.mutations.guard import guards_of

GUARDED = "tests/attention/test_guards.py"
ERRORS = "tests/attention/test_errors.py"
EDGES = "tests/graphs/test_edge_list.py tests/attention/test_guards.py -m 'slow or not slow' -k 'mask or range or dead or pairs'"
PRECISION = "tests/attention/test_precision.py"
TYPES = "tests/graphs/test_index_types.py tests/nn/test_indices.py"

GUARDS = [
    *guards_of(
        "tgnn/graphs/edge_list.py",
        EDGES,
        (
            "inside = (receivers >= 0) & (receivers < self.n_receivers) & (senders >= 0) & (senders < self.n_senders)",
            "inside = (senders >= 0) & (senders < self.n_senders)",
        ),
        (
            "inside = (receivers >= 0) & (receivers < self.n_receivers) & (senders >= 0) & (senders < self.n_senders)",
            "inside = (receivers >= 0) & (receivers < self.n_receivers) & (senders < self.n_senders)",
        ),
        (
            "inside = (receivers >= 0) & (receivers < self.n_receivers) & (senders >= 0) & (senders < self.n_senders)",
            "inside = (receivers >= 0) & (receivers < self.n_receivers) & (senders >= 0)",
        ),
        ("return inside if self.mask is None else inside & self.mask", "return inside"),
        (
            "return senders, receivers, live if self.mask is None else live & np.asarray(self.mask)",
            "return senders, receivers, live",
            "tests/graphs/test_interop.py tests/graphs/test_edge_list.py tests/attention/test_guards.py",
        ),
        ("        if senders.shape != receivers.shape:\n", "        if False:\n", ERRORS),
        ("        if size < n_edge:\n", "        if False:\n", ERRORS),
        (
            "layout.reduce(weights.astype(wide)[..., None] * layout.from_senders(value.astype(wide)))",
            "layout.reduce(weights[..., None].astype(value.dtype) * layout.from_senders(value))",
            PRECISION + " -m slow -k 'verbs and edges'",
        ),
        (
            "    again = keys[1:][keys[1:] == keys[:-1]]\n",
            "    again = keys[:0]\n",
            ERRORS + " tests/attention/test_guards.py",
        ),
        (
            "outside = jnp.pad(self.receiver_index, (0, spare), constant_values=self.n_receivers)",
            "outside = jnp.pad(self.receiver_index, (0, spare))",
            "tests/graphs/test_interop.py tests/planning/test_batching.py tests/attention/test_guards.py",
        ),
    ),
    *guards_of(
        "tgnn/graphs/dense.py",
        GUARDED,
        (
            "return x if has_edge is None else jnp.where(expand(has_edge, x.ndim), x, jnp.zeros((), x.dtype))",
            "return x",
            GUARDED,
        ),
        (
            "return self.zero_dead_edges(x).sum(axis=1, dtype=sum_dtype(x.dtype))",
            "return x.sum(axis=1, dtype=sum_dtype(x.dtype))",
            GUARDED,
        ),
        (
            "return self.zero_dead_edges(x).sum(axis=1, dtype=sum_dtype(x.dtype))",
            "return self.zero_dead_edges(x).sum(axis=1)",
            PRECISION + " -m slow -k 'verbs and complete'",
        ),
        (
            '"nmh,mhd->nhd", self.zero_dead_edges(weights), value.astype(wide)',
            '"nmh,mhd->nhd", weights, value.astype(wide)',
            GUARDED,
        ),
        (
            "past = self.sender_index <= self.receiver_index + self.offset",
            "past = self.sender_index <= self.receiver_index",
        ),
        ("return past if same is None else past & same", "return past"),
    ),
    *guards_of(
        "tgnn/graphs/segments.py",
        GUARDED,
        ("return (mine[:, None] == theirs[None, :]) & (mine[:, None] >= 0)", "return mine[:, None] == theirs[None, :]"),
        (
            "return (mine[receivers] == theirs[senders]) & (mine[receivers] >= 0)",
            "return mine[receivers] == theirs[senders]",
            GUARDED,
        ),
        ("            if self.n_receivers != self.n_senders:\n", "            if False:\n", ERRORS),
        ("    if given[0] != given[1] and any(", "    if False and any(", ERRORS),
    ),
    *guards_of(
        "tgnn/graphs/neighbors.py",
        GUARDED,
        (
            "        inside = (senders >= 0) & (senders < self.n_senders)\n        return inside if self.mask is None else inside & self.mask",
            "        inside = (senders >= 0) & (senders < self.n_senders)\n        return inside",
        ),
        (
            "        inside = (senders >= 0) & (senders < self.n_senders)\n        return inside",
            "        inside = jnp.ones(senders.shape, bool)\n        return inside",
            GUARDED,
        ),
        (
            "return jnp.where(expand(self.live.any(axis=1), x.ndim), x, jnp.zeros((), x.dtype))[:, None]",
            "return x[:, None]",
            GUARDED,
        ),
        (
            "return self.zero_dead_edges(x).sum(axis=1, dtype=sum_dtype(x.dtype))",
            "return self.zero_dead_edges(x).sum(axis=1)",
            PRECISION + " -m slow -k 'verbs and neighbors'",
        ),
        ("        if width < widest:\n", "        if False:\n", ERRORS + " tests/attention/test_guards.py"),
    ),
    *guards_of(
        "tgnn/graphs/window.py",
        GUARDED,
        (
            "live = (steps >= -self.left * self.dilation) & (steps <= self.right * self.dilation)",
            "live = steps >= -self.left * self.dilation",
        ),
        (
            "return jnp.where(expand(self.live.any(axis=1), band.ndim), band, jnp.zeros((), x.dtype))[:, None]",
            "return band[:, None]",
            GUARDED,
        ),
        (
            'return self.unblock(\n            jnp.einsum("bnmh,bmhd->bnhd", self.zero_dead_edges(weights)',
            'return self.unblock(\n            jnp.einsum("bnmh,bmhd->bnhd", weights',
            GUARDED,
        ),
    ),
    *guards_of(
        "tgnn/graphs/blocks.py",
        GUARDED,
        ("return self.mask & inside", "return self.mask", GUARDED),
        (
            "        return jnp.where(expand(self.live.any(axis=axis), rows.ndim), rows, jnp.zeros((), x.dtype))\n",
            "        return rows\n",
            GUARDED,
        ),
        ("        if size < len(tiles):\n", "        if False:\n", ERRORS + " tests/attention/test_guards.py"),
    ),
    *guards_of(
        "tgnn/graphs/layout.py",
        GUARDED,
        (
            "return x if self.live is None else jnp.where(expand(self.live, x.ndim), x, jnp.zeros((), x.dtype))",
            "return x",
        ),
        (
            "wide = x.astype(wide_dtype(x.dtype)) if jnp.issubdtype(x.dtype, jnp.floating) else x",
            "wide = x",
            PRECISION + " -m slow -k 'ten_thousand and bfloat16'",
        ),
        (
            "exist = (senders >= 0) & (senders < self.n_senders) & (receivers >= 0) & (receivers < self.n_receivers)",
            "exist = (senders >= 0) & (receivers >= 0)",
            "tests/attention/fused/test_calls.py tests/attention/test_weights.py tests/attention/test_guards.py",
        ),
        (
            "slots = tuple(jnp.where(slot < 0, outside, slot) for slot in self.locate(senders, receivers))",
            "slots = self.locate(senders, receivers)",
            "tests/attention/fused/test_calls.py",
        ),
        ("        check_verb(self, name, operands)\n", "", "tests/attention/test_shapes.py"),
        (
            "own = np.where(self.on_edges(self.live), self.slot_keys(), -1).ravel()",
            "own = self.slot_keys().ravel()",
            "tests/attention/fused/test_calls.py tests/attention/test_guards.py",
        ),
        (
            '        if any(map(is_traced, jax.tree.leaves(self))):\n            raise ValueError(\n                f"the edges of this {type(self).__name__} are traced, but they',
            '        if False:\n            raise ValueError(\n                f"the edges of this {type(self).__name__} are traced, but they',
            ERRORS + " tests/planning/test_batching.py tests/attention/test_guards.py",
        ),
    ),
    *guards_of(
        "tgnn/graphs/fields.py",
        ERRORS,
        ('    check_bool("mask", getattr(layout, "mask", None))\n', ""),
        (
            "    if jax.numpy.issubdtype(x.dtype, jax.numpy.floating) or x.dtype == bool:\n",
            "    if False:\n",
            "tests/attention/test_shapes.py -k 'real or bool'",
        ),
        ("    if len(set(shapes.values())) > 1:\n", "    if False:\n", ERRORS + " tests/attention/test_guards.py"),
        ("    return widen_index(x)\n", "    return x\n", TYPES),
    ),
    *guards_of(
        "tgnn/graphs/transforms.py",
        "tests/graphs/test_interop.py tests/graphs/test_edge_list.py tests/attention/test_guards.py",
        (
            "    check_square(layout)\n    senders, receivers = live_edges(layout)\n    lacks",
            "    senders, receivers = live_edges(layout)\n    lacks",
        ),
        ("wide = edges.astype(np.promote_types(dtype, np.float32) if is_real(dtype) else dtype)", "wide = edges"),
    ),
    *guards_of(
        "tgnn/errors.py",
        ERRORS,
        ("    if isinstance(size, bool) or value < minimum:\n", "    if False:\n"),
        ("    if bad.any():\n", "    if False:\n"),
        ("    if mask.dtype != bool or mask.shape != shape:\n", "    if mask.shape != shape:\n"),
        ("    if not 0.0 <= dropout_rate < 1.0:\n", "    if False:\n"),
        ("    if dropout_rate > 0.0 and rng is None:\n", "    if False:\n", "tests/nn/test_basic.py -k silently"),
        ("    if bias.dtype == bool:\n", "    if False:\n"),
        ("        if x.shape[0] != expected:\n", "        if False:\n", ERRORS + " tests/attention/test_guards.py"),
        (
            "    if key_heads == 0 or heads % key_heads:\n",
            "    if False:\n",
            ERRORS + " tests/attention/test_guards.py",
        ),
        (
            "    return xp.where(beyond, np.int32(-1), xp.where(beyond, 0, x).astype(np.int32))",
            "    return x.astype(np.int32)",
            TYPES,
        ),
        (
            "    if np.can_cast(dtype, np.int32):\n        return x.astype(np.int32)\n",
            "    if np.can_cast(dtype, np.int32):\n        return x\n",
            TYPES,
        ),
        (
            "        if least < limit.min or most > limit.max:  # JAX would cut them to 32 bits\n",
            "        if False:\n",
            TYPES + " tests/nn/test_basic.py",
        ),
        (
            '    if not jax.numpy.issubdtype(x.dtype, jax.numpy.floating):\n        raise ValueError(\n            f"{name} must be floating point, got {x.dtype}, to which',
            '    if False:\n        raise ValueError(\n            f"{name} must be floating point, got {x.dtype}, to which',
            "tests/nn/test_basic.py",
        ),
        (
            "    if dtype is None or (np.ndim(rng) != 0 if typed else np.ndim(rng) != 1):\n",
            "    if False:\n",
            ERRORS + " tests/attention/test_shapes.py tests/attention/test_guards.py",
        ),
        ("    if bias.shape not in shapes:\n", "    if False:\n", ERRORS + " tests/attention/test_shapes.py"),
    ),
]

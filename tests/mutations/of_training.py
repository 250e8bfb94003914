"""Guards of losses, steps, loops and checkpoints."""

from tests.mutations.guard import guards_of

STEP, LOOP = "tests/train/test_step.py", "tests/train/test_loop.py"
LOSSES = "tests/train/test_losses.py"
SAVED = "tests/train/test_checkpoint.py tests/train/test_restoring.py"

GUARDS = [
    *guards_of(
        "tgnn/train/losses.py",
        LOSSES,
        # XLA makes a select of values * keep, but not of this.
        ("    total = jnp.sum(jnp.where(keep, values, 0))\n", "    total = jnp.vdot(values, keep * 1.0)\n"),
        ("jnp.maximum(jnp.sum(keep), 1)", "jnp.sum(keep)"),
        ("    logits = jnp.where(live[..., None], _wide(logits), 0)\n", "    logits = _wide(logits)\n"),
        ("in_range = (labels >= 0) & (labels < logits.shape[-1])", "in_range = labels >= 0"),
        ("in_range = (labels >= 0) & (labels < logits.shape[-1])", "in_range = labels < logits.shape[-1]"),
        (" & ~jnp.isnan(logits).any(axis=-1)", "", LOSSES + " -m slow -k no_largest_logit"),
        ("    if jnp.iinfo(labels.dtype).bits < 32:\n", "    if False:\n"),
        ("    return jnp.where(keep, x, 0), jnp.where(keep, y, 0), keep\n", "    return x, y, keep\n"),
        ("    return x.astype(wide_dtype(x.dtype))\n", "    return x\n"),
        ("    if mask.dtype != jnp.bool_:\n", "    if False:\n"),
        ("    if not jnp.issubdtype(labels.dtype, jnp.integer):\n", "    if False:\n"),
        ("    if not 0.0 <= label_smoothing < 1.0:\n", "    if False:\n"),
        ("    if x.shape != y.shape:\n", "    if False:\n"),
    ),
    *guards_of(
        "tgnn/train/guard.py",
        STEP,
        ("jnp.stack([~jnp.isfinite(loss), ", "jnp.stack([jnp.bool_(False), "),
        ("*(~jnp.isfinite(square) for square in squares)", "*(jnp.bool_(False) for square in squares)"),
        (
            "        *_pairwise(_sound, params, old_params),\n",
            "        *_pairwise(lambda a, b: jnp.bool_(True), params, old_params),\n",
        ),
        (
            "        *_pairwise(_sound_moment, opt_state, old_opt_state),\n",
            "        *_pairwise(lambda a, b: jnp.bool_(True), opt_state, old_opt_state),\n",
        ),
        (
            "        *_pairwise(_sound, carry, old_carry),\n",
            "        *_pairwise(lambda a, b: jnp.bool_(True), carry, old_carry),\n",
        ),
        ("return jnp.all(jnp.isfinite(new) | ~jnp.isfinite(old))", "return jnp.all(jnp.isfinite(new))"),
        ("    return ~jnp.isnan(new) | jnp.isnan(old)\n", "    return jnp.isfinite(new)\n"),
        ("jnp.where(keep, a.astype(b.dtype), b)", "a.astype(b.dtype)"),
        ("optax.tree.norm(leaf.astype(wide_dtype(leaf.dtype)), squared=True)", "optax.tree.norm(leaf, squared=True)"),
    ),
    *guards_of(
        "tgnn/train/step.py",
        STEP,
        ("jax.random.fold_in(state.rng, state.step)", "state.rng"),
        ("    params = jax.tree.map(_copy, params)\n", ""),
        ('    if not jnp.issubdtype(getattr(rng, "dtype", np.float32), jax.dtypes.prng_key):\n', "    if False:\n"),
        ("state.skipped + jnp.where(finite, 0, 1)", "state.skipped"),
        ("jnp.sum(not_finite.astype(jnp.int32)) == 0", "~jnp.any(not_finite)"),
    ),
    *guards_of(
        "tgnn/train/accumulation.py",
        STEP,
        ("shares = weights / jnp.where(total > 0, total, 1)", "shares = weights / total"),
        (
            "jnp.zeros(x.shape, wide_dtype(x.dtype)), ((loss, metrics), gradients))",
            "jnp.zeros(x.shape, x.dtype), ((loss, metrics), gradients))",
        ),
        ("    if len(sizes) != 1 or sizes in ({()}, {(0,)}):\n", "    if False:\n"),
    ),
    *guards_of(
        "tgnn/train/optimizer.py",
        STEP,
        ("    if clip_norm is not None and not clip_norm > 0:\n", "    if False:\n"),
        ("optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)", "optimizer"),
    ),
    *guards_of(
        "tgnn/train/schedules.py",
        "tests/train/test_schedules.py tests/nn/test_indices.py -k 'schedule or rate or run or step or arguments'",
        ("return jnp.clip(schedule(jnp.maximum(step, 0)), 0.0, peak)", "return schedule(jnp.maximum(step, 0))"),
        ("schedule(jnp.maximum(step, 0))", "schedule(step)"),
        (
            "step = jnp.asarray(step).astype(jnp.int32)",
            "step = jnp.asarray(step)",
            "tests/train/test_schedules.py -k bytes",
        ),
    ),
    *guards_of(
        "tgnn/train/skipped.py",
        LOOP + " -m 'slow or not slow' -k 'skip or stop'",
        ("        if self._patience and self._in_a_row >= self._patience:\n", "        if False:\n"),
        ("if last is not None and self._patience and self._skipped == last[0]:", "if False:"),
        (
            "self._in_a_row = self._in_a_row + 1 if int(skipped) > self._skipped else 0",
            "self._in_a_row = self._in_a_row + 1",
        ),
    ),
    *guards_of(
        "tgnn/train/manifest.py",
        SAVED,
        ('            and all(sum_of(folder / path) == digest for path, digest in content["files"].items())\n', ""),
        ('manifest["sha256"] == content_sum(content)', "True"),
        ("            text == text_of(manifest)\n            and ", "            "),
        ('            and content["step"] == int(folder.name)  # else folders were exchanged\n', ""),
        ('    if found["format"] > FORMAT:\n', "    if False:\n"),
    ),
    *guards_of(
        "tgnn/train/writing.py",
        SAVED + " tests/train/test_background.py tests/train/test_keeping.py",
        ("            if self._first and manifest.read(self._final) is not None:\n", "            if False:\n"),
        ("self._lock = Lock(directory) if self._first else None", "self._lock = None"),
        ("{name: leaf for name, leaf in leaves.items() if leaf.size}", "leaves"),
        (
            "                    set_aside(self._final)  # damaged",
            "                    shutil.rmtree(self._final)  # damaged",
        ),
        ("        if said and step not in spared:\n", "        if step not in spared:\n"),
        (
            '            for leftover in self._partial.parent.glob(f"{PARTIAL}*"):\n                shutil.rmtree(leftover)\n',
            "            pass\n",
        ),
        (
            "        except Exception as error:\n            self._clean()\n            self._error = self._words(error)\n",
            "        except Exception as error:\n            self._error = self._words(error)\n",
        ),
        ("        if self._error is not None:\n            raise self._error\n", ""),
    ),
    *guards_of(
        "tgnn/train/leaves.py",
        SAVED,
        ("    if missing or unexpected:\n", "    if False:\n"),
        ("        if saved[name] != wanted_spec:\n", "        if False:\n"),
    ),
    *guards_of(
        "tgnn/train/identity.py",
        LOOP + " tests/train/test_checkpoint.py",
        ("    if different:\n", "    if False:\n"),
        ('    if saved["rng"] != given["rng"]:\n', "    if False:\n"),
        ('    if not is_same_batch(saved["batch"], given["batch"]):\n', "    if False:\n"),
        (
            "        if not math.isclose(saved[name], given[name], rel_tol=_TOLERANCE, abs_tol=1e-12):\n",
            "        if False:\n",
        ),
    ),
    *guards_of(
        "tgnn/train/saving.py",
        LOOP,
        ("        if not resume:\n", "        if False:\n"),
        ("            check_space(self._run_dir, sum(leaf.nbytes for leaf in jax.tree.leaves(state)))\n", ""),
        ("        check_structure(self._directory, manifest, state)\n", "", LOOP + " -k before_a_step"),
    ),
    *guards_of(
        "tgnn/train/folder.py",
        "tests/train/test_checkpoint.py tests/train/test_loop.py",
        ("    if _REMOTE.match(text):\n", "    if False:\n"),
        (
            "        if not _lock(self._file.fileno()):\n",
            "        if False:\n",
            "tests/train/test_background.py tests/experiments/test_seeds.py",
        ),
        ("    if free < size:\n", "    if False:\n"),
        (
            '    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():\n        number += 1\n',
            '    aside = path.with_name(f"{path.name}.old-{number}")\n',
            "tests/train/test_metrics_log.py tests/train/test_checkpoint.py",
        ),
    ),
    *guards_of(
        "tgnn/train/interrupts.py",
        "tests/train/test_interrupts.py",
        ("        if self._asked if jax.process_count() == 1 else _all_stop(step):\n", "        if False:\n"),
        ("                if signal.getsignal(number) in usual:\n", "                if True:\n"),
        ("        if threading.current_thread() is threading.main_thread():\n", "        if True:\n"),
        (
            "        if self._asked:\n            raise KeyboardInterrupt\n        self._asked = True\n",
            "        self._asked = True\n",
        ),
    ),
    *guards_of(
        "tgnn/train/metrics_log.py",
        "tests/train/test_metrics_log.py tests/train/test_loop.py -m 'slow or not slow' -k 'metrics or record or log or broken or resuming'",
        ('        kept = [record for record in records if record["step"] <= step]\n', "        kept = records\n"),
        ("    return None if isinstance(item, float) and not np.isfinite(item) else item\n", "    return item\n"),
        ("            set_aside(path)\n", "            pass\n"),
    ),
]

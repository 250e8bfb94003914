"""Guards of networks, decoding, metrics, models, data and files."""

from tests.mutations.guard import guards_of

BASIC, SEARCH = "tests/nn/test_basic.py", "tests/nn/test_search.py"
RANKING, ARCHIVES = "tests/metrics/test_ranking.py", "tests/datasets/test_archives.py"

GUARDS = [
    *guards_of(
        "tgnn/nn/basic.py",
        BASIC,
        ("    inside = (ids >= 0) & (ids < size)\n", "    inside = ids >= 0\n"),
        ("    return jnp.where(inside[..., None], rows, 0)\n", "    return rows\n"),
        ("    check_ids(ids, size)\n", ""),
        ("    return x.astype(wide_dtype(x.dtype))\n", "    return x\n"),
        ("x / (1 - rate), 0)", "x, 0)", BASIC + " -k keeps_the_mean"),
        ('    if x.ndim == 0 or x.shape[-1:] != params["scale"].shape:\n', "    if False:\n"),
        ("(x * x).mean(-1, keepdims=True) + epsilon)", "(x * x).mean(-1, keepdims=True))"),
        ("    if x.ndim < in_axes or x.shape[x.ndim - in_axes :] != kernel.shape[:in_axes]:\n", "    if False:\n"),
    ),
    *guards_of(
        "tgnn/nn/search.py",
        SEARCH,
        (
            "    return logits.astype(wide_dtype(logits.dtype))\n",
            "    return logits\n",
            SEARCH + " -m slow -k any_precision",
        ),
        (
            "cold = jnp.maximum(temperature.astype(logits.dtype), jnp.finfo(logits.dtype).tiny)",
            "cold = temperature.astype(logits.dtype)",
        ),
        (" | (top_p >= 1) | (jnp.arange", " | (jnp.arange"),
        (" | (top_p >= 1) | (jnp.arange(len(logits)) == 0)", " | (top_p >= 1)"),
        ("((i == 0) | (token != end))", "(token != end)"),
        ("jnp.where(finished[:, None], only_end[None], log_probability)", "log_probability"),
        (
            "total = jnp.where(jnp.arange(beam_size) == 0, 0.0, -jnp.inf).astype(jnp.float32)",
            "total = jnp.zeros(beam_size, jnp.float32)",
        ),
        (
            "    if not is_traced(temperature) and not temperature > 0:\n",
            "    if False:\n",
            SEARCH + " -m slow -k few_or_cold",
        ),
        ("    if np.ndim(logits) != 2 or logits.shape[0] != 1:\n", "    if False:\n"),
    ),
    *guards_of(
        "tgnn/nn/positions.py",
        "tests/nn/test_positions.py",
        ('    if check_size("dim", dim, minimum=1) % 2:\n', "    if False:\n"),
        ("    if not base > 0:\n", "    if False:\n"),
    ),
    *guards_of(
        "tgnn/metrics/ranking.py",
        RANKING,
        ("    wide = jnp.where(jnp.isnan(wide), lowest, wide)\n", ""),
        ("    wide = jnp.where(wide == 0, 0, wide)  # -0 would rank after 0\n", ""),
        (
            "jnp.where(wide == -jnp.inf, second, jnp.maximum(wide, np.nextafter(second, 0, dtype=wide.dtype)))",
            "wide * 1.0",
        ),
        ("        wide = jnp.where(seen, -jnp.inf, wide)\n", "        pass\n"),
        ("relevant = relevant if seen is None else relevant & ~seen", "relevant = relevant * 1 > 0"),
        (
            "    before = jnp.sum(~(negative < positive), axis=-1)\n",
            "    before = jnp.sum(negative > positive, axis=-1)\n",
        ),
        ("/ jnp.maximum(jnp.sum(keep), 1)", "/ jnp.sum(keep)"),
        ("jnp.sum(jnp.where(keep, values, 0))", "jnp.sum(values * keep)"),
    ),
    *guards_of(
        "tgnn/models/sequences/transformer_xl.py",
        "tests/models/test_transformer_xl.py -m 'slow or not slow' -k gradient",
        (
            "return jax.lax.stop_gradient(jnp.concatenate([rows, new])[new.shape[0] :])",
            "return jnp.concatenate([rows, new])[new.shape[0] :]",
        ),
    ),
    *guards_of(
        "tgnn/models/sequences/compressive_transformer.py",
        "tests/models/test_transformer_xl.py -m 'slow or not slow' -k 'reconstruction or gradient or compressive'",
        ('fixed, x = jax.lax.stop_gradient((block["attention"], x))', 'fixed, x = block["attention"], x'),
        ("old = jax.lax.stop_gradient(jnp.concatenate([recent, x])[:n])", "old = jnp.concatenate([recent, x])[:n]"),
    ),
    *guards_of(
        "tgnn/datasets/files/archives.py",
        ARCHIVES,
        ("    if size > max_bytes:\n", "    if False:\n"),
        ('name.is_absolute() or ".." in name.parts or not (member.isfile()', "not (member.isfile()"),
        (" or not (member.isfile() or member.isdir()) or member.issparse()", ""),
        ("np.load(io.BytesIO(packed), allow_pickle=False)", "np.load(io.BytesIO(packed), allow_pickle=True)"),
        ("    _check_size(path, _unpacked_size(path, packed), max_bytes)\n", ""),
        (
            "            data = file.read(max_bytes + 1)\n    except (EOFError",
            "            data = file.read()\n    except (EOFError",
            ARCHIVES + " -k than_the_cap",
        ),
    ),
    *guards_of(
        "tgnn/datasets/files/download.py",
        "tests/datasets/test_download.py",
        (
            '    if "://" in str(path) or str(path).startswith(("s3:/", "gs:/", "http:/", "https:/", "hdfs:/")):\n',
            "    if False:\n",
        ),
        (
            "                _check_digest(candidate, candidate.stat().st_size, got, expected, remedy)\n",
            "                pass\n",
        ),
    ),
]

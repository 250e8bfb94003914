"""Compiled programs that outlive the process: the second start of an experiment takes them from disk."""

import os
from pathlib import Path

import jax

SECONDS = 0.1  # of compilation, from which on a program is kept


def keep_programs() -> None:
    """Lets JAX keep what took long to compile, in the user's cache.

    JAX_COMPILATION_CACHE_DIR says where else, and JAX_ENABLE_COMPILATION_CACHE=false that nothing is kept.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "tgnn" / "programs"))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS)

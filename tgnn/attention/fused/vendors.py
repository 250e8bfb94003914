"""Kernels of vendors, cuDNN's and Splash, where one computes exactly the graph of a call; else tiles."""

from collections.abc import Callable

from tgnn.attention.fused import cudnn, prepare, splash

VENDORS = cudnn, splash


def is_faster(layout, score, query, key, value, bias, edges, edge_value) -> bool:
    """On CPU where there is enough to do, on GPU where cuDNN fits, on TPU where Splash fits."""
    call = layout, score, query, key, value, bias, edges, edge_value
    return prepare.is_faster(*call) or any(vendor.fits(*call) for vendor in VENDORS)


def or_tiles(tiled: Callable) -> Callable:
    """`run` of a module: the vendor's kernel that fits, else its own `tiled` execution."""

    def run(layout, query, key, value, score, bias, scale, edges, edge_value, dropout_rate, rng):
        known = scale is None or isinstance(scale, (int, float))
        for vendor in VENDORS:
            if dropout_rate == 0.0 and known and vendor.fits(layout, score, query, key, value, bias, edges, edge_value):
                return vendor.run(layout, query, key, value, scale)
        return tiled(layout, query, key, value, score, bias, scale, edges, edge_value, dropout_rate, rng)

    return run

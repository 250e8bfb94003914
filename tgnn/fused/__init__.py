"""Faster executions of the definition, one file per layout family, each proven equal to it by the laws."""


def choose(implementation, layout, score, query, key, value, bias, edges, edge_value):
    """The function that runs a call of `attend`, or None for the definition.

    Raises:
      ValueError: for an unknown implementation, or "fused" where none exists; the message names what exists.
    """
    if implementation in (None, "definition"):
        return None
    if implementation != "fused":
        raise ValueError(f'implementation must be None, "definition" or "fused", got {implementation!r}')
    raise ValueError(
        f"no fused execution exists for {type(layout).__name__} with {type(score).__name__}; "
        'use implementation=None or "definition"'
    )

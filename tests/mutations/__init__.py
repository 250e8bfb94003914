"""Every guard of the library that a test must notice the absence of."""

from tests.mutations import of_attention, of_executions, of_graphs, of_the_rest, of_training

ALL = [
    *of_attention.GUARDS,
    *of_executions.GUARDS,
    *of_graphs.GUARDS,
    *of_training.GUARDS,
    *of_the_rest.GUARDS,
]

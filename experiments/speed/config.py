"""Which cases each preset runs, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Sizes of a run. Sizes of the cases themselves are those of the literature and stand in `cases/`."""

    cases: tuple[str, ...]
    without: tuple[str, ...] = ()  # sides to leave out
    budget: float = 2.0  # seconds of repetitions per case and direction, all contestants together
    least_rounds: int = 3
    most_rounds: int = 60
    growth: tuple[int, ...] = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)  # edges
    growth_peer: int = 1_000_000  # PyG runs up to here: beyond, its memory is tens of gigabytes
    density_nodes: int = 1024
    densities: tuple[float, ...] = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
    batch_graphs: int = 128
    mesh_hops: int = 8
    calibration_nodes: int = 2048


EDGES = tuple(f"edges-{graph}" for graph in ("cora", "mol", "arxiv"))
LAYERS = "gat-cora", "gat-arxiv", "gatv2-cora", "transformer-cora", "gcn-cora", "gcn-arxiv"
DENSE = tuple(f"{kind}-{n}" for n in (512, 2048, 4096) for kind in ("complete", "causal"))
SPARSE = "window-4096", "blocks-4096"
MESHES = "mesh-2562", "mesh-10242"
SWEEPS = "growth", "density", "batches"
HOST = ("host-1000000",)
DECODING = tuple(f"decode-small-{batch}" for batch in (1, 8, 32))
SCORES = "score-complete-2048", "score-window-4096", "score-edges-arxiv"
TRAINING = "lm-step-small", "lm-step-large", "epoch-molecules-mpnn", "epoch-molecules-gps", "epoch-citation"
STARTS = "start-gat", "start-gpt"

PRESETS = {
    "smoke": Config(
        cases=(
            "edges-tiny",
            "gat-tiny",
            "complete-64",
            "causal-64",
            "window-256",
            "mesh-162",
            "growth",
            "density",
            "batches",
            "host-1000",
            "decode-tiny-2",
            "score-complete-64",
            "score-window-64",
            "score-edges-tiny",
            "lm-step-tiny",
            "epoch-molecules-mpnn-tiny",
            "epoch-molecules-gps-tiny",
            "epoch-citation-tiny",
            "start-gat-tiny",
            "start-gpt-tiny",
        ),
        without=("PyG compiled", "torch compiled", "FlexAttention"),  # torch.compile takes 5 to 20 seconds each
        budget=0.02,
        least_rounds=1,
        most_rounds=3,
        growth=(1_000, 4_000),
        growth_peer=1_000,
        density_nodes=64,
        densities=(0.05, 0.4),
        batch_graphs=8,
        mesh_hops=2,
        calibration_nodes=128,
    ),
    "cpu": Config(
        cases=(*EDGES, *LAYERS, *DENSE, *SPARSE, *MESHES, *SWEEPS, *HOST, *DECODING, *SCORES, *TRAINING, *STARTS)
    ),
    # One GPU, within the four minutes that `make gpu` gives it.
    "gpu": Config(
        cases=(
            "edges-arxiv",
            "edges-cora",
            "edges-mol",
            "gat-arxiv",
            *(
                f"{kind}-{size}"
                for size in ("2048", "2048-bfloat16", "8192-bfloat16")
                for kind in ("complete", "causal")
            ),
            "window-4096",
            "gcn-arxiv",
            "transformer-cora",
        ),
        without=("FlexAttention", "flax"),
        budget=1.0,
    ),
    # One accelerator; also the 2.4 M node / 62 M edge graph of performance targets. Not run.
    "full": Config(
        cases=(*EDGES, "edges-products", *LAYERS, *DENSE, *SPARSE, *MESHES, *SWEEPS), growth_peer=10_000_000
    ),
}

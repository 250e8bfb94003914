"""Small random checkpoints that `transformers` wrote, against `transformers` itself, where it is installed."""

import numpy as np
import pytest

from tests.support.published import relative_error
from tgnn import pretrained

SHARED = {"vocab_size": 29, "hidden_size": 12, "num_hidden_layers": 2, "intermediate_size": 14}
CONFIGS = {
    "Bert": SHARED | {"num_attention_heads": 3, "max_position_embeddings": 16},
    "Roberta": SHARED | {"num_attention_heads": 3, "max_position_embeddings": 16, "pad_token_id": 1},
    "Albert": SHARED | {"num_attention_heads": 3, "max_position_embeddings": 16, "embedding_size": 8},
    "GPT2": {"vocab_size": 29, "n_embd": 12, "n_layer": 2, "n_head": 3, "n_positions": 16},
    "Llama": SHARED | {"num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 16},
}
IDS = np.array([[2, 7, 3, 8, 28, 4, 8], [5, 3, 9, 4, 1, 1, 1]])
MASK = IDS != 1


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.filterwarnings("ignore")  # of theirs
def test_a_checkpoint_is_what_transformers_makes_of_it(tmp_path, name):
    transformers = pytest.importorskip("transformers", reason="needs the package transformers, and torch")
    torch = pytest.importorskip("torch", reason="needs torch")
    pytest.importorskip("safetensors", reason="needs tgnn[hf]")
    is_causal = name in ("GPT2", "Llama")
    kind = {"GPT2": "GPT2LMHeadModel", "Llama": "LlamaForCausalLM"}.get(name, f"{name}Model")
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**CONFIGS[name], attn_implementation="eager")
    original = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for x in original.parameters():
            x.add_(0.3 * torch.randn_like(x))
    original.save_pretrained(tmp_path)
    params, model = pretrained.load(tmp_path)
    options = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        expected = original(torch.tensor(IDS), attention_mask=torch.tensor(MASK).long(), **options)
    found = model(params, IDS, mask=MASK)
    for i, x in enumerate(expected.hidden_states):
        assert relative_error(found.hidden[i][MASK], x.numpy()[MASK]) < 1e-5
    weights = pretrained.attention(params, model, IDS, layer=1, mask=MASK)
    assert relative_error(weights[0], expected.attentions[1][0]) < 1e-5
    if is_causal:
        assert relative_error(found.logits[MASK], expected.logits.numpy()[MASK]) < 1e-5

"""Makes small real LoRA adapters for the default model, without training."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

# SmolLM2-135M: 30 layers, hidden 576, 9 heads and 3 key-value heads of 64.
HIDDEN, KV, LAYERS = 576, 192, 30


def make_adapter(
    folder: Path, seed: int, scale: float = 0.02, rank: int = 8, **changes: object
) -> Path:
    """Write an adapter over q_proj and v_proj with random weights; `changes` go to its config."""
    folder.mkdir(parents=True)
    random = torch.Generator().manual_seed(seed)
    weights = {}
    for layer in range(LAYERS):
        for name, out in (("q_proj", HIDDEN), ("v_proj", KV)):
            stem = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            a = torch.randn(rank, HIDDEN, generator=random) * scale
            b = torch.randn(out, rank, generator=random) * scale
            weights[f"{stem}.lora_A.weight"] = a.to(torch.bfloat16)
            weights[f"{stem}.lora_B.weight"] = b.to(torch.bfloat16)
    save_file(weights, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "smollm2-135m-instruct",
        "r": rank,
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["q_proj", "v_proj"],
    }
    (folder / "adapter_config.json").write_text(json.dumps(config | changes))
    (folder / "README.md").write_text("# A test adapter\n")
    return folder

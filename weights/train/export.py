"""Writes the shipped model from the checkpoints: config.json and model.safetensors.

    python export.py RUN OUT        RUN holds motion.pt (its moving average is taken) and refine.pt
"""
import argparse
import json
import os

import torch
from safetensors.torch import load_file, save_file

from config import model_config
from model import MotionModel
from render import Refiner

SCALE = ".scale"


def quantised(weight):
    """Weight [out, ...] -> I8 values of the same shape and F16 scales [out]."""
    scale = (weight.flatten(1).abs().amax(1) / 127).clamp(min=1e-7).half()
    wide = scale.float().view(-1, *[1] * (weight.ndim - 1))
    return (weight / wide).round().clamp(-127, 127).to(torch.int8), scale


def is_block_matrix(name, value):
    return name.startswith("transformer.blocks.") and name.endswith(".weight") and value.ndim == 2


def packed(state):
    tensors, worst = {}, (0.0, "")
    for name, value in state.items():
        value = value.detach().float().cpu().contiguous()
        if not is_block_matrix(name, value):
            tensors[name] = value.half()
            continue
        tensors[name], tensors[name + SCALE] = quantised(value)
        back = tensors[name].float() * tensors[name + SCALE].float()[:, None]
        worst = max(worst, (((back - value).norm() / value.norm()).item(), name))
    return tensors, worst


def load_shipped(folder):
    """The shipped model as modules: (config, MotionModel, Refiner), in f32."""
    config = json.load(open(f"{folder}/config.json"))
    raw = load_file(f"{folder}/model.safetensors")
    state = {k: v.float() * raw[k + SCALE].float()[:, None] if v.dtype == torch.int8 else v.float() for k, v in raw.items() if not k.endswith(SCALE)}
    network, refiner = MotionModel(config["transformer"]), Refiner()
    refiner.load_state_dict({k.removeprefix("refine."): v for k, v in state.items() if k.startswith("refine.")})
    network.load_state_dict({k: v for k, v in state.items() if not k.startswith("refine.")})
    return config, network.eval(), refiner.eval()


def main():
    args = argparse.ArgumentParser()
    args.add_argument("run")
    args.add_argument("out")
    args = args.parse_args()
    os.makedirs(args.out, exist_ok=True)
    motion = torch.load(f"{args.run}/motion.pt", map_location="cpu", weights_only=True)
    state = dict(motion.get("ema", motion))  # or the moving average alone
    layers = 1 + max(int(k.split(".")[2]) for k in state if k.startswith("transformer.blocks."))
    refine = torch.load(f"{args.run}/refine.pt", map_location="cpu", weights_only=True)["refine"]
    state |= {f"refine.{k}": v for k, v in refine.items()}
    config = model_config()
    config["transformer"] = {**config["transformer"], "num_layers": layers}
    config["parameters"] = sum(v.numel() for v in state.values())
    tensors, (error, name) = packed(state)
    save_file(tensors, f"{args.out}/model.safetensors")
    os.chmod(f"{args.out}/model.safetensors", 0o644)
    with open(f"{args.out}/config.json", "w") as file:
        json.dump(config, file, indent=1)
    load_shipped(args.out)
    print(f"{config['parameters']:,} parameters, {os.path.getsize(args.out + '/model.safetensors'):,} bytes, step {motion.get('step', 'unknown')};")
    print(f"largest relative rounding error of a matrix {error:.4f} ({name})")


if __name__ == "__main__":
    main()

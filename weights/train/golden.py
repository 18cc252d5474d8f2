"""Writes the golden case: a tiny motion model with random weights, its inputs, intermediates and outputs.

    python golden.py OUT
"""
import argparse
import json
import math
import os

import torch
from safetensors.torch import save_file

import model as motion
from camera import camera_field
from config import model_config
from render import Refiner, at_time, close_loop, displacements, moved, pad4, upsample
from sample import sample

GRID, SIZE = (6, 8), (50, 66)  # cells; the picture's own height and width, odd on purpose
CHANNELS = [8, 12, 16, 16, 32]
TRANSFORMER = {**motion.CONFIG, "num_attention_heads": 3, "attention_head_dim": 16, "ffn_dim": 80, "num_layers": 2}
PATH = {"pan_x": 0.06, "zoom": 0.1, "roll": 0.04, "yaw": -0.05, "pitch": 0.03}
CONTROLS = {"strength": 0.012, "ambient": [0.0, 1.0, 0.0, 0.0], "seconds": 2.0, "loop": 0, "given": 1}
TAU = [0.0, 0.28, 1.0]


def random_weights(module):
    for name, p in module.named_parameters():
        fan = p[0].numel() if p.ndim > 1 and "table" not in name else 16
        with torch.no_grad():
            p.copy_(torch.randn_like(p) / math.sqrt(fan) + (1 if "norm" in name and name.endswith("weight") else 0))


def main():
    args = argparse.ArgumentParser()
    args.add_argument("out")
    out = args.parse_args().out
    os.makedirs(out, exist_ok=True)
    torch.manual_seed(20)
    motion.PICTURE_CHANNELS[:] = CHANNELS
    network, refiner = motion.MotionModel(TRANSFORMER).eval(), Refiner().eval()
    random_weights(network), random_weights(refiner)
    h, w = GRID
    sampler = {"steps": 2, "shift": 3.0}
    io = {
        "in.working_picture": torch.rand(1, 3, 8 * h, 8 * w) * 2 - 1, "in.picture": torch.rand(1, 3, *SIZE),
        "in.normals": torch.randn(1, motion.noise_count(h, w)), "in.tau": torch.tensor(TAU),
    }
    one = lambda value: torch.tensor([float(value)])
    strength, given = one(CONTROLS["strength"]), one(CONTROLS["given"])
    io["mid.controls"] = motion.control_tokens(strength, torch.tensor([CONTROLS["ambient"]]), one(CONTROLS["seconds"]), one(CONTROLS["loop"]), given)
    io["mid.camera"] = camera_field(PATH, GRID)[None]
    io["mid.camera_loop"] = camera_field(PATH, GRID, loop=True)[None]
    io["mid.noise"] = motion.coloured_noise(io["in.normals"], h, w)
    with torch.no_grad():
        io["mid.features"] = network.encoder(io["in.working_picture"])
        io["mid.step0.inputs"] = network.inputs(io["mid.noise"], io["in.working_picture"], io["mid.camera"] / motion.CAMERA_UNIT, given)
        io["out.x"] = sample(network, io["in.normals"], io["in.working_picture"], io["mid.camera"], given, io["mid.controls"], **sampler, trace=io)
        d, c = displacements(io["out.x"], strength, io["mid.camera"])
        io["out.field"] = torch.cat([d, c[:, None]], 1)
        looped, c = displacements(io["out.x"], strength, io["mid.camera_loop"])
        io["out.field_loop"] = torch.cat([close_loop(looped), c[:, None]], 1)
        for i, tau in enumerate(TAU):
            now = at_time(io["out.field"], one(tau))
            colour, inputs, share = moved(io["in.picture"], now, one(tau))
            change = refiner(pad4(inputs))[..., : SIZE[0], : SIZE[1]]
            frame = (colour + share * change).clamp(0, 1)
            io[f"out.frame{i}"] = frame
            if i > 0:
                io |= {f"mid.frame{i}.field": now, f"mid.frame{i}.dense": upsample(now, *SIZE), f"mid.frame{i}.inputs": inputs, f"mid.frame{i}.change": change}
    weights = {**network.state_dict(), **{f"refine.{k}": v for k, v in refiner.state_dict().items()}}
    save_file({k: v.contiguous() for k, v in weights.items()}, f"{out}/model.safetensors")
    save_file({k: v.contiguous() for k, v in io.items()}, f"{out}/io.safetensors")
    config = {
        "case": "motion", "title": "Built-in motion model: picture to field to frames", **model_config(TRANSFORMER, CHANNELS, sampler),
        "controls": CONTROLS, "camera": PATH, "params": sum(v.numel() for v in weights.values()),
        "notes": ["mid.features: picture encoder. mid.step0.inputs: the 40 channels of the first DiT call; its output is mid.step0.velocity, timestep 1000 sigma.",
                  "mid.frameN: the frame at in.tau[N] of out.field; dense is before the confidence is clamped; inputs are before padding to multiples of four.",
                  "mid.camera is the path at 16 keys in widths; mid.camera_loop the same path of a loop; out.field_loop is out.x with that camera, closed."],
        "io": {k: {"shape": list(v.shape), "dtype": "float32"} for k, v in io.items()},
    }
    json.dump(config, open(f"{out}/config.json", "w"), indent=1)


if __name__ == "__main__":
    main()

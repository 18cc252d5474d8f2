"""Trains the motion network by flow matching; one process a GPU (torchrun), resumes from its checkpoint.

    torchrun --nproc-per-node=N train.py DATA OUT --seconds S --total T [--batch B]
"""
import argparse
import copy
import math
import os
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F

from data import batch, load_stills, load_windows
from model import CONFIG, MotionModel, coloured_noise, noise_count

args = argparse.ArgumentParser()
args.add_argument("data")
args.add_argument("out")
args.add_argument("--seconds", type=float, required=True, help="stop after so many seconds of this run")
args.add_argument("--total", type=float, required=True, help="seconds of all runs together, for the schedule")
args.add_argument("--batch", type=int, default=64)
args.add_argument("--rate", type=float, default=5e-4)
args.add_argument("--layers", type=int, default=CONFIG["num_layers"])
args.add_argument("--compile", action="store_true")
args = args.parse_args()

rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
cuda = torch.cuda.is_available()
device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else torch.device("cpu")
if cuda:
    torch.cuda.set_device(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
if world > 1:
    dist.init_process_group("nccl" if cuda else "gloo")
torch.manual_seed(1234 + rank)

checkpoint = f"{args.out}/motion.pt"
model = MotionModel({**CONFIG, "num_layers": args.layers}).to(device)
ema = copy.deepcopy(model).requires_grad_(False)
decay, plain = [], []
for name, p in model.named_parameters():
    (decay if p.ndim > 1 and "table" not in name else plain).append(p)
optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0}], lr=args.rate, betas=(0.9, 0.97), fused=cuda)
step, before = 0, 0.0
if os.path.exists(checkpoint):
    state = torch.load(checkpoint, map_location=device, weights_only=True)
    model.load_state_dict(state["model"]), ema.load_state_dict(state["ema"]), optimizer.load_state_dict(state["optimizer"])
    step, before = state["step"], state["seconds"]
    torch.manual_seed(1234 + rank + 1000 * step)
if args.compile:  # block by block: eight blocks share one compilation a grid
    for block in model.transformer.blocks:
        block.compile(dynamic=False)
parameters = list(model.parameters())

stills = load_stills(f"{args.data}/stills.npz", device)
wide = square = None


def look_for_shots():
    """Real windows may still be in the making when training starts on synthetic motion."""
    found = [load_windows(f"{args.data}/{n}_train.npz", device) if os.path.exists(f"{args.data}/{n}_train.npz") else None for n in ("wide", "square")]
    return found


def average_gradients():
    flat = torch.cat([p.grad.flatten() for p in parameters])
    dist.all_reduce(flat)
    flat /= world
    at = 0
    for p in parameters:
        p.grad.copy_(flat[at : at + p.numel()].view_as(p))
        at += p.numel()


def save():
    state = dict(model=model.state_dict(), ema=ema.state_dict(), optimizer=optimizer.state_dict(), step=step, seconds=before + time.time() - start)
    torch.save(state, checkpoint + ".new")
    os.replace(checkpoint + ".new", checkpoint)


start = last_save = time.time()
losses = []
while True:
    passed = torch.tensor([time.time() - start, float(os.path.exists(f"{args.data}/ready"))], device=device)
    if world > 1:
        dist.broadcast(passed, 0)  # all ranks decide alike
    elapsed, ready = passed.tolist()
    if elapsed > args.seconds:
        break
    if wide is None and ready:
        wide, square = look_for_shots()
    done = min(1.0, (before + elapsed) / args.total)
    rate = args.rate * min(1, (step + 1) / 300) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
    for group in optimizer.param_groups:
        group["lr"] = rate
    b = batch(wide, square, stills, args.batch, 0.5 - 0.25 * done, device)
    sigma = torch.sigmoid(torch.randn(args.batch, device=device) * 1.2 + 0.4)
    sigma = torch.where(torch.rand(args.batch, device=device) < 0.1, torch.rand(args.batch, device=device), sigma)
    h, w = b["target"].shape[-2:]
    noise = coloured_noise(torch.randn(args.batch, noise_count(h, w), device=device), h, w)
    s = sigma.view(-1, 1, 1, 1, 1)
    noisy = (1 - s) * b["target"] + s * noise
    with torch.autocast(device.type, torch.bfloat16, enabled=cuda):
        velocity = model(noisy, 1000 * sigma, b["picture"], b["camera"], b["given"], b["controls"])
    loss = ((velocity.float() - (noise - b["target"])).square() * b["weight"]).mean()
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    if world > 1:
        average_gradients()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    keep = min(0.9995, 1 - 1 / (step / 4 + 2))
    torch._foreach_lerp_(list(ema.parameters()), parameters, 1 - keep)
    losses.append(loss.detach())
    step += 1
    if rank == 0 and step % 200 == 0:
        print(f"step {step} {before + elapsed:.0f} s  loss {torch.stack(losses).mean():.4f}  rate {rate:.2e}  real {wide is not None}", flush=True)
        losses.clear()
        if time.time() - last_save > 100:
            save()
            last_save = time.time()
if rank == 0:
    save()
    print(f"stopped at step {step}, {args.batch * world} clips a step", flush=True)
if world > 1:
    dist.destroy_process_group()

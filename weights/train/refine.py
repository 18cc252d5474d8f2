"""Trains the refinement network on real shots: the first frame, moved by the true flow, must become the later frame.

    python refine.py DATA OUT --seconds S        (one GPU; resumes from OUT/refine.pt)
"""
import argparse
import os
import time

import numpy as np
import torch

from render import Refiner, moved

WIDTH, CROP = 448, 192


def examples(store, b, device):
    """Crops: moved picture, inputs of the network, gate, true later frame."""
    index = torch.randint(0, len(store["pictures"]), (b,), device=device)
    which = torch.randint(0, 4, (b,), device=device)
    unit = lambda p: p.permute(0, 3, 1, 2).float() / 255
    picture, later = unit(store["pictures"][index]), unit(store["later"][index, which])
    field = store["fields"][index, which].permute(0, 3, 1, 2).float()
    field[:, :2] /= WIDTH
    field[:, 2] *= 1 - 0.3 * torch.rand(b, 1, 1, device=device)  # the network's confidence is less sure than the truth
    if torch.rand(()) < 0.5:
        picture, later, field = picture.flip(-1), later.flip(-1), field.flip(-1) * torch.tensor([-1.0, 1, 1], device=device).view(1, 3, 1, 1)
    tau = ((which + 1) / 4).float()
    picture, later, field = border_case(picture, later, field) if torch.rand(()) < 0.3 else (picture, later, field)
    field[:, :2] *= WIDTH / picture.shape[-1]
    colour, inputs, share = moved(picture, field, tau)
    y, x = (int(torch.randint(0, max(1, (n - CROP) // 4 + 1), ())) * 4 for n in colour.shape[-2:])
    cut = lambda t: t[..., y : y + CROP, x : x + CROP]
    return cut(colour), cut(inputs), cut(share), cut(later)


def border_case(picture, later, field):
    """Keeps only the middle of the first frame, so that its surroundings come from outside the picture."""
    left, top = 32, 24
    inner = picture[..., top:-top, left:-left]
    return inner, later[..., top:-top, left:-left], field[..., top // 8 : -(top // 8), left // 8 : -(left // 8)]


def gradients(x):
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def loss_of(refiner, colour, inputs, share, later):
    out = colour + share * refiner(inputs).float()
    error = ((out - later).abs() * share).sum() / (3 * share.sum() + 1)
    edge = sum(((a - b).abs() * m).sum() for a, b, m in zip(gradients(out), gradients(later), (share[..., 1:], share[..., 1:, :])))
    return error + 0.5 * edge / (3 * share.sum() + 1), error


def main():
    args = argparse.ArgumentParser()
    args.add_argument("data")
    args.add_argument("out")
    args.add_argument("--seconds", type=float, required=True)
    args.add_argument("--batch", type=int, default=32)
    args.add_argument("--rate", type=float, default=1e-3)
    args = args.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(7)
    files = np.load(f"{args.data}/frames_train.npz")
    store = {key: torch.from_numpy(files[key]).to(device) for key in ("pictures", "later", "fields")}
    refiner = Refiner().to(device)
    optimizer = torch.optim.AdamW(refiner.parameters(), lr=args.rate, weight_decay=1e-4)
    checkpoint, step = f"{args.out}/refine.pt", 0
    if os.path.exists(checkpoint):
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        refiner.load_state_dict(state["refine"]), optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
        torch.manual_seed(7 + step)
    start, errors = time.time(), []
    while (elapsed := time.time() - start) < args.seconds:
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1, (step + 1) / 200) * (1 - 0.95 * elapsed / args.seconds)
        colour, inputs, share, later = examples(store, args.batch, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss, error = loss_of(refiner, colour, inputs, share, later)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(refiner.parameters(), 1.0)
        optimizer.step()
        baseline = (((colour - later).abs() * share).sum() / (3 * share.sum() + 1)).detach()
        errors.append(torch.stack([error.detach(), baseline]))
        step += 1
        if step % 500 == 0:
            now, plain = torch.stack(errors).mean(0).tolist()
            print(f"refine step {step} {elapsed:.0f} s  error under the gate {now:.4f}, without refinement {plain:.4f}", flush=True)
            errors.clear()
    torch.save(dict(refine=refiner.state_dict(), optimizer=optimizer.state_dict(), step=step), checkpoint)
    print(f"refine stopped at step {step}", flush=True)


if __name__ == "__main__":
    main()

"""Measures a model on shots and photographs held out of training, and keeps the photographs' fields for sheets.py.

    python evaluate.py MODEL PREPARED DATA OUT [--windows N] [--seeds N]

MODEL is an exported folder, PREPARED what prepare.py wrote, DATA the folder of photographs. Prints one line a figure.
"""
import argparse
import json

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from camera import camera_field
from data import GRIDS, fit_camera, load_windows
from export import load_shipped
from model import control_tokens, envelope, noise_count, strength_of
from prepare import read_tar, split_photos
from render import displacements, render
from sample import sample

AMBIENT = {"sway": [1.0, 0, 0, 0], "water": [0, 1.0, 0, 0], "clouds": [0, 0, 1.0, 0], "any": [0, 0, 0, 1.0]}


class Sampler:
    def __init__(self, network, config, device, steps=None, shift=None):
        self.network, self.device = network.to(device), device
        self.steps, self.shift = steps or config["sampler"]["steps"], shift or config["sampler"]["shift"]

    def __call__(self, picture, strength, camera, given, seconds, seed, ambient="any", loop=0.0):
        """Picture [B,3,8h,8w] in -1..1, strength [B], camera [B,2,16,h,w] in widths -> residual-only network output x."""
        b, (h, w) = len(picture), camera.shape[-2:]
        fill = lambda v: torch.full((b,), float(v), device=self.device)
        controls = control_tokens(strength, torch.tensor([AMBIENT[ambient]] * b, device=self.device), seconds, fill(loop), fill(given))
        generator = torch.Generator("cpu").manual_seed(seed)
        normals = torch.randn(b, noise_count(h, w), generator=generator).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return sample(self.network, normals, picture, camera, fill(given), controls, self.steps, self.shift)


def endpoint_error(d, truth, weight):
    return ((d - truth).square().sum(1).sqrt() * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1)


def magnitude(d, weight):
    return endpoint_error(d, torch.zeros_like(d), weight)


def spread_out(store, count):
    """Indices of `count` windows at even distances."""
    n = len(store["seconds"])
    return torch.arange(n)[:: max(1, n // count)][:count]


def shots(run, prepared, count, seeds):
    store = load_windows(f"{prepared}/wide_test.npz", run.device)
    index = spread_out(store, count).to(run.device)
    picture = store["pictures"][index].float() / 127.5 - 1
    fields, seconds = store["fields"][index].float(), store["seconds"][index]
    truth, weight = fields[:, :2] / picture.shape[-1], fields[:, 2].clamp(0, 1)
    best = fit_camera(truth, weight)
    zero = torch.zeros_like(truth)
    print(f"shots: {len(index)} windows of {seconds.mean():.2f} s; errors in thousandths of the picture's width")
    e_zero, e_camera = endpoint_error(zero, truth, weight), endpoint_error(best, truth, weight)
    print(f"  error of no motion {1e3 * e_zero.mean():.3f}, of the best global camera {1e3 * e_camera.mean():.3f}")
    for label, camera, given in (("strength alone", zero, 0.0), ("strength and camera", best, 1.0)):
        strength = strength_of(truth - camera, weight)
        xs = [torch.cat([run(p, s, c, given, t, seed) for p, s, c, t in zip(picture.split(32), strength.split(32), camera.split(32), seconds.split(32))]) for seed in range(seeds)]
        scale = lambda x: camera + strength.view(-1, 1, 1, 1, 1) * envelope_like(x) * x[:, :2]
        ds = [scale(x) for x in xs]
        errors = torch.stack([endpoint_error(d, truth, weight) for d in ds])
        mean = endpoint_error(torch.stack(ds).mean(0), truth, weight)
        for name, e in (("one seed", errors.mean(0)), ("mean of seeds", mean), (f"best of {seeds}", errors.min(0).values)):
            print(f"  {label}, {name}: error {1e3 * e.mean():.3f}, {e.mean() / e_zero.mean():.3f} of no motion, {e.mean() / e_camera.mean():.3f} of the best camera; better than it on {(e < e_camera).float().mean() * 100:.0f} % of windows")
        got = torch.stack([strength_of(d - camera, weight) for d in ds])
        ratio = got / strength
        print(f"  {label}: strength got / asked median {ratio.median():.3f}, quartiles {ratio.quantile(0.25):.3f} {ratio.quantile(0.75):.3f}")
        size, true_size = torch.stack([magnitude(d, weight) for d in ds]), magnitude(truth, weight)
        quantiles = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9], device=run.device)
        print(f"  {label}: mean |d| of windows got / true at quantiles 10 25 50 75 90 %: " + " ".join(f"{a:.2f}" for a in (size.flatten().quantile(quantiles) / true_size.quantile(quantiles)).tolist()) + f", overall {size.mean() / true_size.mean():.3f}")
        apart = [endpoint_error(ds[i], ds[j], weight) / (0.5 * (size[i] + size[j])) for i in range(seeds) for j in range(i)]
        print(f"  {label}: difference between two seeds / size of the motion {torch.stack(apart).mean():.3f}")


def envelope_like(x):
    return envelope(x.device).view(1, 1, -1, 1, 1)


def photo_tensors(photo, side, device):
    """The photograph at `side` pixels on its long side (0..1), its working picture (-1..1) and its grid."""
    h, w = photo.shape[:2]
    grid = min(GRIDS, key=lambda g: abs(np.log(g[1] / g[0] * h / w)))
    scale = side / max(h, w)
    sized = cv2.resize(photo, (2 * round(w * scale / 2), 2 * round(h * scale / 2)), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    unit = lambda a: torch.from_numpy(a).permute(2, 0, 1)[None].float().to(device) / 255
    working = F.interpolate(unit(photo), size=(8 * grid[0], 8 * grid[1]), mode="bilinear", antialias=True)
    return unit(sized), working * 2 - 1, grid


def gradient_energy(x):
    return (x[..., 1:, :-1] - x[..., :-1, :-1]).square().mean() + (x[..., :-1, 1:] - x[..., :-1, :-1]).square().mean()


def photographs(run, refiner, data, out, config, side):
    index = json.load(open(f"{data}/index.json"))
    names = set(split_photos(index)[1])
    low, high = config["strength"]["low"], config["strength"]["high"]
    sharp, psnr, kept = {}, [], {}
    device = run.device
    for name, photo in read_tar(f"{data}/photos_00.tar"):
        if name not in names:
            continue
        picture, working, grid = photo_tensors(photo, side, device)
        still = torch.zeros(1, 2, 16, *grid, device=device)
        seconds = torch.tensor([2.0], device=device)
        for level in (0.5, 1.0):
            strength = torch.tensor([low * (high / low) ** level], device=device)
            x = run(working, strength, still, 1.0, seconds, 1)
            d, c = displacements(x, strength, still)
            field = torch.cat([d, c[:, None]], 1)
            kept[f"{name}/{level}"] = field[0].half().cpu().numpy()
            last = render(picture, field, torch.ones(1, device=device), refiner)
            sharp.setdefault(level, []).append((gradient_energy(last) / gradient_energy(picture)).item())
            first = render(picture, field, torch.zeros(1, device=device), refiner)
            psnr.append(-10 * np.log10(max((first - picture).square().mean().item(), 1e-10)))
    np.savez(f"{out}/fields.npz", **kept)
    for level, values in sharp.items():
        print(f"photographs, motion {level}: gradient energy of the last frame / picture's: median {np.median(values):.3f}, least {min(values):.3f}, under 0.85: {sum(v < 0.85 for v in values)} of {len(values)}")
    print(f"photographs: frame 0 against the picture, least PSNR {min(psnr):.1f} dB")


def obedience(run, refiner, prepared):
    """Camera asked for against the best camera of the whole field, still scenes at moderate strength."""
    store = load_windows(f"{prepared}/wide_test.npz", run.device)
    index = spread_out(store, 16).to(run.device)
    picture = store["pictures"][index].float() / 127.5 - 1
    strength = torch.full((len(index),), 0.005, device=run.device)
    for path in ({"pan_x": 0.08}, {"pan_y": -0.05}, {"zoom": 0.12}, {"roll": 0.06}, {"yaw": 0.08}):
        camera = camera_field(path, (32, 56))[None].to(run.device).expand(len(index), -1, -1, -1, -1)
        x = run(picture, strength, camera, 1.0, torch.full_like(strength, 2.0), 3)
        d, _ = displacements(x, strength, camera)
        one = torch.ones_like(d[:, 0])
        off = endpoint_error(fit_camera(d, one), fit_camera(camera, one), one) / magnitude(camera, one)
        print(f"camera {path}: the fitted camera is off by {100 * off.mean():.1f} % on average, {100 * off.max():.1f} % at most")


def main():
    args = argparse.ArgumentParser()
    for name in ("model", "prepared", "data", "out"):
        args.add_argument(name)
    args.add_argument("--windows", type=int, default=96)
    args.add_argument("--seeds", type=int, default=4)
    args.add_argument("--steps", type=int)
    args.add_argument("--shift", type=float)
    args.add_argument("--side", type=int, default=768)
    args.add_argument("--only", choices=["shots", "photographs", "camera"])
    args = args.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config, network, refiner = load_shipped(args.model)
    run, refiner = Sampler(network, config, device, args.steps, args.shift), refiner.to(device)
    with torch.no_grad():
        if args.only in (None, "shots"):
            shots(run, args.prepared, args.windows, args.seeds)
        if args.only in (None, "camera"):
            obedience(run, refiner, args.prepared)
        if args.only in (None, "photographs"):
            photographs(run, refiner, args.data, args.out, config, args.side)


if __name__ == "__main__":
    main()

"""Batches for the motion network, made on the GPU: windows of real shots and synthetic motion on still pictures."""
import math

import numpy as np
import torch
import torch.nn.functional as F

from model import CAMERA_UNIT, KEYS, control_tokens, envelope, strength_of

# Grids (h, w) of the field, all near 1792 cells; pictures are eight times as large.
GRIDS = [(32, 56), (36, 48), (42, 42), (48, 36), (56, 32)]
SOURCE_WEIGHT = {"bridge": 0.35}


def load_windows(path, device):
    z = np.load(path, allow_pickle=False)
    weights = torch.tensor([SOURCE_WEIGHT.get(str(s), 1.0) for s in z["sources"]])
    return dict(
        pictures=torch.from_numpy(z["pictures"]).permute(0, 3, 1, 2).contiguous().to(device),
        fields=torch.from_numpy(z["fields"]).permute(0, 4, 1, 2, 3).contiguous().to(device),
        seconds=torch.from_numpy(z["seconds"]).float().to(device),
        weights=weights.to(device),
    )


def load_stills(path, device):
    return torch.from_numpy(np.load(path)["pictures"]).permute(0, 3, 1, 2).contiguous().to(device)


def crop_grid(b, height, width, grid, device, zoom=0.7, flip=True):
    """Random crops with the aspect of `grid`: normalised corners x0, y0, size sx, sy and mirror sign, each [b]."""
    aspect = grid[1] / grid[0]
    most_x, most_y = min(1.0, aspect * height / width), min(1.0, width / (aspect * height))
    scale = zoom + (1 - zoom) * torch.rand(b, device=device)
    sx, sy = most_x * scale, most_y * scale
    x0, y0 = torch.rand(b, device=device) * (1 - sx), torch.rand(b, device=device) * (1 - sy)
    sign = torch.where(torch.rand(b, device=device) < (0.5 if flip else 0.0), -1.0, 1.0)
    return x0, y0, sx, sy, sign


def sample_points(crop, rows, columns, device):
    """Positions for grid_sample [b, rows, columns, 2] of cell centres in the crop."""
    x0, y0, sx, sy, sign = crop
    u = (torch.arange(columns, device=device) + 0.5) / columns - 0.5
    v = (torch.arange(rows, device=device) + 0.5) / rows
    x = (x0 + sx / 2)[:, None] + sx[:, None] * sign[:, None] * u
    y = y0[:, None] + sy[:, None] * v
    return torch.stack([x[:, None, :].expand(-1, rows, -1), y[:, :, None].expand(-1, -1, columns)], -1) * 2 - 1


def take_pictures(pictures, index, crop, grid):
    points = sample_points(crop, 8 * grid[0], 8 * grid[1], pictures.device)
    return F.grid_sample(pictures[index].float() / 127.5 - 1, points, mode="bilinear", padding_mode="border", align_corners=False)


def real_batch(store, b, grid, device, augment=True):
    """-> picture, displacement [b,2,16,h,w] in picture widths, confidence [b,16,h,w], seconds [b]."""
    index = torch.multinomial(store["weights"], b, replacement=True) if augment else torch.arange(b, device=device) % len(store["seconds"])
    height, width = store["pictures"].shape[-2:]
    crop = crop_grid(b, height, width, grid, device, 0.7 if augment else 1.0, augment)
    picture = take_pictures(store["pictures"], index, crop, grid)
    fields = store["fields"][index].float()
    points = sample_points(crop, *grid, device)
    taken = F.grid_sample(fields.flatten(1, 2), points, mode="bilinear", padding_mode="border", align_corners=False).unflatten(1, (3, KEYS))
    per_width = 1 / (width * crop[2])
    displacement = torch.stack([taken[:, 0] * (per_width * crop[4])[:, None, None, None], taken[:, 1] * per_width[:, None, None, None]], 1)
    seconds = store["seconds"][index]
    if augment:  # a shorter part of the window, by interpolation over time
        part = torch.where(torch.rand(b, device=device) < 0.5, torch.ones(b, device=device), 0.5 + 0.5 * torch.rand(b, device=device))
        displacement, confidence, seconds = shorten(displacement, part), shorten(taken[:, 2:3], part)[:, 0], seconds * part
        return picture, displacement, confidence.clamp(0, 1), seconds
    return picture, displacement, taken[:, 2].clamp(0, 1), seconds


def shorten(values, part):
    """Values [b,c,16,h,w] at key times k * part; the picture itself (zero, or confidence one) stands at time 0."""
    b, c = values.shape[:2]
    start = torch.ones_like(values[:, :, :1]) if c == 1 else torch.zeros_like(values[:, :, :1])
    full = torch.cat([start, values], 2)
    moments = torch.arange(1, KEYS + 1, device=values.device) * part[:, None]
    low = moments.floor().long().clamp(max=KEYS - 1)
    take = lambda at: full.gather(2, at[:, None, :, None, None].expand(-1, c, -1, *values.shape[3:]))
    share = (moments - low)[:, None, :, None, None]
    return take(low) * (1 - share) + take(low + 1) * share


def cell_positions(grid, device):
    """x, y of cell centres in picture widths, relative to the centre [h, w]."""
    h, w = grid
    y, x = torch.meshgrid((torch.arange(h, device=device) + 0.5 - h / 2) / w, (torch.arange(w, device=device) + 0.5) / w - 0.5, indexing="ij")
    return x, y


def fit_camera(displacement, weight):
    """Best similarity (shift, zoom, roll) at each key time; displacement [b,2,t,h,w], weight [b,t,h,w] -> field of it."""
    x, y = cell_positions(displacement.shape[-2:], displacement.device)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    basis = torch.stack([torch.stack([one, zero, x, -y]), torch.stack([zero, one, y, x])])  # [2, 4, h, w]
    w = weight + 1e-3
    normal = torch.einsum("cihw,cjhw,bthw->btij", basis, basis, w)
    right = torch.einsum("cihw,bcthw,bthw->bti", basis, displacement, w)
    parameters = torch.linalg.solve(normal, right)
    return torch.einsum("cihw,bti->bcthw", basis, parameters)


def smooth_noise(b, channels, grid, cells, device):
    return F.interpolate(torch.randn(b, channels, cells, cells, device=device), size=grid, mode="bicubic", align_corners=True)


def camera_motion(b, grid, device):
    """Eased pan, zoom, roll and true rotation (homography): backward displacement [b,2,16,h,w]."""
    x, y = cell_positions(grid, device)
    t = torch.arange(1, KEYS + 1, device=device) / KEYS
    ease = torch.where(torch.rand(b, 1, device=device) < 0.5, t[None], (3 * t**2 - 2 * t**3)[None])
    amount = lambda scale: torch.randn(b, 1, device=device) * scale * (torch.rand(b, 1, device=device) < 0.6)
    spread = lambda a: (a * ease)[:, :, None, None]
    yaw, pitch, roll = spread(amount(0.06)), spread(amount(0.04)), spread(amount(0.04))
    pan_x, pan_y, zoom = spread(amount(0.05)), spread(amount(0.03)), spread(amount(0.08))
    focal = (0.6 + 0.6 * torch.rand(b, 1, 1, 1, device=device))
    cr, sr = roll.cos(), roll.sin()
    px, py = (cr * x - sr * y) * (1 - zoom), (sr * x + cr * y) * (1 - zoom)
    dx, dy, dz = px / focal, py / focal, torch.ones_like(px)
    dx, dz = dx * yaw.cos() + dz * yaw.sin(), dz * yaw.cos() - dx * yaw.sin()
    dy, dz = dy * pitch.cos() + dz * pitch.sin(), dz * pitch.cos() - dy * pitch.sin()
    return torch.stack([focal * dx / dz - x + pan_x, focal * dy / dz - y + pan_y], 1)


def ambient_masks(picture, grid):
    """Where plants, water and clouds are likely, from colour and height alone [b, 3, h, w]."""
    rgb = F.adaptive_avg_pool2d(picture, grid) * 0.5 + 0.5
    texture = F.adaptive_avg_pool2d((picture - F.avg_pool2d(picture, 5, 1, 2)).abs().mean(1, keepdim=True), grid)[:, 0]
    r, g, b = rgb.unbind(1)
    v = torch.linspace(0, 1, grid[0], device=picture.device).view(1, -1, 1)
    light = rgb.mean(1)
    soft = lambda a: torch.sigmoid(a)
    plants = soft((g - torch.maximum(r, b) - 0.01) * 60) * soft((texture - 0.03) * 120)
    clouds = soft((0.45 - v) * 14) * soft((light - 0.45) * 14) * soft((b - r + 0.06) * 30) * soft((0.09 - texture) * 60)
    water = soft((v - 0.5) * 12) * soft((b - r + 0.02) * 40) * soft((0.16 - texture) * 40)
    masks = torch.stack([plants, water, clouds], 1)
    return F.avg_pool2d(F.pad(masks, (1, 1, 1, 1), mode="replicate"), 3, 1)


def ambient_motion(picture, grid, seconds, loop):
    """Sway, water and clouds where the picture has them: displacement [b,2,16,h,w] and weights [b,4]."""
    b, device = picture.shape[0], picture.device
    x, y = cell_positions(grid, device)
    masks = ambient_masks(picture, grid)
    present = (masks.mean((2, 3)) > 0.04) & (torch.rand(b, 3, device=device) < 0.8)
    t = (torch.arange(1, KEYS + 1, device=device) / KEYS)[None] * seconds[:, None]  # [b, 16] seconds
    time = t[:, :, None, None]
    turns = lambda low, high: torch.where(
        loop[:, None] > 0, (1 + torch.randint(0, 3, (b, 1), device=device)) / seconds[:, None], low + (high - low) * torch.rand(b, 1, device=device)
    )[:, :, None, None] * 2 * math.pi
    # sway: each plant on its own phase, mostly sideways
    phase, size = 2.5 * smooth_noise(b, 1, grid, 5, device), 1 + 0.5 * smooth_noise(b, 1, grid, 6, device).clamp(-1.5, 1.5)
    omega = turns(0.3, 0.9)
    swing = (torch.sin(omega * time + phase) - torch.sin(phase)) + 0.35 * (torch.sin(2 * omega * time + 2 * phase) - torch.sin(2 * phase))
    sway = torch.stack([size * swing, 0.25 * size * swing], 1) * (0.004 + 0.010 * torch.rand(b, 1, 1, 1, 1, device=device))
    # water: travelling waves
    water = torch.zeros(b, 2, KEYS, *grid, device=device)
    for _ in range(3):
        kx, ky = torch.randn(2, b, 1, 1, 1, device=device) * 18
        wave = torch.sin(kx * x + 2.5 * ky * y - turns(0.4, 1.4) * time) - torch.sin(kx * x + 2.5 * ky * y)
        water = water + torch.stack([wave, 0.5 * wave], 1) * (0.001 + 0.003 * torch.rand(b, 1, 1, 1, 1, device=device))
    # clouds: one wind
    speed = (0.004 + 0.02 * torch.rand(b, 1, 1, 1, device=device)) * torch.where(torch.rand(b, 1, 1, 1, device=device) < 0.5, -1.0, 1.0)
    drift = speed * time * (1 + 0.25 * smooth_noise(b, 1, grid, 4, device).clamp(-2, 2))
    clouds = torch.stack([drift, 0.15 * torch.randn(b, 1, 1, 1, device=device) * drift], 1)
    clouds = torch.where(loop.view(-1, 1, 1, 1, 1) > 0, torch.sin(math.pi * torch.arange(1, KEYS + 1, device=device) / KEYS).view(1, 1, -1, 1, 1) * clouds, clouds)
    kinds = torch.stack([sway, water, clouds], 1) * (masks * present[:, :, None, None])[:, :, None, None]
    weights = torch.cat([present.float(), torch.zeros(b, 1, device=device)], 1)
    return kinds.sum(1), weights


def disparity(picture, grid):
    """A guess at layers: nearer towards the bottom, and a few regions of one colour and place stand out [b, h, w]."""
    b, device = picture.shape[0], picture.device
    x, y = cell_positions(grid, device)
    colour = F.adaptive_avg_pool2d(picture, grid).flatten(2)
    near = torch.rand(b, 1, 1, device=device) * 2 * y
    for _ in range(3):
        at = torch.randint(0, x.numel(), (b,), device=device)
        seed = colour.gather(2, at.view(b, 1, 1).expand(-1, 3, 1))
        apart = (colour - seed).square().sum(1).view(b, *grid) / 0.15
        away = ((x - x.flatten()[at].view(b, 1, 1)).square() + (y - y.flatten()[at].view(b, 1, 1)).square()) / 0.05
        near = near + torch.rand(b, 1, 1, device=device) * (-apart - away).exp()
    near = F.avg_pool2d(F.pad(near[:, None], (1, 1, 1, 1), mode="replicate"), 3, 1)[:, 0]
    return near - near.mean((1, 2), keepdim=True)


def synthetic_batch(stills, b, grid, device):
    """-> picture, displacement, confidence, seconds, exact camera field, ambient weights, loop."""
    index = torch.randint(0, len(stills), (b,), device=device)
    crop = crop_grid(b, *stills.shape[-2:], grid, device)
    picture = take_pictures(stills, index, crop, grid)
    seconds = 1.2 + 1.2 * torch.rand(b, device=device)
    loop = (torch.rand(b, device=device) < 0.25).float()
    camera = camera_motion(b, grid, device) * ((torch.rand(b, device=device) < 0.75) & (loop == 0)).view(b, 1, 1, 1, 1)
    ambient, weights = ambient_motion(picture, grid, seconds, loop)
    layered = torch.rand(b, device=device) * (torch.rand(b, device=device) < 0.4)
    parallax = camera * (layered.view(b, 1, 1) * disparity(picture, grid))[:, None, None]
    total = camera + parallax + ambient
    x, y = cell_positions(grid, device)
    inside = ((x + total[:, 0]).abs() < 0.5) & ((y + total[:, 1]).abs() < 0.5 * grid[0] / grid[1])
    return picture, total, inside.float(), seconds, camera, weights, loop


def batch(wide, square, stills, b, synthetic_share, device):
    """One training batch: dict of picture, target [b,3,16,h,w], weight, camera, given, controls."""
    grid = GRIDS[int(torch.multinomial(torch.tensor([4.0, 2, 2, 1, 1]), 1))]
    n_syn = b if wide is None else int(round(b * synthetic_share))
    parts = []
    if n_syn:
        picture, total, confidence, seconds, camera, ambient, loop = synthetic_batch(stills, n_syn, grid, device)
        parts.append((picture, total, confidence, seconds, camera, ambient, loop))
    if n_syn < b:
        store = square if square is not None and torch.rand(()) < 0.15 else wide
        picture, total, confidence, seconds = real_batch(store, b - n_syn, grid, device)
        camera = fit_camera(total, confidence)
        unknown = torch.tensor([0.0, 0, 0, 1], device=device).expand(b - n_syn, 4)
        parts.append((picture, total, confidence, seconds, camera, unknown, torch.zeros(b - n_syn, device=device)))
    picture, total, confidence, seconds, camera, ambient, loop = (torch.cat(p) for p in zip(*parts))
    given = (torch.rand(b, device=device) < 0.6).float()
    camera = camera * given.view(b, 1, 1, 1, 1)
    residual = total - camera
    strength = strength_of(residual, confidence)
    scale = (strength.view(b, 1, 1, 1, 1) * envelope(device).view(1, 1, -1, 1, 1))
    target = torch.cat([(residual / scale).clamp(-6, 6), confidence[:, None] * 2 - 1], 1)
    weight = torch.cat([(0.05 + 0.95 * confidence)[:, None].expand(-1, 2, -1, -1, -1), torch.full_like(confidence, 0.5)[:, None]], 1)
    controls = control_tokens(strength, ambient, seconds, loop, given)
    drop = torch.rand(b, 4, 1, device=device) < torch.tensor([0.05, 0.15, 0.1, 0.0], device=device)[None, :, None]
    controls[..., 4:] *= ~drop
    return dict(picture=picture, target=target, weight=weight, camera=camera / CAMERA_UNIT, given=given, controls=controls)

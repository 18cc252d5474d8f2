"""The renderer of docs/motion-model.md, sections 4 to 6, in PyTorch: shared by training, evaluation and contact sheets."""
import torch
import torch.nn.functional as F
from torch import nn

from model import KEYS, envelope


def border_ramp(reach, grid):
    """Factors [2, h, w] for dx and dy that fade towards the border over `reach` widths."""
    h, w = grid
    edge = lambda n: torch.minimum(torch.arange(n, device=reach.device) + 0.5, n - 0.5 - torch.arange(n, device=reach.device)) / w
    ramp = lambda q: 1 - (1 - (q / reach).clamp(max=1)) ** 2
    return torch.stack([ramp(edge(w)).expand(h, w), ramp(edge(h))[:, None].expand(h, w)])


def displacements(x, strength, camera):
    """Network output x [B,3,16,h,w], strength [B], camera [B,2,16,h,w] -> displacement (picture widths), confidence [B,16,h,w]."""
    scale = strength[:, None] * envelope(x.device)  # [B, 16]
    reach = (6 * scale).clamp(0.04, 0.25)
    ramp = torch.stack([torch.stack([border_ramp(r, x.shape[-2:]) for r in row], 1) for row in reach])
    return camera + scale[:, None, :, None, None] * ramp * x[:, :2], ((x[:, 2] + 1) / 2).clamp(0, 1)


def close_loop(d):
    u = torch.arange(1, KEYS + 1, device=d.device) / KEYS
    return d - (u * u * (3 - 2 * u)).view(1, 1, -1, 1, 1) * d[:, :, -1:]


def catmull_rom(f):
    return (-f + 2 * f**2 - f**3) / 2, (2 - 5 * f**2 + 3 * f**3) / 2, (f + 4 * f**2 - 3 * f**3) / 2, (f**3 - f**2) / 2


def keys_cubic(f):
    """Keys' cubic with a = -3/4: crisper than Catmull-Rom, which loses 16 % of the gradient energy of a shifted picture."""
    r = 1 - f
    return -0.75 * f * r * r, (1.25 * f - 2.25) * f * f + 1, ((1.5 - 1.25 * f) * f + 0.75) * f, -0.75 * r * f * f


def b_spline(f):
    return (1 - f) ** 3 / 6, (3 * f**3 - 6 * f**2 + 4) / 6, (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6, f**3 / 6


def at_time(field, tau):
    """Field [B,3,16,h,w] (dx, dy, c) and tau [B] in 0..1 -> [B,3,h,w]; key 0 is no motion, full confidence."""
    first = torch.zeros_like(field[:, :, :1])
    first[:, 2] = 1
    keys = torch.cat([first, field], 2)
    u = tau * KEYS
    low = u.floor().long().clamp(0, KEYS - 1)
    out = 0
    for i, weight in enumerate(catmull_rom(u - low)):
        at = (low + i - 1).clamp(0, KEYS)
        out = out + weight.view(-1, 1, 1, 1) * keys[torch.arange(len(tau), device=field.device), :, at]
    return out


def b_spline_slope(f):
    return -((1 - f) ** 2) / 2, (3 * f**2 - 4 * f) / 2, (-3 * f**2 + 2 * f + 1) / 2, f**2 / 2


def spread(values, axis, size, taps=b_spline):
    """Uniform cubic B-spline from cells to pixels along one axis; cell centres at (i + 1/2) size / n, clamped."""
    n = values.shape[axis]
    place = (torch.arange(size, device=values.device, dtype=torch.float32) + 0.5) * n / size - 0.5
    low = place.floor().long()
    shape = [1] * values.ndim
    shape[axis] = size
    weights = taps((place - low).to(values.dtype))
    total = sum(t.view(shape) * values.index_select(axis, (low + i - 1).clamp(0, n - 1)) for i, t in enumerate(weights))
    return total * (n / size) if taps is b_spline_slope else total


def upsample(field, height, width):
    return spread(spread(field, -2, height), -1, width)


def stretching(d, height, width):
    """How much area changes, |det - 1| in 0..1, for displacement cells d [B,2,h,w] in widths -> [B,1,H,W]."""
    across = spread(spread(d, -2, height), -1, width, b_spline_slope) * width
    down = spread(spread(d, -2, height, b_spline_slope), -1, width) * width
    det = (1 + across[:, :1]) * (1 + down[:, 1:]) - down[:, :1] * across[:, 1:]
    return (det - 1).abs().clamp(0, 1)


def mirror(p, size):
    """Pixel positions folded back into -1/2 .. size-1/2."""
    q = (p + 0.5).abs() % (2 * size)
    return torch.minimum(q, 2 * size - q) - 0.5


def warp(picture, d):
    """Picture [B,3,H,W] in 0..1, d [B,2,H,W] in picture widths -> colour, outside [B,1,H,W]."""
    height, width = picture.shape[-2:]
    ys = torch.arange(height, device=d.device, dtype=d.dtype).view(1, -1, 1) + d[:, 1] * width
    xs = torch.arange(width, device=d.device, dtype=d.dtype).view(1, 1, -1) + d[:, 0] * width
    outside = ((xs < -0.5) | (xs > width - 0.5) | (ys < -0.5) | (ys > height - 0.5)).to(d.dtype)
    return bicubic(picture, mirror(xs, width), mirror(ys, height)), outside[:, None]


def bicubic(picture, x, y):
    """Bicubic samples, kept within the range of the nearest 2 x 2 pixels; positions clamp at the border."""
    b, c, height, width = picture.shape
    flat = picture.flatten(2)
    x0, y0 = x.floor(), y.floor()
    wx, wy = keys_cubic(x - x0), keys_cubic(y - y0)
    out, low, high = 0, None, None
    for j in range(4):
        row = (y0 + j - 1).long().clamp(0, height - 1)
        for i in range(4):
            at = row * width + (x0 + i - 1).long().clamp(0, width - 1)
            value = flat.gather(2, at.flatten(1)[:, None].expand(-1, c, -1)).view(b, c, *x.shape[1:])
            out = out + (wx[i] * wy[j])[:, None] * value
            if i in (1, 2) and j in (1, 2):
                low = value if low is None else torch.minimum(low, value)
                high = value if high is None else torch.maximum(high, value)
    return torch.maximum(torch.minimum(out, high), low)


class Refiner(nn.Module):
    """Mends stretched and uncovered places: about 22,000 parameters, 6.6 kFLOP a pixel."""

    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(32, 16, 3, 1, 1)
        self.down = nn.Conv2d(16, 24, 3, 2, 1)
        self.mid = nn.ModuleList([nn.Conv2d(24, 24, 3, 1, 1) for _ in range(2)])
        self.up = nn.Conv2d(24, 16, 3, 1, 1)
        self.conv_out = nn.Conv2d(16, 12, 3, 1, 1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, inputs):
        """Inputs [B,8,H,W], H and W multiples of 4 -> change of colour [B,3,H,W]."""
        a = F.silu(self.conv_in(F.pixel_unshuffle(inputs, 2)))
        h = F.silu(self.down(a))
        for conv in self.mid:
            h = F.silu(conv(h))
        h = F.silu(self.up(F.interpolate(h, scale_factor=2, mode="nearest")) + a)
        return F.pixel_shuffle(self.conv_out(h), 2)


def refine_inputs(colour, confidence, stretch, outside, tau):
    time = tau.view(-1, 1, 1, 1).expand_as(confidence)
    return torch.cat([colour, confidence, stretch, outside, time, torch.ones_like(time)], 1)


def gate(confidence, outside, tau):
    return (2.5 * (0.5 - confidence).clamp(min=0) + outside).clamp(0, 1) * (8 * tau).clamp(max=1).view(-1, 1, 1, 1)


def pad4(x):
    """Replicates the last row and column up to multiples of four."""
    return F.pad(x, (0, -x.shape[-1] % 4, 0, -x.shape[-2] % 4), mode="replicate")


def moved(picture, cells, tau):
    """Cells [B,3,h,w] of one moment -> warped colour, inputs of the refinement, its gate."""
    height, width = picture.shape[-2:]
    dense = upsample(cells, height, width)
    confidence = dense[:, 2:].clamp(0, 1)
    colour, outside = warp(picture, dense[:, :2])
    inputs = refine_inputs(colour, confidence, stretching(cells[:, :2], height, width), outside, tau)
    return colour, inputs, gate(confidence, outside, tau)


def render(picture, field, tau, refiner=None):
    """Picture [B,3,H,W] in 0..1, field [B,3,16,h,w] (dx, dy, c), tau [B] -> frame [B,3,H,W]."""
    colour, inputs, share = moved(picture, at_time(field, tau), tau)
    if refiner is None:
        return colour
    change = refiner(pad4(inputs))[..., : picture.shape[-2], : picture.shape[-1]]
    return (colour + share * change).clamp(0, 1)

"""The motion network: the Wan DiT (diffusers names) with a small picture encoder in front.

The DiT is the image-to-video kind of Wan 2.2: condition channels stand behind the noisy ones, one timestep a clip,
control tokens in the text slot. Shapes: field [B, 3, 16, h, w], picture [B, 3, 8h, 8w].
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

KEYS = 16  # key times a clip

CONFIG = dict(
    patch_size=[4, 2, 2], num_attention_heads=6, attention_head_dim=64, in_channels=40, out_channels=3, text_dim=32,
    freq_dim=256, ffn_dim=1536, num_layers=8, cross_attn_norm=True, qk_norm="rms_norm_across_heads", eps=1e-6,
    image_dim=None, added_kv_proj_dim=None, rope_max_seq_len=1024, pos_embed_seq_len=None,
)
PICTURE_CHANNELS = [24, 48, 64, 64, 32]
PICTURE_STRIDES = [2, 2, 2, 1, 1]


def rope_tables(grid, head_dim, device):
    """cos, sin [L, head_dim / 2]: time pairs, then row pairs, then column pairs."""
    c = head_dim // 2
    pairs = [c - 2 * (c // 3), c // 3, c // 3]
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float64, device=device) for n in grid], indexing="ij")
    angles = [p.reshape(-1, 1) * 10000.0 ** (-torch.arange(n, dtype=torch.float64, device=device) / n) for p, n in zip(axes, pairs)]
    angles = torch.cat(angles, 1)
    return angles.cos().float(), angles.sin().float()


def rotate(x, cos, sin):
    """x [B, H, L, D], interleaved pairs."""
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2).to(x.dtype)


class RMSNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return (x.float() * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + self.eps) * self.weight).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, width, heads, eps):
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])
        self.norm_q, self.norm_k = RMSNorm(width, eps), RMSNorm(width, eps)

    def forward(self, x, context=None, rope=None):
        kv = x if context is None else context
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k, v = split(self.norm_q(self.to_q(x))), split(self.norm_k(self.to_k(kv))), split(self.to_v(kv))
        if rope is not None:
            q, k = rotate(q, *rope), rotate(k, *rope)
        return self.to_out[0](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        first = nn.Module()
        first.proj = nn.Linear(width, hidden)
        self.net = nn.ModuleList([first, nn.Identity(), nn.Linear(hidden, width)])

    def forward(self, x):
        return self.net[2](F.gelu(self.net[0].proj(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, width, heads, ffn, eps):
        super().__init__()
        self.attn1, self.attn2 = Attention(width, heads, eps), Attention(width, heads, eps)
        self.norm2 = nn.LayerNorm(width, eps)
        self.ffn = FeedForward(width, ffn)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 6, width) / width**0.5)
        self.eps = eps

    def forward(self, x, tproj, context, rope):
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.scale_shift_table + tproj).unbind(1)
        norm = lambda t: F.layer_norm(t, t.shape[-1:], eps=self.eps)
        mod = lambda t, scale, shift: norm(t) * (1 + scale[:, None]) + shift[:, None]
        x = x + gate1[:, None] * self.attn1(mod(x, scale1, shift1), rope=rope)
        x = x + self.attn2(self.norm2(x), context)
        return x + gate2[:, None] * self.ffn(mod(x, scale2, shift2))


class MLP(nn.Module):
    def __init__(self, width_in, width, act):
        super().__init__()
        self.linear_1, self.linear_2, self.act = nn.Linear(width_in, width), nn.Linear(width, width), act

    def forward(self, x):
        return self.linear_2(self.act(self.linear_1(x)))


class WanTransformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = self.config = config
        width = c["num_attention_heads"] * c["attention_head_dim"]
        self.patch_embedding = nn.Conv3d(c["in_channels"], width, c["patch_size"], c["patch_size"])
        e = self.condition_embedder = nn.Module()
        e.time_embedder = MLP(c["freq_dim"], width, F.silu)
        e.time_proj = nn.Linear(width, 6 * width)
        e.text_embedder = MLP(c["text_dim"], width, lambda x: F.gelu(x, approximate="tanh"))
        self.blocks = nn.ModuleList([Block(width, c["num_attention_heads"], c["ffn_dim"], c["eps"]) for _ in range(c["num_layers"])])
        self.scale_shift_table = nn.Parameter(torch.randn(1, 2, width) / width**0.5)
        self.proj_out = nn.Linear(width, c["out_channels"] * math.prod(c["patch_size"]))
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, x, timestep, text):
        """x [B, Cin, T, h, w], timestep [B] in 0..1000, text [B, rows, text_dim] -> velocity [B, Cout, T, h, w]."""
        c, (pt, ph, pw) = self.config, self.config["patch_size"]
        grid = (x.shape[2] // pt, x.shape[3] // ph, x.shape[4] // pw)
        rope = rope_tables(grid, c["attention_head_dim"], x.device)
        half = c["freq_dim"] // 2
        omega = 10000.0 ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
        angle = timestep.float()[:, None] * omega
        e = self.condition_embedder
        temb = e.time_embedder(torch.cat([angle.cos(), angle.sin()], 1))
        tproj = e.time_proj(F.silu(temb)).unflatten(1, (6, -1))
        context = e.text_embedder(text)
        h = self.patch_embedding(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            h = block(h, tproj, context, rope)
        shift, scale = (self.scale_shift_table + temb[:, None]).unbind(1)
        h = F.layer_norm(h, h.shape[-1:], eps=c["eps"]) * (1 + scale[:, None]) + shift[:, None]
        y = self.proj_out(h).unflatten(1, grid).unflatten(-1, (pt, ph, pw, -1))  # B f y x pt ph pw C
        return y.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)


class PictureEncoder(nn.ModuleList):
    """[B, 3, 8h, 8w] in -1..1 -> [B, 32, h, w]; SiLU between the convolutions, none after the last."""

    def __init__(self):
        widths = [3] + PICTURE_CHANNELS
        super().__init__(nn.Conv2d(a, b, 3, s, 1) for a, b, s in zip(widths, widths[1:], PICTURE_STRIDES))

    def forward(self, x):
        for i, conv in enumerate(self):
            x = conv(x if i == 0 else F.silu(x))
        return x


class MotionModel(nn.Module):
    """Everything that is trained together: `encoder.N.*` and `transformer.*`."""

    def __init__(self, config=CONFIG):
        super().__init__()
        self.encoder = PictureEncoder()
        self.transformer = WanTransformer(config)

    def forward(self, noisy, timestep, picture, camera, given, controls):
        """noisy [B,3,16,h,w], picture in -1..1, camera [B,2,16,h,w] in field units, given [B], controls [B,4,32]."""
        return self.transformer(self.inputs(noisy, picture, camera, given), timestep, controls)

    def inputs(self, noisy, picture, camera, given):
        """The 40 input channels: noisy 3 | camera 2 | given 1 | key time 1 | zero 1 | picture 32."""
        b, _, t, h, w = noisy.shape
        features = self.encoder(picture)[:, :, None].expand(-1, -1, t, -1, -1).to(noisy.dtype)
        flag = given.view(b, 1, 1, 1, 1).expand(b, 1, t, h, w).to(noisy.dtype)
        time = (torch.arange(1, t + 1, device=noisy.device, dtype=noisy.dtype) / t).view(1, 1, t, 1, 1).expand(b, 1, t, h, w)
        return torch.cat([noisy, camera.to(noisy.dtype), flag, time, torch.zeros_like(time), features], 1)


# --- field units -------------------------------------------------------------------------------------------------

NOISE_SHARE = 0.5  # of the white part
NOISE_GRIDS = [(5, 9, 9), (2, 3, 3)]  # keys, rows, columns of the smooth parts


def noise_count(h, w):
    """Normal values that one clip's noise is made of."""
    return 3 * KEYS * h * w + sum(3 * math.prod(grid) for grid in NOISE_GRIDS)


def coloured_noise(normals, h, w):
    """Normals [B, noise_count] -> noise [B, 3, 16, h, w]: white and smooth parts, so that slow and large motion is
    as uncertain as small motion; under white noise alone it would show through at almost every noise level."""
    size, parts = (KEYS, h, w), normals.split([3 * math.prod(g) for g in [(KEYS, h, w), *NOISE_GRIDS]], 1)
    noise = NOISE_SHARE * parts[0].reshape(-1, 3, *size)
    for part, grid in zip(parts[1:], NOISE_GRIDS):
        noise = noise + F.interpolate(part.reshape(-1, 3, *grid), size=size, mode="trilinear", align_corners=True)
    return noise


CAMERA_UNIT = 0.05  # camera field channels are displacements / CAMERA_UNIT
MIN_STRENGTH = 0.001


def envelope(device="cpu"):
    """Growth of motion over the key times, mean square one: displacements are divided by strength * envelope."""
    e = (torch.arange(1, KEYS + 1, device=device, dtype=torch.float32) / KEYS) ** 0.75
    return e / e.square().mean().sqrt()


def strength_of(displacement, weight=None):
    """RMS over keys and cells of |displacement| / envelope; displacement [B,2,16,h,w] in picture widths -> [B]."""
    e = envelope(displacement.device).view(1, 1, -1, 1, 1)
    square = (displacement / e).square().sum(1)
    if weight is None:
        return square.mean((1, 2, 3)).sqrt().clamp(min=MIN_STRENGTH)
    return ((square * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1)).sqrt().clamp(min=MIN_STRENGTH)


def control_tokens(strength, ambient, seconds, loop, given):
    """Four rows of 32: strength, ambient weights (sway, water, clouds, unknown), timing, camera flag. All inputs [B] or [B,4]."""
    b, device = strength.shape[0], strength.device
    rows = torch.zeros(b, 4, 32, device=device)
    level = (torch.log(strength) + 4.5) / 1.5
    waves = 2.0 ** torch.arange(4, device=device)
    for row in range(4):
        rows[:, row, row] = 1
    rows[:, 0, 4] = level
    rows[:, 0, 8:12], rows[:, 0, 12:16] = torch.sin(level[:, None] * waves), torch.cos(level[:, None] * waves)
    rows[:, 1, 4:8] = ambient
    rows[:, 2, 4], rows[:, 2, 5] = seconds / 2, loop
    rows[:, 3, 4] = given
    return rows

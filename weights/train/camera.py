"""Camera paths of the built-in model (docs/motion-model.md, section 4): backward displacement in picture widths."""
import math

import torch

from model import KEYS

FOCAL = 0.9  # widths
NAMES = ("pan_x", "pan_y", "zoom", "roll", "yaw", "pitch")


def homography(amount):
    """3 x 3 matrix (list of rows, float64) from a place relative to the centre, in widths, to its source."""
    zoom, c, s = 1 - amount["zoom"], math.cos(amount["roll"]), math.sin(amount["roll"])
    cy, sy, cp, sp = math.cos(amount["yaw"]), math.sin(amount["yaw"]), math.cos(amount["pitch"]), math.sin(amount["pitch"])
    ray = [[zoom * c / FOCAL, -zoom * s / FOCAL, 0], [zoom * s / FOCAL, zoom * c / FOCAL, 0], [0, 0, 1]]
    yaw = [[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]
    pitch = [[1, 0, 0], [0, cp, sp], [0, -sp, cp]]
    project = [[FOCAL, 0, amount["pan_x"]], [0, FOCAL, amount["pan_y"]], [0, 0, 1]]
    return multiply(project, multiply(pitch, multiply(yaw, ray)))


def multiply(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def apply(m, x, y):
    z = m[2][0] * x + m[2][1] * y + m[2][2]
    return (m[0][0] * x + m[0][1] * y + m[0][2]) / z, (m[1][0] * x + m[1][1] * y + m[1][2]) / z


def cover(m, ratio):
    """The smallest extra zoom that keeps the sources of all four corners inside; ratio = height / width."""
    def fits(k):
        for x, y in ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)):
            sx, sy = apply(m, x * (1 - k), y * ratio * (1 - k))
            if abs(sx) > 0.5 + 1e-9 or abs(sy) > ratio / 2 + 1e-9:
                return False
        return True

    if fits(0):
        return 0.0
    low, high = 0.0, 0.9
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def camera_field(path, grid, loop=False):
    """Path: amounts at the end of the clip by NAMES (missing = 0) -> [2, 16, h, w]."""
    h, w = grid
    full = {name: float(path.get(name, 0)) for name in NAMES}
    y, x = torch.meshgrid((torch.arange(h, dtype=torch.float64) + 0.5 - h / 2) / w, (torch.arange(w, dtype=torch.float64) + 0.5) / w - 0.5, indexing="ij")
    keys = []
    for k in range(1, KEYS + 1):
        u = k / KEYS
        ease = math.sin(math.pi * u) ** 2 if loop else u * u * (3 - 2 * u)
        m = homography({name: value * ease for name, value in full.items()})
        shrink = 1 - cover(m, h / w) if full["zoom"] >= 0 else 1
        sx, sy = apply(m, x * shrink, y * shrink)
        keys.append(torch.stack([sx - x, sy - y]))
    return torch.stack(keys, 1).float()

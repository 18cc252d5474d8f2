"""Sampling with the motion network (docs/motion-model.md, sections 2 to 4): Euler over shifted noise levels."""
import torch

from model import CAMERA_UNIT, coloured_noise


def sigmas(steps, shift):
    even = [1 - i / steps for i in range(steps + 1)]
    return [shift * s / (1 + (shift - 1) * s) for s in even]


@torch.no_grad()
def sample(model, normals, picture, camera, given, controls, steps, shift, trace=None):
    """Normals [B, count], picture [B,3,8h,8w] in -1..1, camera [B,2,16,h,w] in widths, given [B], controls -> x [B,3,16,h,w]."""
    h, w = camera.shape[-2:]
    x = coloured_noise(normals, h, w)
    levels = sigmas(steps, shift)
    for i, (now, after) in enumerate(zip(levels, levels[1:])):
        velocity = model(x, torch.full((len(x),), 1000 * now, device=x.device), picture, camera / CAMERA_UNIT, given, controls).float()
        if trace is not None:
            trace[f"mid.step{i}.x"], trace[f"mid.step{i}.velocity"] = x, velocity
        x = x + (after - now) * velocity
    return x

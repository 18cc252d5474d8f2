"""The file `config.json` beside the weights: every number that the engine needs, in one place."""
from model import CAMERA_UNIT, CONFIG, KEYS, MIN_STRENGTH, NOISE_GRIDS, NOISE_SHARE, PICTURE_CHANNELS, PICTURE_STRIDES

GRIDS = [[32, 56], [36, 48], [42, 42], [48, 36], [56, 32]]
REFINE = {"channels_in": 8, "half": 16, "quarter": 24}
SAMPLER = {"steps": 8, "shift": 3.0}
STRENGTH = {"low": 0.0025, "high": 0.025}


def model_config(transformer=CONFIG, channels=PICTURE_CHANNELS, sampler=SAMPLER):
    return {
        "model": "zoetrope-motion", "version": 1, "keys": KEYS, "seconds": 2.0, "grids": GRIDS, "transformer": transformer,
        "encoder": {"channels": channels, "strides": PICTURE_STRIDES}, "camera_unit": CAMERA_UNIT, "min_strength": MIN_STRENGTH,
        "noise": {"share": NOISE_SHARE, "grids": [list(g) for g in NOISE_GRIDS]}, "sampler": sampler, "strength": STRENGTH,
        "refine": REFINE,
    }

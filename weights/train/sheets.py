"""Contact sheets of the photographs held out of training, from the fields that evaluate.py keeps.

    python sheets.py MODEL DATA FIELDS.npz OUT [--motion 0.5]

A row a photograph: the frames at 0, 1/3, 2/3 and the end of the clip, and what changed since the first (times four).
"""
import argparse
import json
import os

import cv2
import numpy as np
import torch

from export import load_shipped
from evaluate import photo_tensors
from prepare import read_tar, split_photos
from render import render

HEIGHT = 150  # of a thumbnail


def thumbnail(frame):
    image = (frame[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return cv2.resize(image, (round(image.shape[1] * HEIGHT / image.shape[0]), HEIGHT), interpolation=cv2.INTER_AREA)


def row(name, picture, field, refiner):
    frames = [render(picture, field, torch.tensor([t]), refiner) for t in (0.0, 1 / 3, 2 / 3, 1.0)]
    change = ((frames[-1] - frames[0]).abs() * 4).clamp(0, 1)
    line = np.concatenate([thumbnail(f) for f in [*frames, change]], 1)
    cv2.putText(line, name.removesuffix(".jpg"), (4, HEIGHT - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return line


def main():
    args = argparse.ArgumentParser()
    for name in ("model", "data", "fields", "out"):
        args.add_argument(name)
    args.add_argument("--motion", default="0.5")
    args = args.parse_args()
    _, _, refiner = load_shipped(args.model)
    fields = np.load(args.fields)
    names = set(split_photos(json.load(open(f"{args.data}/index.json")))[1])
    lines = []
    for name, photo in read_tar(f"{args.data}/photos_00.tar"):
        if name not in names:
            continue
        picture, _, _ = photo_tensors(photo, 640, torch.device("cpu"))
        field = torch.from_numpy(fields[f"{name}/{args.motion}"]).float()[None]
        with torch.no_grad():
            lines.append(row(name, picture, field, refiner))
    os.makedirs(args.out, exist_ok=True)
    width = max(line.shape[1] for line in lines)
    lines = [np.pad(line, ((0, 4), (0, width - line.shape[1]), (0, 0))) for line in lines]
    for i in range(0, len(lines), 8):
        sheet = cv2.cvtColor(np.concatenate(lines[i : i + 8]), cv2.COLOR_RGB2BGR)
        cv2.imwrite(f"{args.out}/sheet-{i // 8 + 1}.jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 78])


if __name__ == "__main__":
    main()

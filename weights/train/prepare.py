"""Decodes the shots, computes dense flow over windows of about two seconds, and writes tensors for training.

    python prepare.py DATA OUT [--workers N]

For each window: the picture (its first frame), and at 16 key times the backward displacement (where in the picture a
pixel of that moment comes from, in pixels) with a confidence, averaged to cells of 8 x 8 pixels. Flow is OpenCV DIS
in both directions, each started from the last; confidence from their agreement. For every third window of the wide
shots, four later frames are kept with their fields: the refinement network learns from those.
"""
import argparse
import io
import json
import multiprocessing
import tarfile
import zlib

import cv2
import numpy as np

SECONDS = 2.0
KEYS = 16
HELD_OUT_PHOTOS = 24


def plain(licence):
    return "SA" not in licence


def held_out(shot):
    """Whether a shot is kept for evaluation: about one in ten, by a hash of its place."""
    return zlib.crc32(f"{shot['file']}:{shot['start']}".encode()) % 10 == 0


def frames_of(path, start, count):
    video = cv2.VideoCapture(path)
    video.set(cv2.CAP_PROP_POS_FRAMES, start)
    frames = []
    for _ in range(count):
        ok, frame = video.read()
        if not ok:
            break
        frames.append(frame)
    return frames


def cells(values, weight):
    """Weighted mean over 8 x 8 cells; where nothing is trusted, the neighbourhood's mean."""
    blur = lambda a: cv2.GaussianBlur(a, (0, 0), 12)
    near = blur(values * weight[..., None]) / (blur(weight)[..., None] + 1e-3)
    h, w = weight.shape
    fold = lambda a: a.reshape(h // 8, 8, w // 8, 8, -1).mean((1, 3))
    share = fold(weight)
    mean = (fold(values * weight[..., None]) + 0.05 * fold(near)) / (share + 0.05)
    return mean, share[..., 0]


def window_field(grey, first, count):
    """Field [16, h/8, w/8, 3] of a window of `count` frames after the first, and the fields of all these frames."""
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    h, w = grey[0].shape
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    picture, back, forth, found = grey[first], None, None, []
    for i in range(1, count + 1):
        later = grey[first + i]
        back = dis.calc(later, picture, back)
        forth = dis.calc(picture, later, forth)
        x, y = xs + back[..., 0], ys + back[..., 1]
        round_trip = back + cv2.remap(forth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        error = np.square(round_trip).sum(-1)
        size = np.square(back).sum(-1)
        inside = (x >= 0) & (x <= w - 1) & (y >= 0) & (y <= h - 1)
        trust = np.exp(-error / (1.0 + 0.02 * size)) * inside
        mean, share = cells(back, trust.astype(np.float32))
        found.append(np.concatenate([mean, share[..., None]], -1))
    moments = np.linspace(0, count, KEYS + 1)[1:]
    zero = np.zeros_like(found[0])
    zero[..., 2] = 1
    steps = [zero] + found
    low = np.floor(moments).astype(int).clip(max=count - 1)
    part = (moments - low)[:, None, None, None]
    return np.stack([steps[i] for i in low]) * (1 - part) + np.stack([steps[i + 1] for i in low]) * part, found


def rgb(frame):
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def shot_windows(job):
    path, shot = job
    cv2.setNumThreads(0)
    frames = frames_of(path, shot["start"], shot["n"])
    grey = [cv2.cvtColor(f, cv2.COLOR_BGR2GRAY) for f in frames]
    jumps = [abs(row[5]) for row in shot["motion"]]
    count = min(len(frames) - 1, round(SECONDS * shot["fps"]))
    if count < 8:
        return []
    windows = []
    for first in range(0, len(frames) - count, max(3, count // 3)):
        if max(jumps[first : first + count], default=0) > 40:
            continue
        field, each = window_field(grey, first, count)
        if field[..., 2].mean() < 0.45:
            continue
        window = dict(picture=rgb(frames[first]), field=field.astype(np.float16), seconds=count / shot["fps"], source=shot["source"])
        if len(windows) % 3 == 0 and shot["w"] != shot["h"]:
            at = [round(count * q / 4) for q in (1, 2, 3, 4)]
            window["later"] = np.stack([rgb(frames[first + i]) for i in at])
            window["later_field"] = np.stack([each[i - 1] for i in at]).astype(np.float16)
        windows.append(window)
    return windows


def perspective(pano, yaw, pitch, fov, w, h):
    """A view of w x h pixels into an equirectangular panorama."""
    f = 0.5 * w / np.tan(fov / 2)
    x, y = np.meshgrid((np.arange(w) + 0.5 - w / 2) / f, (np.arange(h) + 0.5 - h / 2) / f)
    d = np.stack([x, y, np.ones_like(x)], -1)
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    d = d @ np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]]).T @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]).T
    d /= np.linalg.norm(d, axis=-1, keepdims=True)
    u = (np.arctan2(d[..., 0], d[..., 2]) / (2 * np.pi) + 0.5) * pano.shape[1]
    v = (np.arcsin(d[..., 1]) / np.pi + 0.5) * pano.shape[0]
    return cv2.remap(pano, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def read_tar(path):
    with tarfile.open(path) as tar:
        for member in tar.getmembers():
            if member.isfile():
                raw = np.frombuffer(tar.extractfile(member).read(), np.uint8)
                yield member.name.split("/")[-1], cv2.cvtColor(cv2.imdecode(raw, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def split_photos(index):
    """Names of photographs for training and held out; all items with a share-alike licence are left out."""
    names = [p["name"] for p in index["photos"] if plain(p["license"])]
    order = sorted(names, key=lambda n: zlib.crc32(n.encode()))
    return order[HELD_OUT_PHOTOS:], order[:HELD_OUT_PHOTOS]


def stills(data, index, rng):
    """Pictures of 448 x 256 for synthetic motion: crops of photographs, views into panoramas."""
    train, _ = split_photos(index)
    out = []
    for name, photo in read_tar(f"{data}/photos_00.tar"):
        if name not in train:
            continue
        h, w = photo.shape[:2]
        for _ in range(6):
            ch = min(h, w * 256 / 448) * rng.uniform(0.6, 1)
            cw = ch * 448 / 256
            x, y = rng.uniform(0, w - cw), rng.uniform(0, h - ch)
            crop = photo[int(y) : int(y + ch), int(x) : int(x + cw)]
            out.append(cv2.resize(crop, (448, 256), interpolation=cv2.INTER_AREA))
    for _, pano in read_tar(f"{data}/panos_00.tar"):
        for _ in range(10):
            out.append(perspective(pano, rng.uniform(-np.pi, np.pi), rng.uniform(-0.35, 0.35), rng.uniform(1.0, 1.5), 448, 256))
    return np.stack(out)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("data")
    args.add_argument("out")
    args.add_argument("--workers", type=int, default=multiprocessing.cpu_count())
    args.add_argument("--limit", type=int, default=0, help="only so many shots (for trying out)")
    args.add_argument("--held-out", action="store_true", help="only the shots kept for evaluation, no pictures")
    args = args.parse_args()
    index = json.load(open(f"{args.data}/index.json"))
    if not args.held_out:
        np.savez(f"{args.out}/stills.npz", pictures=stills(args.data, index, np.random.default_rng(0)))
    shots = [s for s in index["shots"] if plain(s["license"]) and (held_out(s) or not args.held_out)]
    shots = shots[:: max(1, len(shots) // args.limit)] if args.limit else shots
    shots.sort(key=lambda s: -s["n"])
    groups = {}
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:  # OpenCV's threads do not survive a fork
        jobs = [(f"{args.data}/{s['file']}", s) for s in shots]
        for shot, windows in zip(shots, pool.imap(shot_windows, jobs)):
            size = "square" if shot["w"] == shot["h"] else "wide"
            groups.setdefault((size, "test" if held_out(shot) else "train"), []).extend(windows)
    for (size, part), windows in groups.items():
        if not windows:
            continue
        take = lambda key: [w[key] for w in windows if key in w]
        columns = dict(pictures=np.stack(take("picture")), fields=np.stack(take("field")), seconds=take("seconds"), sources=take("source"))
        np.savez(f"{args.out}/{size}_{part}.npz", **columns)
        print(size, part, len(windows), "windows", flush=True)
        if later := take("later"):
            firsts = np.stack([w["picture"] for w in windows if "later" in w])
            np.savez(f"{args.out}/frames_{part}.npz", pictures=firsts, later=np.stack(later), fields=np.stack(take("later_field")))


if __name__ == "__main__":
    main()

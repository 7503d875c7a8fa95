"""Pictures and a recipe that are learnt from in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from mmras_stream.training.recipe import Recipe, Source
from mmras_stream.training.recipe_file import load_recipe

ROAD, SKY = 0, 6


def write_pictures(folder: Path) -> Path:
    """Write eight pictures of grey road under blue sky with a vehicle, and three round cut-outs."""
    rng = np.random.default_rng(0)
    for part in ("images", "labels", "cutouts"):
        (folder / part).mkdir()
    for number in range(8):
        picture = np.full((96, 144, 3), (200, 150, 90), np.uint8)
        labels = np.full((96, 144), SKY, np.uint8)
        picture[40:], labels[40:] = (90, 90, 90), ROAD
        picture[45:75, 30:70], labels[45:75, 30:70] = (30, 30, 160), 3
        picture += rng.integers(0, 9, picture.shape, np.uint8)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
        cv2.imwrite(str(folder / "labels" / f"{number}.png"), labels)
    for number in range(3):
        cutout = np.zeros((40, 40, 4), np.uint8)
        cv2.circle(cutout, (20, 20), 18, (0, 200, 255, 255), -1)
        cv2.imwrite(str(folder / "cutouts" / f"{number}.png"), cutout)
    return folder


def small_recipe() -> Recipe:
    """Return the recipe of the embedded weights, shrunk to these pictures."""
    shipped = load_recipe("embedded")
    source = Source("tiny", "images", "labels", shipped.drawn.label_names, share=1.0)
    schedule = replace(shipped.schedule, batch_size=2, crop_height=64, crop_width=96)
    stage = replace(shipped.stages[0], steps=6, minutes=60.0)
    style = replace(shipped.augmentation, width_range=(96, 200))
    return replace(
        shipped,
        schedule=schedule,
        stages=(stage,),
        augmentation=style,
        network=replace(shipped.network, stem_width=8, widths=(8, 16, 16), fused_width=16),
        sources=(source,),
        drives=(),
        drawn=replace(shipped.drawn, share=0.0),
    )

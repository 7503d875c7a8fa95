"""What stands where beside one drawn road."""

from dataclasses import dataclass

import cv2
import numpy as np

from mmras_stream.synthetic.camera import Camera
from mmras_stream.synthetic.flora import Plant, draw_plant, grow, tuft
from mmras_stream.synthetic.ground import Ground
from mmras_stream.synthetic.look import Bytes, Floats, Look, stream
from mmras_stream.synthetic.roadside import (
    House,
    draw_lamp,
    draw_marker,
    draw_mast,
    draw_rail,
    draw_sign,
)

VERGE, FAR = 1, 5
_SIGHT_METRES = 260.0
_LOBES = 7


@dataclass(frozen=True, slots=True)
class _Stand:
    """Something at road coordinates s, d; `size` is its height in metres, if it has a choice."""

    kind: str
    s: float
    d: float
    size: float = 0.0
    variant: int = 0


class Surroundings:
    """Everything that stands beside the road, placed by a seed, for s from -10 m to the end."""

    def __init__(self, seed: int, look: Look, length_metres: float) -> None:
        rng = stream(seed, "roadside")
        self._look = look
        self._end = length_metres + _SIGHT_METRES
        kinds = [str(k) for k in rng.permutation(["oak", "oak", "conifer", "poplar"])[:3]]
        self._trees = [grow(kind, rng, look) for kind in kinds]
        self._slim = [kind != "oak" for kind in kinds]
        self._bush, self._tuft = grow("bush", rng, look), tuft(rng, look)
        self._stands: list[_Stand] = []
        self._houses: list[House] = []
        for side in (-1.0, 1.0):
            self._plant_side(rng, side)
        railed = not look.town and rng.random() < 0.4
        self._shady = [stand for stand in self._stands if stand.kind == "tree"]
        self._outlines = self._shade_outlines(stream(seed, "shade"))
        self._rail = float(rng.choice([-1.0, 1.0])) * (look.road_half + 0.9) if railed else 0.0

    def _plant_side(self, rng: np.random.Generator, side: float) -> None:
        look, put = self._look, self._stands.append
        edge = look.road_half
        if look.town:
            s = float(rng.uniform(-10, 5))
            while s < self._end:
                if rng.random() < 0.7:
                    house = House(rng, look, s=s, d=side * (edge + rng.uniform(4.5, 7.0)))
                    self._houses.append(house)
                    s += float(rng.uniform(20, 26))
                else:
                    s += float(rng.uniform(8, 16))
        density = float(rng.choice([7.0, 11.0, 18.0])) * (2.0 if look.town else 1.0)
        row = edge + (2.2 if look.town else rng.uniform(3.6, 6.5))
        for s in np.arange(-10.0, self._end, density):
            variant = int(rng.integers(len(self._trees)))
            size = float(rng.uniform(5, 7) if look.town else rng.uniform(6.5, 12.5))
            at = float(s + rng.uniform(-0.35, 0.35) * density)
            put(_Stand("tree", at, side * (row + float(rng.gamma(1.2, 1.2))), size, variant))
        if not look.town:
            for s in np.arange(-10.0, self._end, 6.0):
                away = edge + float(rng.uniform(6, 40))
                put(
                    _Stand("bush", float(s + rng.uniform(0, 6)), side * away, rng.uniform(1.2, 3.4))
                )
            for s in np.arange(0.0, min(self._end, 260.0), 1.1):
                away = edge + 0.9 + float(rng.gamma(1.3, 1.2))
                put(
                    _Stand("tuft", float(s + rng.uniform(0, 2)), side * away, rng.uniform(0.2, 0.5))
                )
            for s in np.arange(5.0, self._end, 25.0):
                put(_Stand("marker", float(s), side * (edge + 0.6)))
        step = 28.0 if look.town else 38.0
        if side > 0 or rng.random() < 0.3:
            for s in np.arange(float(rng.uniform(5, step)), self._end, step):
                if look.town:
                    put(_Stand("lamp", float(s), side * (edge + 0.5)))
                else:
                    put(_Stand("pole", float(s), side * (edge + 3.4), 7.0))
        for s in np.arange(float(rng.uniform(15, 60)), self._end, 70.0) if side > 0 else ():
            put(_Stand("sign", float(s), side * (edge + 1.1), variant=int(rng.integers(3))))

    def draw(self, canvas: Floats, labels: Bytes, camera: Camera) -> None:
        """Draw what stands beside the road from far to near, in place."""
        seen = sorted(self._seen(camera), key=lambda stand: -stand.s)
        s, d = np.array([(stand.s, stand.d) for stand in seen], np.float32).reshape(-1, 2).T
        feet = camera.level(s, d, np.zeros_like(s))[:, [0, 2]]
        edges = (np.abs(feet[:, 0]) - 7.0) * camera.focal < feet[:, 1] * (0.6 * camera.width)
        for stand, (x, z), inside in zip(seen, feet.tolist(), edges.tolist(), strict=True):
            if inside or stand.kind == "house":
                self._draw_one(canvas, labels, camera, stand, (x, z))
        if self._rail:
            draw_rail(canvas, labels, camera, self._look, self._rail, -20.0, self._end)

    def _seen(self, camera: Camera) -> list[_Stand]:
        far = {"tuft": 28.0, "bush": 110.0, "marker": 130.0, "tree": 210.0}
        houses = [_Stand("house", h.s, 0.0, 0.0, i) for i, h in enumerate(self._houses)]
        return [
            stand
            for stand in self._stands + houses
            if (stand.kind == "house" or stand.s > camera.s + 1.0)
            and stand.s < camera.s + far.get(stand.kind, _SIGHT_METRES)
        ]

    def _draw_one(
        self, canvas: Floats, labels: Bytes, camera: Camera, stand: _Stand,
        foot: tuple[float, float],
    ) -> None:  # fmt: skip
        target = (canvas, labels, camera, self._look)
        if stand.kind == "house":
            self._houses[stand.variant].draw(*target)
            return
        mirrored = stand.size if int(stand.s * 7) % 2 else -stand.size
        if stand.kind in {"tree", "bush", "tuft"}:
            plants: dict[str, Plant] = {"bush": self._bush, "tuft": self._tuft}
            plant = plants.get(stand.kind, self._trees[stand.variant])
            label = VERGE if stand.kind == "tuft" else FAR
            draw_plant(*target, plant, foot, mirrored, label)
        elif stand.kind == "marker":
            draw_marker(*target, foot)
        elif stand.kind == "lamp":
            draw_lamp(*target, foot)
        elif stand.kind == "pole":
            draw_mast(*target, foot, stand.size)
        else:
            draw_sign(*target, foot, stand.variant)

    def _shade_outlines(self, rng: np.random.Generator) -> Floats:
        """Return outlines (trees, lobes, 12, 2) of tree shadows in metres from the foot."""
        slope = -self._look.sun[[0, 2]] / self._look.sun[1]
        stretch = min(1.0 / float(self._look.sun[1]), 2.5)
        angles = np.linspace(0.0, 2 * np.pi, 12, endpoint=False)
        sizes = np.array([tree.size for tree in self._shady])[:, None]
        slim = np.array([self._slim[tree.variant] for tree in self._shady])[:, None]
        wide, shape = sizes * np.where(slim, 0.16, 0.30), (len(sizes), _LOBES)
        up = (sizes * rng.uniform(0.35, 0.9, shape))[..., None]
        middle = slope * up + rng.normal(0, 0.35, (*shape, 2)) * wide[..., None]
        ragged = wide[..., None] * rng.uniform(0.4, 0.75, shape)[..., None]
        ragged = ragged * rng.uniform(0.7, 1.15, (*shape, 12))
        ring = np.stack([ragged * np.cos(angles) * stretch, ragged * np.sin(angles)], axis=-1)
        trunk = np.zeros_like(ring[:, :1])
        trunk[:, 0, :6] = (0.12, 0.0)
        trunk[:, 0, 6:] = (-0.12, 0.0)
        trunk[:, 0, 3:9] += slope * sizes[..., None] * 0.5
        return np.concatenate([middle[:, :, None] + ring, trunk], axis=1).astype(np.float32)

    def cast_shadows(self, view: Ground, camera: Camera, sunlit: Floats) -> None:
        """Darken sunlit (h, W), in place, under and behind the trees; none without a sun."""
        if self._look.sunlight.max() < 0.3:
            return
        s, d = np.array([(tree.s, tree.d) for tree in self._shady], np.float32).T
        near = (s > camera.s - 30.0) & (s < camera.s + 110.0)
        feet = camera.level(s[near], d[near], np.zeros(int(near.sum()), np.float32))[:, [0, 2]]
        spots = (self._outlines[near] + feet[:, None, None]).reshape(-1, 2)
        # what is nearer than this lies below the frame, so moving it there changes no pixel
        level = np.stack([spots[:, 0], 0.0 * spots[:, 0], np.maximum(spots[:, 1], 1.0)], axis=1)
        pixels, _ = camera.project(level)
        pixels = np.clip((pixels - (0, view.top)) * 16.0, -1e5, 1e5)
        mask = np.zeros(sunlit.shape, np.uint8)
        for outline in pixels.astype(np.int32).reshape(-1, 12, 2):
            if outline[:, 1].max() > 0 and np.ptp(outline[:, 1]) > 0:
                cv2.fillPoly(mask, [outline], 255, cv2.LINE_8, 4)
        soft = np.asarray(cv2.GaussianBlur(mask, (7, 7), 1.2))
        sunlit *= np.float32(1.0) - np.float32(0.92 / 255.0) * soft

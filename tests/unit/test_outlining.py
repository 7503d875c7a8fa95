"""Masks follow the edges of the picture where it shows any."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from mmras_stream.regions.outlining import GROWTH, outlined
from mmras_stream.regions.place import Place
from mmras_stream.types import Frame, Mask
from moving_thing import agreement
from shaky_drive import frame_of

HEIGHT, WIDTH, CELL = 120, 160, 4.0


def disc(radius: int = 14, x: int = 80, y: int = 60) -> Mask:
    drawn = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (x, y), radius, 1, -1)
    return np.asarray(drawn).view(np.bool_)


def picture_of(thing: Mask, *, contrast: int = 90) -> Frame:
    """Return a grey picture with noise, in which a thing is brighter."""
    noise = np.random.default_rng(3).normal(0, 3, (HEIGHT, WIDTH))
    return frame_of(np.clip(90 + contrast * thing + noise, 0, 255).astype(np.uint8), 0)


def of_ten_bits(frame: Frame) -> Frame:
    luma, blue, red = (plane.to(torch.int16) << 2 for plane in frame.planes)
    pixel_format = replace(frame.pixel_format, bits=10)
    return replace(frame, planes=(luma, blue, red), pixel_format=pixel_format)


def coarse(thing: Mask) -> Place:
    """Return the cells of a map of which a third or more shows a thing, as a mask."""
    size = int(WIDTH / CELL), int(HEIGHT / CELL)
    shares = cv2.resize(thing.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(shares, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST) > 0.3
    tight = Place(np.asarray(mask), 0, 0).tight()
    assert tight is not None
    return tight


def whole(place: Place) -> Mask:
    return place.within(Place(np.zeros((HEIGHT, WIDTH), np.bool_), 0, 0))


def test_a_coarse_mask_is_brought_to_the_edges_whatever_the_bits() -> None:
    thing = disc()
    before = coarse(thing)
    frame = picture_of(thing, contrast=64)  # of 10 bits, the lower 8 are alike everywhere
    assert agreement(whole(before), thing) < 0.9
    for picture in (frame, of_ten_bits(frame)):
        after = outlined(before, picture, cell=CELL)
        assert agreement(whole(after), thing) > 0.97


def test_a_picture_of_odd_sides_is_outlined_down_to_its_last_row() -> None:
    thing = disc(14, 145, 105)
    frame = picture_of(thing)
    luma, blue, red = frame.planes
    odd = replace(frame, planes=(luma[:-1, :-1], blue, red))
    before = coarse(thing & (np.arange(HEIGHT) < HEIGHT - 1)[:, None])
    after = outlined(before, odd, cell=CELL)
    assert agreement(whole(after), thing) > 0.95


def test_what_was_cut_off_is_added_and_what_is_beside_taken_away() -> None:
    thing = disc()
    shifted = coarse(np.roll(thing, 3, axis=1))
    after = outlined(shifted, picture_of(thing), cell=CELL)
    assert agreement(whole(after), thing) > agreement(whole(shifted), thing) + 0.1


def test_a_large_thing_is_looked_at_small_and_loses_nothing() -> None:
    thing = disc(50)
    after = outlined(coarse(thing), picture_of(thing), cell=CELL)
    assert agreement(whole(after), thing) > 0.95


@pytest.mark.parametrize(("x", "radius"), [(0, 12), (80, 12), (159, 12), (80, 45)])
def test_an_outline_stays_near_its_mask(x: int, radius: int) -> None:
    """The brightness of the thing goes on beside it, but only so far is it believed."""
    bar: npt.NDArray[np.bool_] = np.zeros((HEIGHT, WIDTH), np.bool_)
    bar[50:70] = True
    before = coarse(disc(radius, x=x))
    reach = int(2 * round(GROWTH * CELL) + 1)
    near = cv2.dilate(whole(before).view(np.uint8), np.ones((reach, reach)))
    after = whole(outlined(before, picture_of(bar), cell=CELL))
    assert after.any()
    assert not (after & (near == 0)).any()


def test_a_thing_that_fills_the_picture_stays_as_it_is() -> None:
    everything = Place(np.ones((HEIGHT, WIDTH), np.bool_), 0, 0)
    assert outlined(everything, picture_of(disc()), cell=CELL) is everything


def test_a_thin_thing_of_which_the_picture_shows_next_to_nothing_stays_as_it_is() -> None:
    before = Place(np.ones((24, 3), np.bool_), 80, 40)
    dot: Mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    dot[50:53, 80:83] = True
    assert outlined(before, picture_of(dot), cell=CELL) is before


@pytest.mark.parametrize("radius", [14, 50])
def test_what_is_well_inside_a_mask_stays(radius: int) -> None:
    """A thing with a window in it, through which the ground is seen."""
    thing = disc(radius)
    after = outlined(coarse(thing), picture_of(thing & ~disc(radius // 2)), cell=CELL)
    assert whole(after)[disc(radius - 7)].all()


def test_the_same_picture_gives_the_same_outline() -> None:
    frame = picture_of(disc(), contrast=0)  # that shows nothing, so that chance decides
    outlines = []
    for seed in range(8):
        cv2.setRNGSeed(seed)  # what else draws from it shall not matter
        outlines.append(whole(outlined(coarse(disc()), frame, cell=CELL)))
    assert all(np.array_equal(outlines[0], other) for other in outlines[1:])

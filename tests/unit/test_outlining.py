"""Masks follow the edges of the picture where it shows any."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from mmras_stream.regions.outlining import LONGEST, REACH, outlined
from mmras_stream.regions.place import Place
from mmras_stream.types import Frame, Mask
from moving_thing import agreement
from shaky_drive import frame_of

HEIGHT, WIDTH, CELL = 200, 280, 4.0


def disc(radius: int = 14, x: int = 140, y: int = 100) -> Mask:
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
    after = whole(outlined(before, frame, cell=CELL))
    assert agreement(after, thing) > 0.94
    assert (whole(outlined(before, of_ten_bits(frame), cell=CELL)) == after).all()
    faint = picture_of(thing, contrast=10)
    eight, ten = (outlined(before, f, cell=CELL) for f in (faint, of_ten_bits(faint)))
    assert (whole(eight) == whole(ten)).all()


def test_a_thing_that_is_no_brighter_is_outlined_by_its_colour() -> None:
    thing = disc()
    luma, blue, red = picture_of(thing, contrast=0).planes
    halved = torch.from_numpy(90 * thing[::2, ::2].astype(np.uint8))
    frame = replace(picture_of(thing), planes=(luma, blue, red + halved))
    after = outlined(coarse(thing), frame, cell=CELL)
    assert agreement(whole(after), thing) > 0.9


def test_a_picture_of_odd_sides_is_outlined_down_to_its_last_row() -> None:
    thing = disc(14, 265, 185)
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
    thing = disc(90)
    before = coarse(thing)
    assert max(before.mask.shape) > LONGEST
    after = outlined(before, picture_of(thing), cell=CELL)
    assert agreement(whole(after), thing) > 0.98


@pytest.mark.parametrize(("x", "radius"), [(0, 12), (140, 12), (279, 12), (140, 90)])
def test_an_outline_stays_near_its_mask(x: int, radius: int) -> None:
    """The brightness of the thing goes on beside it, but only so far is it believed."""
    bar: npt.NDArray[np.bool_] = np.zeros((HEIGHT, WIDTH), np.bool_)
    bar[90:110] = True
    before = coarse(disc(radius, x=x))
    reach = int(2 * round(REACH * CELL) + 1)
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


def test_where_the_picture_shows_nothing_a_mask_stays_about_as_it_is() -> None:
    before = coarse(disc())
    after = outlined(before, picture_of(disc(), contrast=0), cell=CELL)
    assert agreement(whole(after), whole(before)) > 0.9


def test_an_outline_has_no_specks() -> None:
    thing = disc()
    speck: Mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    speck[99:102, 157:160] = True
    picture = picture_of(thing | speck)
    after = whole(outlined(coarse(thing), picture, cell=CELL))
    assert not after[speck].any()
    assert agreement(after, thing) > 0.94
    larger = cv2.dilate(speck.view(np.uint8), np.ones((5, 5))).view(np.bool_)
    assert whole(outlined(coarse(thing), picture_of(thing | larger), cell=CELL))[larger].any()

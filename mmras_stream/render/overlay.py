"""Draw what was found over the picture it was found in."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np

from mmras_stream.regions.rle import decode
from mmras_stream.render.canvas import Box, Canvas, Outline, text_size
from mmras_stream.render.colormap import Colour, ScoreScale, heat_paint, track_colour
from mmras_stream.render.timeline_strip import Instant, draw_strip, strip_box
from mmras_stream.types import FrameResult, Proposal
from mmras_stream.video.yuv420 import Planes420

_BLACK_TEXT = 20

_GREY: Colour = (150, 150, 150)


def draw_overlay(
    result: FrameResult, scale: ScoreScale, history: Sequence[Instant] = ()
) -> Planes420:
    """Return new planes, as `yuv420_format` describes them, with all that is known drawn on.

    Warm colours lie where the score comes near the threshold or exceeds it, lines around the
    proposals, a label with number, score and likeliest word at each, and a strip with the scores
    so far below. A proposal that is suppressed has a thin grey line and no label.

    Args:
        result: What to draw; its frame is not changed.
        scale: Scores that the colours stand for.
        history: Instants up to this frame; without any there is no strip.
    """
    canvas = Canvas(result.frame)
    index = scale.index(result.anomaly_map.scores)
    paint = heat_paint(canvas.pixel_format)
    if paint[0, int(index.max())] < 255:
        canvas.blend(index, paint)
    for proposal in result.proposals:
        _draw_outline(canvas, proposal)
    _draw_labels(canvas, result.finds, with_strip=bool(history))
    draw_strip(canvas, history, scale)
    return canvas.planes


def _draw_outline(canvas: Canvas, proposal: Proposal) -> None:
    x, y, width, height = proposal.bbox_xywh
    crop = np.ascontiguousarray(decode(proposal.rle)[y : y + height, x : x + width])
    found, _ = cv2.findContours(
        crop.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(x, y)
    )
    outlines: list[Outline] = [np.asarray(outline, np.int32) for outline in found]
    if proposal.is_suppressed:
        canvas.outline(outlines, _GREY, thickness=1)
        return
    thickness = max(1, round(1.2 * canvas.unit))
    canvas.outline(outlines, track_colour(proposal.track_id), thickness=thickness)


def _draw_labels(canvas: Canvas, proposals: Sequence[Proposal], *, with_strip: bool) -> None:
    """Write a label at each proposal, the strangest first; what finds no room goes without."""
    strip = strip_box(canvas) if with_strip else None
    bottom = canvas.height if strip is None else strip.y
    placed: list[Box] = []
    size, pad = 0.45 * canvas.unit, round(3 * canvas.unit)
    for proposal in sorted(proposals, key=lambda p: -p.score):
        text = _label(proposal)
        width, height = text_size(text, size)
        room = (width + 2 * pad, height + 2 * pad)
        box = _place(proposal, room, placed, canvas.width, bottom)
        if box is None:
            continue
        placed.append(box)
        canvas.fill(box, track_colour(proposal.track_id))
        canvas.text(text, box.x + pad, box.y + pad + height, level=_BLACK_TEXT, size=size)


def _label(proposal: Proposal) -> str:
    number = "" if proposal.track_id is None else f"#{proposal.track_id} "
    word = _ascii(proposal.guesses[0].word) if proposal.guesses else ""
    return f"{number}{proposal.score:.2f} {word}".rstrip()


def _ascii(word: str) -> str:
    """Return a word without its accents, or nothing where letters remain that cannot be drawn."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    return plain if plain.isascii() else ""


def _place(
    proposal: Proposal, room: tuple[int, int], placed: Sequence[Box], right: int, bottom: int
) -> Box | None:
    """Return the first free place above, below or inside a proposal that is in the picture."""
    x, y, _, height = proposal.bbox_xywh
    wide, high = room
    if wide > right or high > bottom:
        return None
    left = min(max(0, x), right - wide)
    tops = (y - high - 2, y + height + 2, y, y + height - high)
    clamped = [Box(left, min(max(0, top), bottom - high), wide, high) for top in tops]
    inside = [box for box, top in zip(clamped, tops, strict=True) if box.y == top]
    for box in (*inside, *clamped):
        if not any(box.overlaps(other) for other in placed):
            return box
    return None

"""Draw the course of a drive as SVG; the page that holds it gives the colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from mmras_stream.evaluation.drive_figures import DriveResult
from mmras_stream.evaluation.tracks import Sight, Thing, Track

WIDTH = 1160

_LEFT, _RIGHT, _TOP, _PANEL, _LINE = 118, 16, 14, 190, 34

_POINTS = 700
"""Of a line, at most: more would lie within one pixel."""

MOST_THINGS = 30
"""Rows of one drive, of the things that are visible longest."""


@dataclass(frozen=True, slots=True)
class _Scales:
    """Maps seconds and scores to places."""

    seconds: tuple[float, float]
    scores: tuple[float, float]
    interval: float
    """Seconds that a frame stands for."""

    def across(self, seconds: float) -> float:
        first, last = self.seconds
        share = (seconds - first) / max(last - first, 1e-9)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def up(self, score: float, foot: float, height: float) -> float:
        low, high = self.scores
        return round(foot - height * (score - low) / max(high - low, 1e-9), 1)

    def bar(self, begin: float, end: float, y: float, kind: str, height: float = 6) -> str:
        x, right = self.across(begin), self.across(min(end + self.interval, self.seconds[1]))
        size = f'width="{max(right - x, 1.5):.1f}" height="{height:g}"'
        return f'<rect class="{kind}" x="{x}" y="{y:g}" {size} rx="2"/>'

    def line(
        self, points: Iterable[tuple[float, float]], foot: float, height: float, kind: str
    ) -> str:
        path = " ".join(f"{self.across(s)},{self.up(v, foot, height)}" for s, v in points)
        return f'<polyline class="{kind}" points="{path}"/>'


def course_chart(drive: DriveResult, threshold: float) -> str:
    """Draw the highest score of each frame over time, and a row for each thing below.

    Above, the spans in which something is there are shaded. A row has the score on the thing, a
    pale bar where it is visible and a bar for each smoother where it is found; the last row shows
    false tracks.
    """
    courses = list(drive.courses.values())
    things = sorted(courses[0].tracks.things, key=lambda thing: -len(thing.sights))[:MOST_THINGS]
    things.sort(key=lambda thing: thing.sights[0].moment.index)
    scales = _scales(drive, threshold)
    foot = _TOP + _PANEL
    parts = [*_frame(scales, threshold)]
    for thing in things:
        for begin, end in _spans(thing.sights, scales):
            parts.append(scales.bar(begin, end, _TOP, "span", _PANEL))
    for place, course in enumerate(courses):
        points = list(_thinned(course.timeline))
        parts.append(scales.line(points, foot, _PANEL, f"score s{place % 4}"))
    y = foot + 30.0
    deep = _LINE + 6 + 8 * len(courses)
    for thing in things:
        others = [_same(course.tracks.things, thing) for course in courses]
        parts += _thing_row(others, y, scales, threshold)
        y += deep + 10
    parts += _false_row([course.tracks.false_tracks for course in courses], y, scales)
    height = y + 8 * len(courses) + 14
    head = f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="Scores over time">'
    return f"{head}{''.join(parts)}</svg>"


def _scales(drive: DriveResult, threshold: float) -> _Scales:
    timelines = [course.timeline for course in drive.courses.values()]
    values = [value for line in timelines for _, value in line]
    low, high = min(*values, threshold), max(*values, threshold)
    margin = max(0.04 * (high - low), 1e-6)
    first, last = timelines[0][0][0], timelines[0][-1][0]
    interval = (last - first) / max(1, len(timelines[0]) - 1)
    return _Scales((first, last + interval), (low - margin, high + margin), interval)


def _frame(scales: _Scales, threshold: float) -> Iterator[str]:
    foot = _TOP + _PANEL
    first, last = scales.seconds
    step = next(s for s in _STEPS if (last - first) / s <= 14 or s == _STEPS[-1])
    tick = -(-first // step) * step
    while tick <= last:
        x = scales.across(tick)
        yield f'<line class="grid" x1="{x}" y1="{_TOP}" x2="{x}" y2="{foot}"/>'
        yield _text(x, foot + 17, f"{tick:g} s", "tick middle")
        tick += step
    low, high = scales.scores
    for k in range(5):
        score = low + (high - low) * k / 4
        yield _text(_LEFT - 8, scales.up(score, foot, _PANEL) + 4, f"{score:.2f}", "tick end")
    yield scales.line([(first, threshold), (last, threshold)], foot, _PANEL, "rule calibrated")
    y = scales.up(threshold, foot, _PANEL)
    yield _text(_LEFT + 6, y - 5, "threshold", "label calibrated")


_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)
"""Seconds between ticks."""


def _thing_row(seen: Sequence[Thing], y: float, scales: _Scales, threshold: float) -> Iterator[str]:
    first = seen[0]
    foot = y + _LINE
    yield _text(_LEFT - 8, y + 20, f"thing {first.thing_id}", "name end")
    delay = "missed" if first.delay_seconds is None else f"found after {first.delay_seconds:.2f} s"
    yield _text(_LEFT - 8, y + 35, delay, "hint end")
    for begin, end in _spans(first.sights, scales):
        yield scales.bar(begin, end, foot + 4, "visible", 8.0 * len(seen) - 2)
        yield scales.line([(begin, threshold), (end, threshold)], foot, _LINE, "faint")
    for place, thing in enumerate(seen):
        for run in _runs(thing.sights, scales):
            points = [(s.moment.seconds, s.score) for s in run]
            yield scales.line(_thinned(points), foot, _LINE, f"thin s{place % 4}")
        for begin, end in _spans([s for s in thing.sights if s.track_id is not None], scales):
            yield scales.bar(begin, end, foot + 4 + 8 * place, f"found s{place % 4}")


def _false_row(tracks: Sequence[Sequence[Track]], y: float, scales: _Scales) -> Iterator[str]:
    yield _text(_LEFT - 8, y + 6, "false tracks", "name end")
    for place, false in enumerate(tracks):
        for track in false:
            begin, end = track.first.seconds, track.last.seconds
            yield scales.bar(begin, end, y + 8 * place, f"wrong s{place % 4}")


def _runs(sights: Sequence[Sight], scales: _Scales) -> Iterator[list[Sight]]:
    """Yield sights without a gap between them."""
    run: list[Sight] = []
    for sight in sights:
        if run and sight.moment.seconds - run[-1].moment.seconds > 1.5 * scales.interval:
            yield run
            run = []
        run.append(sight)
    if run:
        yield run


def _spans(sights: Sequence[Sight], scales: _Scales) -> Iterator[tuple[float, float]]:
    for run in _runs(sights, scales):
        yield run[0].moment.seconds, run[-1].moment.seconds


def _thinned(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield the highest of each few neighbours, so that no peak is lost."""
    few = -(-len(points) // _POINTS)
    for _, group in groupby(enumerate(points), lambda pair: pair[0] // max(1, few)):
        yield max((point for _, point in group), key=lambda point: point[1])


def _same(things: Sequence[Thing], wanted: Thing) -> Thing:
    return next(thing for thing in things if thing.thing_id == wanted.thing_id)


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>'

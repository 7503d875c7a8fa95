"""The metrics of tracking as their definitions read: sets of pixels, all pairings tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

Pixels = frozenset[tuple[int, int]]


@dataclass(frozen=True)
class SlowFrame:
    index: int
    seconds: float
    things: dict[int, Pixels]
    tracks: dict[int, Pixels]
    ignored: Pixels


Overlap = dict[tuple[int, int], float]


def all_pairings(things: list[int], tracks: list[int]) -> Iterator[dict[int, int]]:
    """Yield every way to pair some things with some tracks."""
    if not things:
        yield {}
        return
    first, *rest = things
    yield from all_pairings(rest, tracks)
    for track in tracks:
        others = [other for other in tracks if other != track]
        for pairing in all_pairings(rest, others):
            yield {first: track, **pairing}


def seen_frame(frame: SlowFrame, least: int) -> tuple[dict[int, Pixels], dict[int, Pixels]]:
    """Return the visible things and what is left of the tracks."""
    visible = {k: p for k, p in frame.things.items() if len(p) >= least}
    strange: Pixels = frozenset().union(*visible.values())
    small: Pixels = frozenset().union(*frame.things.values())
    neither = (frame.ignored | small) - strange
    left = {k: p - neither for k, p in frame.tracks.items()}
    return visible, {
        k: p for k, p in left.items() if p and 2 * len(frame.tracks[k] - p) <= len(frame.tracks[k])
    }


def slow_tracking(frames: list[SlowFrame], overlap: float, least: int) -> dict[str, Any]:
    """Return the fields of `TrackingMetrics` of one drive."""
    history: dict[int, list[tuple[int, float, int | None]]] = {}
    best_share: dict[int, float] = {}
    together: dict[tuple[int, int], int] = {}
    last_of_thing: dict[int, int] = {}
    last_of_track: dict[int, int] = {}
    regions = switches = 0
    for frame in frames:
        things, tracks = seen_frame(frame, least)
        iou = {
            (a, b): len(p & q) / len(p | q) for a, p in things.items() for b, q in tracks.items()
        }
        enough = {pair: value for pair, value in iou.items() if value >= overlap}
        kept = {a: b for a, b in enough if last_of_thing.get(a) == b and last_of_track.get(b) == a}
        rest = [a for a in things if a not in kept]
        free = [b for b in tracks if b not in kept.values()]
        pairing = max(
            (p for p in all_pairings(rest, free) if all(pair in enough for pair in p.items())),
            key=lambda p: sum(enough[pair] for pair in p.items()),
        )
        pairs = kept | pairing
        for a, b in pairs.items():
            switches += a in last_of_thing and last_of_thing[a] != b
            last_of_thing[a], last_of_track[b] = b, a
        for a in things:
            history.setdefault(a, []).append((frame.index, frame.seconds, pairs.get(a)))
        strange: Pixels = frozenset().union(*things.values())
        for b, pixels in tracks.items():
            regions += 1
            share = len(pixels & strange) / len(pixels)
            best_share[b] = max(share, best_share.get(b, 0))
        for pair in enough:
            together[pair] = together.get(pair, 0) + 1
    delays, late, flips, fragments, shares = [], [], 0, 0, []
    for sights in history.values():
        states = "".join("01"[track is not None] for _, _, track in sights)
        shares.append(states.count("1") / len(states))
        flips += states.count("01") + states.count("10")
        fragments += max(0, len([run for run in states.split("0") if run]) - 1)
        if "1" in states:
            first = states.index("1")
            delays.append(sights[first][0] - sights[0][0])
            late.append(1000 * (sights[first][1] - sights[0][1]))
    visible = sum(len(sights) for sights in history.values())
    hits = sum(track is not None for sights in history.values() for _, _, track in sights)
    same = max(
        sum(together.get(pair, 0) for pair in p.items())
        for p in all_pairings(list(history), list(best_share))
    )
    span = frames[-1].seconds - frames[0].seconds
    minutes = span / (len(frames) - 1) * len(frames) / 60
    false = sum(share < overlap for share in best_share.values())
    return {
        "things": len(history),
        "found_things": len(delays),
        "recall": len(delays) / len(history) if history else None,
        "delays_frames": sorted(delays),
        "delays_ms": sorted(late),
        "median_delay_frames": median(delays) if delays else None,
        "median_delay_ms": median(late) if late else None,
        "tracks": len(best_share),
        "false_tracks": false,
        "minutes": minutes,
        "false_tracks_per_minute": false / minutes,
        "switches": switches,
        "fragments": fragments,
        "flips": flips,
        "mostly_tracked": sum(share >= 0.8 for share in shares),
        "mostly_lost": sum(share <= 0.2 for share in shares),
        "mota": 1 - (visible + regions - 2 * hits + switches) / visible if visible else None,
        "idf1": 2 * same / (visible + regions) if visible + regions else None,
        "visible": visible,
        "misses": visible - hits,
        "false_regions": regions - hits,
    }

"""Ratios of cost, measured in one run; `make bench` prints them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.footage, pytest.mark.timeout(1800)]

CLIP = "tmo_seattlestreet2.mp4"
PEAK = (
    "import resource, sys; from mmras_cli.main import app; "
    "app(sys.argv[1:], standalone_mode=False); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def test_a_whole_run_costs_little_more_than_its_parts(footage: Path) -> None:
    command = [sys.executable, "-c", "from mmras_cli.main import run; run()", "bench"]
    done = subprocess.run(
        [*command, str(footage / CLIP), "--seconds", "15", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    costs = json.loads(done.stdout)
    print(json.dumps(costs, indent=2))
    assert costs["overhead"] <= 1.35
    assert costs["following"] <= 0.15
    assert costs["frames"] / costs["parts"]["network"]["wall_seconds"] >= 12


def test_memory_does_not_grow_with_the_length_of_the_drive(footage: Path, tmp_path: Path) -> None:
    drive = looped(footage / CLIP, tmp_path / "long.mp4", minutes=10)
    peaks = {
        seconds: peak_kib(drive, tmp_path / f"{seconds}", "--end", str(seconds))
        for seconds in (30, 600)
    }
    print({f"{seconds} s": f"{peak / 1024:.0f} MiB" for seconds, peak in peaks.items()})
    assert peaks[600] <= 1.05 * peaks[30]


def peak_kib(drive: Path, out: Path, *options: str) -> int:
    """Annotate in a process of its own; many proposals, a small network input to save time."""
    arguments = ["annotate", str(drive), "--out", str(out), "--quiet", "--threshold", "0.1"]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *arguments, "--input-width", "128", *options],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1])


def looped(clip: Path, path: Path, *, minutes: float) -> Path:
    """Repeat a clip without encoding it again."""
    with av.open(str(clip)) as source:
        stream = source.streams.video[0]
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        times = [(packet.pts or 0, packet.dts or 0) for packet in packets]
        step = times[1][1] - times[0][1]
        span = times[-1][1] - times[0][1] + step
        assert stream.time_base is not None
        repeats = 1 + int(60 * minutes / float(span * stream.time_base))
        with av.open(str(path), "w") as out:
            target = out.add_stream_from_template(stream)
            for repeat in range(repeats):
                for packet, (pts, dts) in zip(packets, times, strict=True):
                    packet.pts, packet.dts = pts + repeat * span, dts + repeat * span
                    packet.time_base = stream.time_base
                    packet.stream = target
                    out.mux(packet)
    return path

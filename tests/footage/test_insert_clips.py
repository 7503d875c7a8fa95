"""Things put into real drives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commands import shown_at
from drives import loaded_coco
from mmras_stream.inserting.insert import insert
from mmras_stream.inserting.settings import InsertSettings

pytestmark = pytest.mark.footage

CLIPS = {
    # km/h as a camera 1.3 m above the road would see it, and the row of the horizon
    "carnd_vehicle_test_video": ((80, 130), (0.54, 0.63)),
    "carnd_solidWhiteRight": ((70, 110), (0.53, 0.61)),
}


@pytest.mark.parametrize("name", CLIPS)
def test_things_come_nearer_as_a_real_car_drives_on(
    name: str, footage: Path, tmp_path: Path
) -> None:
    clip = footage / f"{name}.mp4"
    report = insert(clip, tmp_path, InsertSettings(objects=3, moving_share=0.0))
    (slowest, fastest), (highest, lowest) = CLIPS[name]
    assert slowest < report.kilometres_per_hour < fastest
    assert highest < report.horizon < lowest
    assert report.objects >= 2
    assert report.warnings == ()
    assert shown_at(Path(report.video)) == shown_at(clip)
    coco = loaded_coco(Path(report.truth))
    for track in coco.dataset["tracks"]:
        own = [a for a in coco.dataset["annotations"] if a["track_id"] == track["id"]]
        whole = [a["area"] for a in own if not a["attributes"]["truncated"]]
        if len(whole) > 12:
            assert np.median(whole[-4:]) > np.median(whole[:4])

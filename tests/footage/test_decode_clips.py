from __future__ import annotations

from pathlib import Path

import av
import pytest

from mmras_stream.settings import VideoSettings
from mmras_stream.video.probe import probe
from mmras_stream.video.pyav import PyAVDecoder

pytestmark = pytest.mark.footage


def test_every_drive_is_decoded_frame_for_frame(footage: Path) -> None:
    clips = sorted(footage.glob("*.mp4"))
    assert clips, f"no clips in {footage}"
    for clip in clips:
        with av.open(str(clip)) as container:
            expected = [frame.pts for frame in container.decode(video=0)]
        decoder = PyAVDecoder(clip, VideoSettings())
        index: list[int] = []
        pts: list[int] = []
        for batch in decoder:
            index += batch.index
            pts += batch.pts
        assert pts == expected, clip.name
        assert index == list(range(len(expected))), clip.name
        assert decoder.warnings == (), clip.name
        assert decoder.info.frame_count == len(expected), clip.name
        decoder.close()
        found = probe(clip)
        assert found.decodes, clip.name
        assert (found.height, found.width) == (decoder.info.height, decoder.info.width)

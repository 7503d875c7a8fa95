"""Write the anomaly map of one photograph as a grey picture.

Run: python samples/score_a_picture.py street.jpg map.png
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

from mmras_stream import Settings, load_model
from mmras_stream.evaluation.scores import score_picture


def main(path: str, out: str) -> None:
    """Black is ordinary, white is strange."""
    picture = cv2.imread(path)
    if picture is None:
        sys.exit(f"cannot read {path}")
    model = load_model(Settings())
    image = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)
    scores = score_picture(image, model)
    cv2.imwrite(out, np.clip(255 * scores, 0, 255).astype(np.uint8))
    print(f"highest score {scores.max():.2f}, threshold {model.threshold:.2f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

"""One row per frame: when it was shown, how strange it looked, what was proposed."""

from __future__ import annotations

import csv
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.settings import RunContext
from mmras_stream.types import FrameResult

COLUMNS: dict[str, pa.DataType] = {
    "frame_index": pa.int64(),
    "pts": pa.int64(),
    "seconds": pa.float64(),
    "max_score": pa.float32(),
    "mean_score": pa.float32(),
    "area": pa.int64(),
    "proposals": pa.int32(),
    "track_ids": pa.string(),
}
"""Of proposals that are not suppressed: `area` is in pixels of the frame, `track_ids` are separated
by blanks."""

SCHEMA = pa.schema(COLUMNS)

ROWS_PER_GROUP = 2000

Row = tuple[int, int, float, float, float, int, int, str]


class _Table(Protocol):
    def write(self, rows: list[Row]) -> None: ...
    def close(self) -> None: ...


class TimelineExporter:
    """Writes `timeline.parquet`, or `timeline.csv` where the settings say so."""

    warnings: tuple[str, ...] = ()

    def __init__(self, context: RunContext) -> None:
        kind = context.settings.output.timeline
        self._path = context.folder / f"timeline.{kind}"
        self._rows: list[Row] = []
        self._closed = False
        with reported(self._path):
            where = str(partial_path(self._path))
            self._table: _Table = _Csv(where) if kind == "csv" else _Parquet(where)

    def write(self, result: FrameResult) -> None:
        """Add the row of one frame."""
        scores, finds = result.anomaly_map.scores, result.finds
        self._rows.append(
            (
                result.frame.index,
                result.frame.pts,
                result.frame.seconds,
                float(scores.max()),
                float(scores.mean()),
                sum(proposal.area for proposal in finds),
                len(finds),
                " ".join(str(proposal.track_id) for proposal in finds),
            )
        )
        if len(self._rows) >= ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left and give the file its name."""
        if self._closed:
            return
        self._closed = True
        self._flush()
        with reported(self._path):
            self._table.close()
        publish(self._path)

    def _flush(self) -> None:
        with reported(self._path):
            self._table.write(self._rows)
        self._rows = []


class _Parquet:
    def __init__(self, where: str) -> None:
        self._writer = pq.ParquetWriter(where, SCHEMA)

    def write(self, rows: list[Row]) -> None:
        columns: list[list[Any]] = [list(c) for c in zip(*rows, strict=True)]  # Any: cell values
        if rows:
            self._writer.write_table(pa.table(columns, schema=SCHEMA))

    def close(self) -> None:
        self._writer.close()


class _Csv:
    def __init__(self, where: str) -> None:
        self._file = open(where, "w", newline="", encoding="utf-8")  # noqa: PTH123, SIM115 - closed in close
        self._writer = csv.writer(self._file)
        self._writer.writerow(SCHEMA.names)

    def write(self, rows: list[Row]) -> None:
        self._writer.writerows(rows)

    def close(self) -> None:
        self._file.close()

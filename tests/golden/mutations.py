"""Make one mistake at a time and see which golden notices.

From the folder `tests`: python -m golden.mutations
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from golden.comparison import Finding, intermediates, intermediates_in_float64
from golden.data import meta
from golden.mutants import MUTANTS, Mutant
from golden.parts import parts
from golden.runs import loaded, through
from golden.scores import PLAIN, of_picture, synthetic_scores
from mmras_stream.inference.published import geometry
from mmras_stream.models.mmras import MmrasNetwork


def caught(mutant: Mutant) -> Finding | None:
    """Return the first golden that a change contradicts, the cheap ones first."""
    with mutant.patch():
        return next((finding for finding in _findings(mutant) if finding.wrong), None)


def _findings(mutant: Mutant) -> Iterator[Finding]:
    yield from _sizes()
    yield from parts()
    yield from synthetic_scores()
    network = _changed(mutant, torch.float32)
    for run in ("a256", "c250", "c400"):
        plain = through(network, run, torch.float32, mirrored=False)
        yield from intermediates(plain, run, mirrored=False)
    mirrored = through(network, run, torch.float32, mirrored=True)
    for name in (*PLAIN, "mmras_rand"):
        yield of_picture(name, run, plain, mirrored)
    network = _changed(mutant, torch.float64)
    for run in ("a256", "c400"):
        plain = through(network, run, torch.float64, mirrored=False)
        yield from intermediates_in_float64(plain, run, mirrored=False)


def _sizes() -> Iterator[Finding]:
    for run, facts in meta()["runs"].items():
        sizes = geometry(facts["h"], facts["w"], short_edge=facts["min_size_test"])
        for name, size in (("resized_hw", sizes.resized), ("padded_hw", sizes.padded)):
            off = max(abs(a - b) for a, b in zip(size, facts[name], strict=True))
            yield Finding(f"{run}/{name}", off / 0.5)


def _changed(mutant: Mutant, dtype: torch.dtype) -> MmrasNetwork:
    network = loaded()
    mutant.change(network)
    return network.to(dtype).eval()


def main() -> int:
    """Print what caught each mutant; return 1 if one got away."""
    torch.set_num_threads(1)
    table = Table("change", "caught by", "times the tolerance")
    survivors = 0
    for mutant in track(MUTANTS, "mutants", transient=True):
        finding = caught(mutant)
        if finding is None:
            survivors += 1
            table.add_row(mutant.name, "nothing", "", style="red")
        else:
            how_far = f"{finding.excess:.3g}" if finding.excess < math.inf else "another shape"
            table.add_row(mutant.name, finding.golden, how_far)
    Console().print(table)
    Console().print(f"{len(MUTANTS) - survivors} of {len(MUTANTS)} caught")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())

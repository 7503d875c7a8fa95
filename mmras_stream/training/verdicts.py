"""What a person made of a proposal: accepted, rejected or left open."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from mmras_stream.errors import DataError


class Verdict(StrEnum):
    """The values of the attribute `review`, and names of categories that say the same."""

    ACCEPTED = "accepted"
    """Strange indeed."""
    REJECTED = "rejected"
    """Ordinary, and wrongly proposed."""
    UNSURE = "unsure"
    """Teaches nothing."""


OTHER_NAMES = {
    "false": Verdict.REJECTED,
    "false positive": Verdict.REJECTED,
    "normal": Verdict.REJECTED,
    "ordinary": Verdict.REJECTED,
}
"""Of categories, taken for verdicts too."""

ANSWERS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def verdict_of(annotation: Mapping[str, object], category: str, *, of: str) -> Verdict:
    """Read the verdict of an annotation: by attribute, else by category, else it is accepted.

    Attributes stand in `attributes`, as CVAT writes them, or beside the rest, as FiftyOne does:
    `review`, which names a `Verdict`, or one of `accepted` and `rejected`, true or false.

    >>> str(verdict_of({"attributes": {"accepted": False}}, "anomaly", of="annotation 1"))
    'rejected'
    >>> str(verdict_of({}, "False_Positive", of="annotation 2"))
    'rejected'

    Args:
        annotation: As it stands in a COCO file.
        category: Name of its category.
        of: Whose verdict it is, for messages.

    Raises:
        DataError: an attribute has another value.
    """
    attributes = _attributes(annotation)
    if attributes.get("review") not in (None, ""):
        return _named(attributes["review"], of)
    for name, when_true, when_false in (
        ("accepted", Verdict.ACCEPTED, Verdict.REJECTED),
        ("rejected", Verdict.REJECTED, Verdict.ACCEPTED),
    ):
        if attributes.get(name) not in (None, ""):
            return when_true if _answer(attributes[name], name, of) else when_false
    plain = category.lower().replace("_", " ").replace("-", " ").strip()
    return OTHER_NAMES.get(plain) or (Verdict(plain) if plain in set(Verdict) else Verdict.ACCEPTED)


def is_retraced(annotation: Mapping[str, object], *, of: str) -> bool:
    """Tell whether an annotation is of a thing that was only followed to its frame.

    Args:
        annotation: As for `verdict_of`, like `of`.
        of: Whose attribute it is.

    Raises:
        DataError: the attribute `retraced` is neither true nor false.
    """
    value = _attributes(annotation).get("retraced")
    return value not in (None, "") and _answer(value, "retraced", of)


def _attributes(annotation: Mapping[str, object]) -> dict[str, object]:
    inner = annotation.get("attributes")
    return {**annotation, **(inner if isinstance(inner, Mapping) else {})}


def _named(value: object, of: str) -> Verdict:
    text = str(value).lower().strip()
    if text not in set(Verdict):
        raise DataError(f"{of} has the review {value!r}; it must be one of {', '.join(Verdict)}")
    return Verdict(text)


def _answer(value: object, name: str, of: str) -> bool:
    text = str(value).lower().strip()
    if text not in ANSWERS:
        raise DataError(f"{of} has {value!r} for {name}; it must be true or false")
    return ANSWERS[text]

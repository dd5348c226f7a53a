"""What a rule speaks of; segments may speak of each other, but never in a ring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from hashlib import blake2b

from crm_mailer.model.segment import AllOf, AnyOf, Compare, InSegment, Not, Rule, Segment
from crm_mailer.model.segment_blocks import Passage


class Ring(ValueError):
    """Segments that speak of each other; `path` begins and ends with the same id."""

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(path))
        self.path = path


def mentioned(rule: Rule) -> Iterator[str]:
    """The ids of the segments that `rule` asks to be in, as often as it does."""
    match rule:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from mentioned(part)
        case Not(part):
            yield from mentioned(part)
        case InSegment(segment):
            yield segment
        case Compare():
            return


def spoken_of(rule: Rule) -> Iterator[str]:
    """The segments on which it depends whether `rule` holds: by being in them, or having been."""
    match rule:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from spoken_of(part)
        case Not(part):
            yield from spoken_of(part)
        case InSegment(segment) | Compare(value=Passage(segment=segment)):
            yield segment
        case Compare():
            return


def parts_first(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """The segments so that each comes after those it speaks of; else in the order given.

    Segments that are spoken of but not given are passed over.

    Raises:
        Ring: segments speak of each other.
    """
    by_id = {segment.id: segment for segment in segments}
    sorter = TopologicalSorter(_graph(by_id))
    try:
        return tuple(by_id[id_] for id_ in sorter.static_order())
    except CycleError as error:
        raise Ring(tuple(reversed(error.args[1]))) from error


def digests(segments: Iterable[Segment]) -> dict[str, str]:
    """Id -> what tells a segment's rule from another, with the rules of those it speaks of.

    Raises:
        Ring: segments speak of each other.
    """
    found: dict[str, str] = {}
    for one in parts_first(segments):
        parts = sorted({found.get(other, other) for other in spoken_of(one.rule)})
        text = repr((one.rule, parts)).encode("utf-8", "surrogatepass")
        found[one.id] = blake2b(text, digest_size=10).hexdigest()
    return found


def _graph(by_id: Mapping[str, Segment]) -> dict[str, set[str]]:
    return {
        id_: {other for other in spoken_of(segment.rule) if other in by_id}
        for id_, segment in by_id.items()
    }

"""Splitting recorded time: a holdout that a search never sees, and walk-forward folds before it.

Times are nanoseconds, spans are half open: [start, end). Parameters are chosen on a fold's `train` span and judged
on its `test` span, which always lies after it. `embargo_ns` is left out between the two, so that positions opened in
the one do not reach into the other (M. López de Prado, Advances in Financial Machine Learning, 2018, chapter 7).
"""

from __future__ import annotations

from dataclasses import dataclass

PPM = 1_000_000


class FoldError(ValueError):
    """A span that cannot be split as asked."""


@dataclass(frozen=True, slots=True)
class Span:
    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class Fold:
    train: Span
    test: Span


def holdout_split(span: Span, *, share_ppm: int) -> tuple[Span, Span]:
    """Return (searched, held out): the last `share_ppm` millionths of the time are held out."""
    if not 0 < share_ppm < PPM:
        raise FoldError("the holdout's share must be between 0 and 1")
    cut = span.end_ns - span.length_ns * share_ppm // PPM
    if not span.start_ns < cut < span.end_ns:
        raise FoldError("the recording is too short to hold anything out")
    return Span(span.start_ns, cut), Span(cut, span.end_ns)


def walk_forward(
    span: Span, *, folds: int, train_share_ppm: int = 700_000, anchored: bool = False, embargo_ns: int = 0
) -> tuple[Fold, ...]:
    """Return `folds` folds whose tests follow each other without a break and end with the span.

    Rolling (the default): every train span is equally long, `train_share_ppm` of train and test together.
    Anchored: every train span begins with the recording and grows.
    """
    if folds < 1 or not 0 < train_share_ppm < PPM or embargo_ns < 0:
        raise FoldError("at least one fold, a train share between 0 and 1 and no negative embargo are needed")
    # train + folds * test = span, and train : test as asked.
    test = span.length_ns * (PPM - train_share_ppm) // (train_share_ppm + folds * (PPM - train_share_ppm))
    first = span.end_ns - folds * test
    if test <= 0 or first - span.start_ns <= embargo_ns:
        raise FoldError("the recording is too short for so many folds")
    out: list[Fold] = []
    for number in range(folds):
        begin = first + number * test
        train_start = span.start_ns if anchored else span.start_ns + number * test
        out.append(Fold(train=Span(train_start, begin - embargo_ns), test=Span(begin, begin + test)))
    return tuple(out)

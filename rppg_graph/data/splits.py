"""Which subjects train and which test: by subject, never by clip, written out as files that name the subjects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from rppg_graph.data.recordings.folders import natural_order
from rppg_graph.errors import InputError
from rppg_graph.files import read_yaml, write_text
from rppg_graph.registry import choose

# Recordings that STGNet's authors left out of training and testing, by layout. Off unless asked for, so that nobody's
# results are better than the data; named whenever they are used.
REMOVED_BY_STGNET: dict[str, tuple[str, ...]] = {
    "ubfc-rppg": ("subject11", "subject18", "subject20", "subject24"),
    "pure": ("07-02",),
}
PARTS = 5
TRAIN_SHARE = 0.8
SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """One way to divide subjects: each is on one side only.

    Args:
        name: says which fold it is, e.g. "modulo5-2".
        train, validation, test: subjects.

    Raises:
        InputError: a subject on two sides, or no subject to train or to test.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    validation: tuple[str, ...] = ()

    def __post_init__(self):
        everybody = [subject for side in SIDES for subject in getattr(self, side)]
        twice = sorted({subject for subject in everybody if everybody.count(subject) > 1})
        if twice:
            raise InputError(f"split {self.name}: subject {twice[0]!r} is named twice; every subject has one side.")
        if not self.train or not self.test:
            raise InputError(f"split {self.name}: no subject to {'train' if not self.train else 'test'}; add some.")

    def side(self, subject: str) -> str | None:
        """ "train", "validation" or "test"; None for a subject that the split leaves out."""
        return next((side for side in SIDES if subject in getattr(self, side)), None)


def modulo5(subjects: Iterable[str]) -> list[Split]:
    """Five folds: fold i tests the subjects whose number modulo 5 is i, and trains on the others (STGNet).

    Folds without a subject are left out.

    Raises:
        InputError: a subject without a number in its name, or all subjects in one part.
    """
    subjects = _in_order(subjects)
    part = {}
    for subject in subjects:
        digits = re.search(r"[0-9]+", subject)
        if digits is None:
            raise InputError(f"subject {subject!r} has no number, so modulo5 cannot place it; use another split.")
        part[subject] = int(digits.group()) % PARTS
    return [
        _fold(f"modulo5-{i}", subjects, [subject for subject in subjects if part[subject] == i])
        for i in sorted(set(part.values()))
    ]


def sorted_80_20(subjects: Iterable[str]) -> list[Split]:
    """One fold: of the subjects in natural order the first 80 % (rounded down) train, the rest test (rPPG-Toolbox)."""
    subjects = _in_order(subjects)
    return [_fold("sorted-80-20", subjects, subjects[int(TRAIN_SHARE * len(subjects)) :])]


def leave_one_subject_out(subjects: Iterable[str]) -> list[Split]:
    """A fold for each subject, that tests on it and trains on all others."""
    subjects = _in_order(subjects)
    return [_fold(f"leave-out-{subject}", subjects, [subject]) for subject in subjects]


def from_file(subjects: Iterable[str], path: Path | str) -> list[Split]:
    """The folds in a file of write_splits' form, which has to name exactly the subjects that there are.

    Subjects that take no part are listed in the file under `left_out`, so that none is lost by an oversight.

    Raises:
        InputError: what read_splits refuses; a subject that the file does not name, or that it names and is not there.
    """
    splits, left_out = read_splits(path)
    there = set(subjects)
    for i, split in enumerate(splits):
        place, named = f"fold {i + 1}", {subject for side in SIDES for subject in getattr(split, side)} | left_out
        if there - named:
            raise InputError(f"{path}: {place} does not name {_listed(there - named)}; add to a side or to 'left_out'.")
        if named - there - left_out:
            raise InputError(f"{path}: {place} names {_listed(named - there)}, not in the data; remove from the file.")
    return splits


def read_splits(path: Path | str) -> tuple[list[Split], set[str]]:
    """The folds in a file of write_splits' form, whoever is there, and the subjects that take no part.

    Raises:
        InputError: not such a file; a subject on two sides.
    """
    path = Path(path)
    content = read_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("folds"), list) or not content["folds"]:
        raise InputError(f"{path}: no list under 'folds'; each fold has lists of subjects under 'train' and 'test'.")
    left_out = set(_subjects(content.get("left_out", []), "left_out", path))
    splits = []
    for i, fold in enumerate(content["folds"]):
        place = f"fold {i + 1}"
        unknown = set(fold) - {"name", *SIDES} if isinstance(fold, dict) else {"no mapping"}
        if unknown:
            raise InputError(f"{path}: {place}: {sorted(map(str, unknown))[0]!r}; a fold has name, {', '.join(SIDES)}.")
        sides = {side: _subjects(fold.get(side, []), f"{place}, {side}", path) for side in SIDES}
        try:
            splits.append(Split(str(fold.get("name", f"{path.stem}-{i}")), **sides))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return splits, left_out


SPLITS: dict[str, Callable[..., list[Split]]] = {
    "modulo5": modulo5,
    "sorted-80-20": sorted_80_20,
    "leave-one-subject-out": leave_one_subject_out,
}


def split_rule(name: str) -> Callable[[Iterable[str]], list[Split]]:
    """What makes folds of subjects: a member of SPLITS, or `from_file` of a YAML file; InputError for neither."""
    if Path(name).suffix in (".yaml", ".yml"):
        return partial(from_file, path=name)
    return choose("data.split (a name, or a YAML file)", SPLITS, name)


def hold_out(split: Split, share: float) -> Split:
    """The split with a ``share`` of its training subjects (one at least) set aside for validation.

    They are taken at even distances, so that subjects numbered group after group are validated on in the share that
    their group has. A split that names its validation subjects stays as it is.

    Raises:
        InputError: fewer than two subjects to train.
    """
    if split.validation:
        return split
    if len(split.train) < 2:
        raise InputError(f"split {split.name}: one subject trains, so none can be set aside for validation; add some.")
    count = len(split.train)
    held = max(1, min(count - 1, round(share * count)))
    chosen = {(2 * i + 1) * count // (2 * held) for i in range(held)}  # the middles of ``held`` equal parts
    train = tuple(subject for place, subject in enumerate(split.train) if place not in chosen)
    return Split(split.name, train, validation=tuple(split.train[place] for place in sorted(chosen)), test=split.test)


def write_splits(path: Path | str, splits: Sequence[Split], left_out: Iterable[str] = ()) -> Path:
    """Write folds as a YAML file that names the subjects of each side; from_file reads it."""
    folds = [
        {"name": split.name, **{side: list(getattr(split, side)) for side in SIDES if getattr(split, side)}}
        for split in splits
    ]
    content = {"folds": folds, "left_out": list(left_out)}
    write_text(Path(path), yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return Path(path)


def _in_order(subjects: Iterable[str]) -> list[str]:
    found = sorted(set(subjects), key=natural_order)
    if len(found) < 2:
        raise InputError(f"{len(found)} subject(s) cannot be split; at least two are needed ({', '.join(found)}).")
    return found


def _fold(name: str, subjects: list[str], test: list[str]) -> Split:
    return Split(name, train=tuple(subject for subject in subjects if subject not in test), test=tuple(test))


def _subjects(names: object, place: str, path: Path) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        odd = next((name for name in names if not isinstance(name, str)), names) if isinstance(names, list) else names
        raise InputError(
            f"{path}: {place}: {odd!r}; subjects are a list of texts, in quotes if they look like numbers."
        )
    return tuple(names)


def _listed(subjects: Iterable[str]) -> str:
    return "subject " + ", ".join(sorted(subjects, key=natural_order)[:5])

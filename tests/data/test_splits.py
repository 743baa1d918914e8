"""Splits: by subject, nobody on two sides, nobody lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rppg_graph.data.splits import (
    REMOVED_BY_STGNET,
    SIDES,
    SPLITS,
    Split,
    from_file,
    hold_out,
    leave_one_subject_out,
    modulo5,
    sorted_80_20,
    write_splits,
)
from rppg_graph.errors import InputError

SUBJECTS = st.sets(st.integers(0, 200).map(str) | st.integers(0, 60).map("s{}".format), min_size=2)


@pytest.mark.parametrize("name", SPLITS)
@given(subjects=SUBJECTS)
def test_no_subject_is_on_two_sides_and_none_is_lost(name, subjects):
    try:
        splits = SPLITS[name](subjects)
    except InputError:
        assert name == "modulo5"
        assert len({int(subject.strip("s")) % 5 for subject in subjects}) == 1
        return
    for split in splits:
        sides = [getattr(split, side) for side in SIDES]
        everybody = [subject for side in sides for subject in side]
        assert len(everybody) == len(set(everybody))
        assert set(everybody) == subjects
        assert split.train
        assert split.test
        assert all(subject in getattr(split, split.side(subject)) for subject in subjects)


@pytest.mark.parametrize("name", ["modulo5", "leave-one-subject-out"])
@given(subjects=SUBJECTS.filter(lambda subjects: len({int(subject.strip("s")) % 5 for subject in subjects}) > 1))
def test_every_subject_is_tested_in_exactly_one_fold(name, subjects):
    tested = [subject for split in SPLITS[name](subjects) for subject in split.test]
    assert sorted(tested) == sorted(subjects)


def test_modulo5_goes_by_the_number():
    folds = {split.name: split.test for split in modulo5(["1", "6", "10", "subject11", "4"])}
    assert folds == {"modulo5-0": ("10",), "modulo5-1": ("1", "6", "subject11"), "modulo5-4": ("4",)}
    with pytest.raises(InputError, match="subject 'anna' has no number, so modulo5 cannot place it"):
        modulo5(["1", "anna"])


@given(count=st.integers(2, 60), share=st.floats(0.01, 0.99))
def test_holding_out_moves_that_share_of_the_training_subjects(count, share):
    subjects = tuple(f"s{number}" for number in range(count))
    split = hold_out(Split("one", train=subjects, test=("t",)), share)
    assert sorted(split.train + split.validation) == sorted(subjects)
    assert split.test == ("t",)
    assert len(split.validation) == min(max(1, round(share * count)), count - 1)


def test_subjects_numbered_group_after_group_are_held_out_by_the_share_of_each():
    groups = {"easy": 60, "office": 60, "dark": 20, "hard": 20}
    subjects = tuple(f"{group}{number}" for group, size in groups.items() for number in range(size))
    held = hold_out(Split("mixed", train=subjects, test=("t",)), 0.1).validation
    found = {group: sum(subject.startswith(group) for subject in held) for group in groups}
    assert found == {"easy": 6, "office": 6, "dark": 2, "hard": 2}


def test_named_validation_subjects_stay():
    split = Split("named", train=("a", "b", "c"), validation=("d",), test=("t",))
    assert hold_out(split, 0.5) is split


def test_sorted_80_20_is_in_natural_order():
    [split] = sorted_80_20(str(i) for i in range(1, 43))
    assert split.train == tuple(str(i) for i in range(1, 34))
    assert split.test == tuple(str(i) for i in range(34, 43))


def test_one_subject_cannot_be_split():
    for name in SPLITS:
        with pytest.raises(InputError, match=r"1 subject\(s\) cannot be split; at least two are needed \(7\)"):
            SPLITS[name](["7", "7"])


@given(subjects=SUBJECTS)
def test_file_gives_back_what_was_written(tmp_path_factory, subjects):
    splits = leave_one_subject_out(subjects)
    path = write_splits(tmp_path_factory.mktemp("splits") / "folds.yaml", splits)
    assert from_file(subjects, path) == splits


def test_file_keeps_the_validation_side_and_those_left_out(tmp_path):
    split = Split("mine", train=("1", "2"), validation=("3",), test=("Jörg",))
    path = write_splits(tmp_path / "mine.yaml", [split], left_out=["11"])
    assert from_file(["1", "2", "3", "Jörg", "11"], path) == [split]
    assert from_file(["1", "2", "3", "Jörg"], path) == [split]
    assert split.side("3") == "validation"
    assert split.side("11") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folds: [{train: ['1'], test: ['1', '2']}]", r"bad.yaml: split bad-0: subject '1' is named twice"),
        ("folds: [{train: ['1', '2'], test: ['1']}]", "subject '1' is named twice"),
        ("folds: [{train: ['1', '2']}]", "no subject to test"),
        ("folds: [{train: ['1'], test: ['3']}]", "fold 1 does not name subject 2"),
        ("folds: [{train: ['1'], test: ['2', '9']}]", "fold 1 names subject 9, not in the data"),
        ("folds: [{train: [1], test: ['2']}]", "fold 1, train: 1; subjects are a list of texts"),
        ("folds: [{train: '1', test: ['2']}]", "fold 1, train: '1'; subjects are a list of texts"),
        ("folds: [{train: ['1'], tset: ['2']}]", "'tset'; a fold has name, train, validation, test"),
        ("folds: [7]", "'no mapping'; a fold has"),
        ("folds: []", "no list under 'folds'"),
        ("folds: [", "not YAML"),
        ("", "no list under 'folds'"),
    ],
)
def test_bad_file_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        from_file(["1", "2"], path)
    assert str(path) in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.yaml: No such file"):
        from_file(["1", "2"], tmp_path / "none.yaml")


def test_removed_recordings_are_those_of_the_recipe():
    assert REMOVED_BY_STGNET == {
        "ubfc-rppg": ("subject11", "subject18", "subject20", "subject24"),
        "pure": ("07-02",),
    }

"""Indices of samples, from users, samplers and batches: which are accepted, and which are refused."""

import itertools

import numpy as np
import pytest

import fastnn
from fastnn.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)

X = np.arange(30.0).reshape(10, 3)
Y = np.arange(10)
WHOLE = TensorDataset(X, Y)


class Own(Dataset):
    """A dataset that knows single samples alone."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        assert type(index) is int
        return X[index], int(Y[index])


# each holds the samples 0 to 9 in this order
WRAPPED = {
    "TensorDataset": WHOLE,
    "Subset": Subset(WHOLE, range(10)),
    "Subset of Subset": Subset(Subset(WHOLE, range(9, -1, -1)), range(9, -1, -1)),
    "Subset of an own kind": Subset(Own(), np.arange(10)),
    "ConcatDataset": ConcatDataset([Subset(WHOLE, range(4)), Subset(WHOLE, range(4, 10))]),
    "sum": Subset(WHOLE, range(7)) + Subset(Own(), [7, 8, 9]),
    "Subset of ConcatDataset": Subset(ConcatDataset([WHOLE, WHOLE]), range(10, 20)),
    "ConcatDataset of an own kind": ConcatDataset([Own()]),
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize(
    "index",
    [[0, 1], [9, 0, 9], [-1, -10], range(3), np.array([2, 5]), np.uint8([200 - 191]), slice(None), slice(1, 8, 3),
     slice(None, None, -1), Y % 2 == 0, (Y > 3).tolist(), fastnn.tensor(np.array([3, 4]))],
    ids=str,
)  # fmt: skip
def test_many_numbers_give_a_batch(name, index):
    x, y = WRAPPED[name][index]
    at = np.asarray(index) if not isinstance(index, slice) else index
    np.testing.assert_array_equal(x, X[at])
    np.testing.assert_array_equal(y, Y[at])


@pytest.mark.parametrize("name", WRAPPED)
def test_one_number_gives_a_sample(name):
    for index in (3, -7, np.int8(3), np.uint64(3), np.array(3), fastnn.tensor(np.array(3))):
        x, y = WRAPPED[name][index]
        assert x.tolist() == X[3].tolist()
        assert y == 3
    assert [int(y) for _, y in WRAPPED[name]] == [*range(10)]


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize(
    ("index", "error"),
    [
        (10, IndexError), (-11, IndexError), ([0, 10], IndexError), ([-11], IndexError), (True, TypeError),
        (np.True_, TypeError), (1.0, TypeError), (np.float32(1), TypeError), ([0.0, 1.0], TypeError),
        ([True, False], TypeError), (np.array([[0, 1]]), TypeError), (None, TypeError), ("a", TypeError),
        ((0, 1), TypeError), (..., TypeError), (np.array(1.5), TypeError),
    ],
    ids=str,
)  # fmt: skip
def test_what_means_no_sample_is_refused(name, index, error):
    with pytest.raises(error, match=r"(Dataset|Subset): expected a"):
        WRAPPED[name][index]


@pytest.mark.parametrize("name", WRAPPED)
def test_single_samples_and_whole_batches_without_a_batch_size(name):
    assert [int(y) for _, y in DataLoader(WRAPPED[name], None)] == [*range(10)]
    batches = list(DataLoader(WRAPPED[name], None, sampler=[[0, 1], [7], [-1, 3, 3]]))
    assert [y.tolist() for _, y in batches] == [[0, 1], [7], [9, 3, 3]]
    assert [x.shape for x, _ in batches] == [(2, 3), (1, 3), (3, 3)]


@pytest.mark.parametrize("name", ["TensorDataset", "Subset", "ConcatDataset", "sum"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("sampler", "error", "match"),
    [
        ([0.5, 1.5], TypeError, "list of integers, got dtype float64"),
        ([True, False], TypeError, "list of integers, got dtype bool"),
        (["a", "b"], TypeError, "list of integers, got dtype <U"),
        ([0, 10], IndexError, "an index of 10 samples, got 10"),
        ([-11, 0], IndexError, "an index of 10 samples, got -11"),
        ([[0, 1], [2, 3]], TypeError, r"list of integers, got dtype int64 and shape \(2, 2\)"),
    ],
)
def test_orders_of_no_numbers(name, workers, sampler, error, match):
    with pytest.raises(error, match=match):
        list(DataLoader(WRAPPED[name], 2, sampler=sampler, num_workers=workers))


def test_rows_of_an_array_are_numbered_as_strictly():
    with pytest.raises(TypeError, match="array: expected a list of integers, got dtype float64"):
        list(DataLoader(X, 2, sampler=[0.5, 1.5]))
    with pytest.raises(IndexError, match="array: expected an index of 10 samples, got 10"):
        list(DataLoader(X, 2, sampler=[0, 10]))


def test_a_sampler_in_place_of_batches():
    with pytest.raises(TypeError, match="expected a list of numbers for each batch, got 0"):
        next(iter(DataLoader(WHOLE, batch_sampler=[0, 1, 2])))
    with pytest.raises(TypeError, match="expected a list of numbers for each batch, got 0"):
        next(iter(DataLoader(WHOLE, batch_sampler=SequentialSampler(WHOLE))))


def generator():
    yield from range(3)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: DataLoader(WHOLE, sampler=generator()), TypeError, "DataLoader: expected sampler .* each pass, got a generator, which is used up"),
        (lambda: DataLoader(WHOLE, sampler=map(int, Y)), TypeError, "sampler that can be gone through at each pass, got a map"),
        (lambda: DataLoader(WHOLE, sampler=itertools.count()), TypeError, "got a count"),
        (lambda: DataLoader(WHOLE, batch_sampler=iter([[0]])), TypeError, "batch_sampler that can be gone through at each pass"),
        (lambda: BatchSampler(generator(), 2, False), TypeError, "BatchSampler: expected sampler that can be"),
        (lambda: BatchSampler(3, 2, False), TypeError, "BatchSampler: expected sampler to be iterable, got a int"),
        (lambda: BatchSampler(Y, 2, "no"), TypeError, "drop_last to be True or False, got 'no'"),
        (lambda: DataLoader(WHOLE, shuffle="no"), TypeError, "DataLoader: expected shuffle to be True or False, got 'no'"),
        (lambda: DataLoader(WHOLE, drop_last=None), TypeError, "expected drop_last to be True or False, got None"),
        (lambda: DataLoader(WHOLE, sampler=3), TypeError, "expected sampler to be iterable, got a int"),
        (lambda: DataLoader(WHOLE, collate_fn="stack"), TypeError, "expected collate_fn to be a function, got a str"),
        (lambda: SequentialSampler(generator()), TypeError, "SequentialSampler: expected a data_source with a length"),
        (lambda: RandomSampler(10), TypeError, "RandomSampler: expected a data_source with a length, got a int"),
        (lambda: RandomSampler(Y, "yes"), TypeError, "replacement to be True or False, got 'yes'"),
        (lambda: RandomSampler(Y, num_samples=2.0), TypeError, "num_samples to be an integer, got float"),
        (lambda: list(RandomSampler([], num_samples=3)), ValueError, "samples to draw 3 from, got none"),
        (lambda: list(RandomSampler([], True, num_samples=3)), ValueError, "samples to draw 3 from, got none"),
        (lambda: WeightedRandomSampler([1.0, np.nan], 1), ValueError, "finite weights, none negative"),
        (lambda: WeightedRandomSampler([1.0, np.inf], 1), ValueError, "finite weights, none negative"),
        (lambda: WeightedRandomSampler([1.0, -1e-300], 1), ValueError, "finite weights, none negative"),
        (lambda: WeightedRandomSampler([[1.0, 1.0]], 1), ValueError, "a vector of finite weights"),
        (lambda: WeightedRandomSampler([], 1), ValueError, "at least 1 positive weights, got 0"),
        (lambda: WeightedRandomSampler([1.0], 0), ValueError, "num_samples of at least 1, got 0"),
        (lambda: WeightedRandomSampler([1.0], 1, 1), TypeError, "replacement to be True or False, got 1"),
        (lambda: DataLoader(WHOLE, sampler=WeightedRandomSampler(np.ones(9), 9)), ValueError, "a weight for each of 10 samples, got 9"),
        (lambda: DataLoader(WHOLE, sampler=WeightedRandomSampler(np.ones(11), 9)), ValueError, "a weight for each of 10 samples, got 11"),
        (lambda: DataLoader(WHOLE, sampler=RandomSampler(range(11))), ValueError, "a sampler of at most 10 samples, got one of 11"),
        (lambda: ConcatDataset(WHOLE), TypeError, "a list of datasets, got a TensorDataset"),
        (lambda: ConcatDataset("ab"), TypeError, "a list of datasets, got a str"),
        (lambda: TensorDataset([[1, 2], [3]]), ValueError, "TensorDataset: .*nested lists of unequal lengths"),
        (lambda: TensorDataset(np.ma.masked_array(X, X > 5), Y), TypeError, "TensorDataset: expected arrays without a mask"),
        (lambda: Subset(WHOLE, Y % 2 == 0), TypeError, "Subset: expected a list of integers, got dtype bool"),
        (lambda: Subset(WHOLE, 3), TypeError, r"got dtype int64 and shape \(\)"),
        (lambda: ConcatDataset(3), TypeError, "a list of datasets, got a int"),
        (lambda: ConcatDataset([None]), TypeError, "ConcatDataset: expected datasets with a length, got a NoneType"),
        (lambda: WHOLE + 3, TypeError, "ConcatDataset: expected datasets with a length, got a int"),
        (lambda: Subset(generator(), [0]), TypeError, "Subset: expected a dataset with a length, got a generator"),
        (lambda: default_collate(3), TypeError, "default_collate: expected samples with a length, got a int"),
        (lambda: default_collate([np.zeros(1, np.uint64), np.zeros(1, int)]), TypeError, "one integer type holds, got int64, uint64"),
        (lambda: random_split(WHOLE, 3), TypeError, "random_split: expected a list of lengths, got a int"),
        (lambda: random_split(generator(), [3]), TypeError, "random_split: expected a dataset with a length"),
        (lambda: random_split(WHOLE, []), ValueError, "random_split: expected at least one length"),
        (lambda: random_split(WHOLE, [float("inf")]), ValueError, "expected each length in"),
        (lambda: random_split(WHOLE, [float("nan"), 1]), ValueError, "expected each length in"),
        (lambda: random_split(WHOLE, [11, -1]), ValueError, "expected each length in"),
    ],
)  # fmt: skip
def test_orders_and_lengths_that_cannot_be(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_a_subset_of_the_samples_may_be_an_order():
    assert [y.tolist() for _, y in DataLoader(WHOLE, 4, sampler=SequentialSampler(range(6)))] == [[0, 1, 2, 3], [4, 5]]


@pytest.mark.parametrize("samples", [[2**70, 1], [2**63, -1], [1, -(2**63) - 1], [np.uint64(2**63), np.int64(-1)]])
def test_integers_that_no_type_holds_are_not_rounded(samples):
    with pytest.raises(ValueError, match="expected integers of 64 bits, got"):
        default_collate(samples)


def test_numbers_that_fit_are_joined():
    assert default_collate([2**53 + 1, -5]).tolist() == [2**53 + 1, -5]
    assert default_collate([2**63, 5]).dtype == np.uint64
    assert default_collate([1, 2.5]).tolist() == [1, 2.5]
    with pytest.raises(TypeError, match="default_collate: expected samples without a mask"):
        default_collate([np.ma.masked_array([1, 2], [True, False])] * 2)


def test_an_example_moves_nothing():
    loader = DataLoader(WHOLE, 4, shuffle=True, rng=0)
    fastnn.manual_seed(0)
    state, own = loader.state_dict(), fastnn.get_rng_state()
    assert [part.shape for part in loader.example()] == [(1, 3), (1,)]
    assert [part.shape for part in DataLoader(WHOLE, None).example()] == [(3,), ()]
    assert DataLoader(Subset(WHOLE, []), 2).example() is None
    assert DataLoader(WHOLE, 2, sampler=[3]).example() is None
    assert loader.state_dict() == state
    assert fastnn.get_rng_state() == own


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (TensorDataset(X), r"tuples of 1, tuples of 2"),
        (TensorDataset(X[:, :2], Y), r"arrays of shape \(2,\), arrays of shape \(3,\)"),
        ([{"x": x} for x in X], "mappings of x, tuples of 2"),
        (X, r"arrays of shape \(3,\), tuples of 2"),
    ],
)
def test_datasets_that_do_not_go_together(other, match):
    both = ConcatDataset([WHOLE, other])
    assert len(list(DataLoader(both, 10))) == 2
    with pytest.raises(ValueError, match=f"ConcatDataset: expected datasets whose samples .* got {match}"):
        list(DataLoader(both, 20))


@pytest.mark.parametrize("name", ["TensorDataset", "Subset", "Subset of an own kind", "ConcatDataset"])
def test_take_is_as_strict(name):
    for wrong, error in (([True] * 10, TypeError), ([0.0], TypeError), ([10], IndexError), ([[0, 1]], TypeError)):
        with pytest.raises(error, match=r"(Dataset|Subset): expected a"):
            WRAPPED[name].take(np.array(wrong))
    assert WRAPPED[name].take([-1, 0])[1].tolist() == [9, 0]


def test_a_take_that_gives_another_number_of_samples_is_refused():
    class Three(Own):
        def __getitem__(self, index):
            return {"x": (index, index)}

        def take(self, indices):
            return {"x": (np.zeros(3), np.zeros(3))}

    batches = iter(DataLoader(Three(), 3))
    assert len(next(batches)["x"][0]) == 3
    with pytest.raises(ValueError, match=r"Three.take: expected a batch of 4 samples, got one of 3"):
        next(iter(DataLoader(Three(), 4)))


def test_weights_whose_sum_overflows():
    drawn = list(WeightedRandomSampler([1e308, 0, 1e308], 50, rng=0))
    assert set(drawn) == {0, 2}

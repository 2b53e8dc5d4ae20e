"""Datasets, samplers and the loader: which samples come, in which order, in whose memory."""

import collections
import threading
import time

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


def arrays(n=23, dtype=np.float32):
    x = np.arange(n * 6, dtype=dtype).reshape(n, 2, 3)
    return x, np.arange(n) % 4


def all_of(loader):
    return [tuple(np.array(part) for part in batch) for batch in loader]


def same(a, b):
    return len(a) == len(b) and all(
        np.array_equal(u, v) for x, y in zip(a, b, strict=True) for u, v in zip(x, y, strict=True)
    )


class Slow(Dataset):
    """Samples that take their time, the first ones longest, and say which thread made them."""

    def __init__(self, n=12, fault=None):
        self.n, self.fault, self.threads = n, fault, set()

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        self.threads.add(threading.get_ident())
        time.sleep(0.004 * (self.n - index) / self.n)
        if index == self.fault:
            raise KeyError("sample 7 is broken")
        return np.float32(index), index


@pytest.mark.parametrize("batch_size", [1, 4, 23, 50])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_cover_the_dataset(batch_size, drop_last, workers):
    x, y = arrays()
    loader = DataLoader(TensorDataset(x, y), batch_size, drop_last=drop_last, num_workers=workers)
    batches = all_of(loader)
    whole = len(x) // batch_size * batch_size if drop_last else len(x)
    assert len(batches) == len(loader) == (whole // batch_size if drop_last else -(-whole // batch_size))
    if whole:
        np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), x[:whole])
        np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), y[:whole])


def test_a_batch_is_the_callers_own_contiguous_memory_in_the_datas_dtype():
    x, y = arrays()
    for source in (x, np.asfortranarray(x), x[::-1]):
        for dataset in (TensorDataset(source, y), Subset(TensorDataset(source, y), range(20))):
            for shuffle in (False, True):
                a, b = next(iter(DataLoader(dataset, 8, shuffle)))
                assert a.dtype == np.float32
                assert b.dtype == np.int64
                assert a.flags.c_contiguous
                assert a.flags.owndata or a.base.flags.owndata
                assert not np.shares_memory(a, source)
                a[...] = 0
    np.testing.assert_array_equal(x, arrays()[0])


@pytest.mark.parametrize(
    "dataset", [TensorDataset(*arrays()), list(zip(*arrays(), strict=True))], ids=["take", "items"]
)
def test_order_is_that_of_the_seed_whatever_the_workers(dataset):
    passes = []
    for workers in (0, 1, 3):
        loader = DataLoader(dataset, 4, shuffle=True, num_workers=workers, rng=7)
        passes.append((all_of(loader), all_of(loader)))
    for first, second in passes[1:]:
        assert same(first, passes[0][0])
        assert same(second, passes[0][1])
    assert not same(passes[0][0], passes[0][1])
    ordered = np.sort(np.concatenate([b[0] for b in passes[0][1]])[:, 0, 0])
    np.testing.assert_array_equal(ordered, arrays()[0][:, 0, 0])


def test_manual_seed_orders_a_loader_without_rng():
    loader = DataLoader(TensorDataset(*arrays()), 4, shuffle=True)
    fastnn.manual_seed(3)
    first = all_of(loader)
    fastnn.manual_seed(3)
    assert same(first, all_of(loader))
    assert loader.state_dict() == {"generators": []}


def test_state_of_a_loader():
    loader, other = (DataLoader(TensorDataset(*arrays()), 4, shuffle=True, rng=seed) for seed in (1, 2))
    all_of(loader)
    state = loader.state_dict()
    expected = all_of(loader)
    other.load_state_dict(state)
    assert same(all_of(other), expected)
    with pytest.raises(ValueError, match="expected the states of 1 generators, got another kind"):
        other.load_state_dict({})


def test_workers_make_batches_at_once_and_in_order():
    dataset = Slow()
    loader = DataLoader(dataset, 2, num_workers=3)
    np.testing.assert_array_equal(np.concatenate([y for _, y in loader]), np.arange(12))
    assert len(dataset.threads) > 1
    assert threading.get_ident() not in dataset.threads


def test_a_fault_arrives_with_its_batch_and_leaves_no_threads():
    before = threading.active_count()
    seen = []
    with pytest.raises(KeyError, match="sample 7 is broken"):
        seen.extend(y for _, y in DataLoader(Slow(fault=7), 2, num_workers=2))
    assert np.concatenate(seen).tolist() == list(range(6))
    for _ in DataLoader(Slow(), 2, num_workers=2):
        break
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_no_more_batches_in_advance_than_asked():
    dataset = Slow(40)
    loader = iter(DataLoader(dataset, 1, num_workers=2, prefetch_factor=3, collate_fn=lambda batch: made.append(1)))
    made = []
    next(loader)
    time.sleep(0.3)
    assert 1 <= len(made) <= 7
    loader.close()


def test_single_samples():
    loader = DataLoader(TensorDataset(*arrays(3)), batch_size=None)
    assert [x.shape for x, _ in loader] == [(2, 3)] * 3
    assert len(loader) == 3
    assert list(DataLoader(range(3), None, collate_fn=lambda i: i * 10)) == [0, 10, 20]


def test_samplers():
    assert list(SequentialSampler(range(3))) == [0, 1, 2]
    sampler = RandomSampler(range(5), rng=0)
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(5))
    assert first != second
    drawn = list(RandomSampler(range(5), replacement=True, num_samples=40, rng=0))
    assert len(drawn) == 40
    assert set(drawn) == set(range(5))
    assert collections.Counter(RandomSampler(range(5), num_samples=10, rng=0)) == dict.fromkeys(range(5), 2)
    assert list(RandomSampler([])) == []
    weighted = list(WeightedRandomSampler([1, 0, 3], 4000, rng=0))
    assert abs(weighted.count(2) / 4000 - 0.75) < 0.03
    assert 1 not in weighted
    assert sorted(WeightedRandomSampler([1, 0, 3], 2, replacement=False, rng=0)) == [0, 2]
    assert [len(b) for b in BatchSampler(range(7), 3, True)] == [3, 3]
    assert len(BatchSampler(range(7), 3, False)) == 3
    loader = DataLoader(range(10), sampler=[3, 1, 4], batch_size=2)
    assert [b.tolist() for b in loader] == [[3, 1], [4]]
    assert [b.tolist() for b in DataLoader(range(10), batch_sampler=[[1], [2, 3]])] == [[1], [2, 3]]


def test_collate():
    batch = default_collate(
        [{"x": np.ones(2, np.float32), "n": 1, "s": "a"}, {"x": np.zeros(2, np.float32), "n": 2, "s": "b"}]
    )
    assert batch["x"].dtype == np.float32
    assert batch["x"].shape == (2, 2)
    assert batch["n"].dtype == np.int64
    assert batch["s"] == ["a", "b"]
    assert default_collate([1.5, 2.5]).dtype == np.float64
    assert default_collate([np.float32(1), np.float32(2)]).dtype == np.float32
    assert default_collate([True, False]).dtype == bool
    assert default_collate([[1, 2], [3, 4]])[1].tolist() == [2, 4]
    point = collections.namedtuple("point", "x y")
    assert default_collate([point(1, 2), point(3, 4)]).y.tolist() == [2, 4]
    assert default_collate([fastnn.tensor([1.0]), fastnn.tensor([2.0])]).tolist() == [[1], [2]]
    with pytest.raises(ValueError, match=r"expected arrays of one shape, got \(1,\), \(2,\)"):
        default_collate([np.zeros(1), np.zeros(2)])
    with pytest.raises(ValueError, match="expected samples of one length, got"):
        default_collate([(1,), (1, 2)])
    with pytest.raises(TypeError, match="got object; give the loader a collate_fn"):
        default_collate([object()])


def test_pictures_of_pillow_are_stacked():
    image = pytest.importorskip("PIL.Image").new("RGB", (4, 3), (1, 2, 3))
    assert default_collate([image, image]).shape == (2, 3, 4, 3)


def test_datasets():
    x, y = arrays(5)
    dataset = TensorDataset(x, fastnn.tensor(y.astype(float)))
    assert dataset[2][1] == 2
    assert len(dataset + dataset) == 10
    both = ConcatDataset([dataset, Subset(dataset, [4, 0])])
    assert both[6][1] == both[0][1]
    assert both[-2][1] == both[4][1]
    with pytest.raises(IndexError, match="expected an index of 7 samples, got 7"):
        both[7]
    nested = Subset(Subset(dataset, [4, 3, 2]), [-1, 0])
    assert [nested[i][1] for i in range(2)] == [2, 0]
    np.testing.assert_array_equal(next(iter(DataLoader(nested, 2)))[0], x[[2, 4]])
    assert [part.shape for part in Subset(dataset, [])[:0]] == [(0, 2, 3), (0,)]
    with pytest.raises(NotImplementedError, match="__len__ is not defined"):
        len(Dataset())


def test_random_split():
    parts = random_split(range(10), [7, 3], rng=0)
    assert [len(p) for p in parts] == [7, 3]
    assert sorted([*parts[0], *parts[1]]) == list(range(10))
    again = random_split(range(10), [7, 3], rng=0)
    assert list(again[0]) == list(parts[0])
    assert [len(p) for p in random_split(range(10), [0.33, 0.33, 0.34], rng=0)] == [4, 3, 3]
    assert [len(p) for p in random_split(range(1), [0.5, 0.5], rng=0)] == [1, 0]
    assert [len(p) for p in random_split(range(100), [0.7, 0.2, 0.1], rng=0)] == [70, 20, 10]
    with pytest.raises(ValueError, match=r"add up to 10, got \[7, 4\]"):
        random_split(range(10), [7, 4])
    with pytest.raises(ValueError, match=r"fractions that add up to 1, got \[0.5, 0.4\]"):
        random_split(range(10), [0.5, 0.4])


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: DataLoader(range(3), 0), ValueError, "DataLoader: expected batch_size of at least 1, got 0"),
        (lambda: DataLoader(range(3), 1.5), TypeError, "expected batch_size to be an integer, got float"),
        (lambda: DataLoader(3), TypeError, "expected a dataset with __getitem__ and __len__, got int"),
        (lambda: DataLoader(range(3), shuffle=True, sampler=[1]), ValueError, "shuffle or a sampler, got both"),
        (lambda: DataLoader(range(3), 2, batch_sampler=[[1]]), ValueError, "expected a batch_sampler or batch_size"),
        (lambda: DataLoader(range(3), None, drop_last=True), ValueError, "expected drop_last with a batch_size"),
        (lambda: DataLoader(range(3), num_workers=-1), ValueError, "expected num_workers of at least 0, got -1"),
        (lambda: DataLoader(range(3), rng="a"), TypeError, "DataLoader: expected rng to be None"),
        (lambda: TensorDataset(np.zeros(3), np.zeros(2)), ValueError, r"one length, got shapes \(3,\), \(2,\)"),
        (lambda: TensorDataset(), ValueError, "at least one array, got none"),
        (lambda: TensorDataset(np.float64(1)), ValueError, r"one length, got shapes \(\)"),
        (lambda: Subset(range(3), [3]), IndexError, "a dataset of 3 samples, got 3"),
        (lambda: Subset(range(3), [0.5]), TypeError, "expected a list of integers, got dtype float64"),
        (lambda: ConcatDataset([]), ValueError, "at least one dataset"),
        (lambda: WeightedRandomSampler([0, 0], 1), ValueError, "at least 1 positive weights, got 0"),
        (lambda: WeightedRandomSampler([1, -1], 1), ValueError, "finite weights, none negative"),
        (lambda: WeightedRandomSampler([1, 0], 2, replacement=False), ValueError, "at least 2 positive weights, got 1"),
    ],
)
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()


class Doubled(Subset):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x * 2, y, index


def test_a_subclass_that_overrides_getitem_alone_is_asked_sample_by_sample():
    x, y = arrays(6)
    (batch,) = DataLoader(Doubled(TensorDataset(x, y), [1, 4]), 2)
    for got, expected in zip(batch, (x[[1, 4]] * 2, y[[1, 4]], [0, 1]), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_foreign_take_is_not_called():
    class Flat:  # take(indices) of the flattened values, as several libraries have it
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return np.full(3, index)

        def take(self, indices):
            raise AssertionError

    np.testing.assert_array_equal(next(iter(DataLoader(Flat(), 2))), [[0, 0, 0], [1, 1, 1]])


Pair = collections.namedtuple("Pair", "word number")


class Words(Dataset):
    def __init__(self, words):
        self.words = words

    def __len__(self):
        return len(self.words)

    def __getitem__(self, index):
        return {"pair": Pair(self.words[index], index), "parts": [np.float32(index), self.words[index] * 2]}

    def take(self, indices):
        return default_collate([self[i] for i in indices])


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_joined_datasets(workers):
    """ConcatDataset makes a batch of its parts' batches; so does a Subset of it: what collating the samples gives."""
    x, y = arrays(9)
    joined = ConcatDataset(
        [TensorDataset(x[:4], y[:4]), Subset(TensorDataset(x, y), range(4, 9)), TensorDataset(x[:0], y[:0])]
    )
    chosen = Subset(joined, [8, 0, 5, 0, 3, -1])
    for dataset in (joined, chosen, ConcatDataset([Words(["a", "b"]), Words(["c"])])):
        order = np.random.default_rng(0).permutation(len(dataset))
        (batch,) = DataLoader(dataset, len(dataset), sampler=order, num_workers=workers)
        expected = default_collate([dataset[int(i)] for i in order])
        assert repr(batch) == repr(expected)
    assert joined.take(np.array([-1]))[1].tolist() == [y[8]]
    assert joined.take(np.array([], int))[0].shape == (0, 2, 3)
    with pytest.raises(IndexError, match="expected an index of 9 samples, got 9"):
        joined.take(np.array([0, 9]))


def test_rows_of_an_array():
    x = arrays(5)[0]
    np.testing.assert_array_equal(next(iter(DataLoader(x, 3))), x[:3])


def test_the_state_holds_the_samplers_generators():
    def loader(seed):
        return DataLoader(range(50), 5, sampler=WeightedRandomSampler(np.arange(1, 51), 50, rng=seed), rng=seed)

    first, second = loader(1), loader(2)
    all_of([(batch,) for batch in first])
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(np.concatenate(list(first)), np.concatenate(list(second)))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_before_a_samplers_fault_arrive(workers):
    def numbers():
        yield from range(4)
        raise KeyError("no more")

    class Broken:
        def __iter__(self):
            return numbers()

    batches = iter(DataLoader(range(9), 1, sampler=Broken(), num_workers=workers))
    assert [int(next(batches)[0]) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="no more"):
        next(batches)


@pytest.mark.parametrize(
    ("samples", "error", "match"),
    [
        ([], ValueError, "at least one sample"),
        ([1, "a"], TypeError, "one kind, got int and str"),
        ([1, None], TypeError, "one kind, got int and NoneType"),
        ([("ab", 1), "cd"], TypeError, "one kind, got tuple and str"),
        ([(1, 2), 5], TypeError, "one kind, got tuple and int"),
        ([{"a": 1}, {"a": 1, "b": 2}], ValueError, r"mappings with the keys \['a'\]"),
    ],
)
def test_collate_refuses_mixtures(samples, error, match):
    with pytest.raises(error, match=match):
        default_collate(samples)

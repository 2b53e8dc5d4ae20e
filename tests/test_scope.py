"""no_grad and its like as decorators: of functions and generator functions; refusals."""

import threading

import numpy as np
import pytest

import fastnn
from fastnn import _core


def state():
    return fastnn.is_grad_enabled(), fastnn.get_num_threads(), _core.mode.observer is not None


SCOPES = {
    "no_grad": (fastnn.no_grad, lambda: not state()[0]),
    "threads": (lambda: fastnn.threads(1), lambda: state()[1] == 1),
    "detect_anomaly": (fastnn.detect_anomaly, lambda: state()[2]),
}


@pytest.fixture(autouse=True)
def several_threads():
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(3)
    yield
    fastnn.set_num_threads(before)


@pytest.mark.parametrize("name", SCOPES)
def test_functions(name):
    scope, holds = SCOPES[name]

    @scope()
    def f(a, b=2):
        """Documented."""
        assert holds()
        return a + b if a < 5 else f(a - 5, b)

    assert f.__name__ == "f"
    assert f.__doc__ == "Documented."
    assert f(1) == 3
    assert f(6, b=4) == 5
    assert not holds()

    @scope()
    def fails():
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert not holds()


@pytest.mark.parametrize("name", SCOPES)
def test_generator_functions(name):
    """The scope holds while the body runs, not while it is suspended: PyTorch's rule."""
    scope, holds = SCOPES[name]
    seen = []

    @scope()
    def generator(n):
        try:
            for i in range(n):
                assert holds()
                try:
                    seen.append((yield i))
                except ValueError as error:
                    assert holds()
                    seen.append(str(error))
        finally:
            seen.append(holds())
        return "end"

    items = generator(4)
    assert not holds()
    assert next(items) == 0
    assert not holds()
    assert items.send("sent") == 1
    assert items.throw(ValueError("thrown")) == 2
    assert not holds()
    assert seen == ["sent", "thrown"]
    items.close()
    assert seen.pop() is True
    assert not holds()

    def outer():
        return (yield from generator(1))

    whole = outer()
    next(whole)
    with pytest.raises(StopIteration) as end:
        next(whole)
    assert end.value.value == "end"
    assert list(generator(3)) == [0, 1, 2]

    @scope()
    def fails():
        yield 1
        raise KeyError

    with pytest.raises(KeyError):
        list(fails())
    assert not holds()


def test_what_a_generator_records():
    x = fastnn.tensor([1.0], requires_grad=True)

    @fastnn.no_grad()
    def generator():
        for _ in range(2):
            yield x * 2

    for y in generator():
        assert isinstance(y, np.ndarray)
        assert isinstance(x * 2, fastnn.Tensor)

    @fastnn.enable_grad()
    def recording():
        yield x * 2

    with fastnn.no_grad():
        assert isinstance(next(recording()), fastnn.Tensor)
        assert isinstance(x * 2, np.ndarray)


@pytest.mark.parametrize("name", SCOPES)
def test_async_functions_and_classes_are_refused(name):
    scope, _ = SCOPES[name]

    async def coroutine():
        pass

    async def asynchronous():
        yield

    for function in (coroutine, asynchronous):
        with pytest.raises(TypeError, match=rf"{name}: {function.__name__} is async"):
            scope()(function)
    for wrong in (int, 3):
        with pytest.raises(TypeError, match=rf"{name}: expected a function to decorate"):
            scope()(wrong)


def test_generators_that_callables_and_functions_return():
    class Numbers:
        def __call__(self, n):
            for _ in range(n):
                yield fastnn.is_grad_enabled()

    class Later:
        async def __call__(self):
            pass

    scope = fastnn.no_grad()
    assert list(scope(Numbers())(2)) == [False, False]
    assert list(scope(lambda n: (fastnn.is_grad_enabled() for _ in range(n)))(2)) == [False, False]
    assert fastnn.is_grad_enabled()
    with pytest.raises(TypeError, match="is async"):
        scope(Later())


def test_one_object_may_be_entered_again():
    scope = fastnn.no_grad()
    with scope:
        with scope:
            pass
        assert not fastnn.is_grad_enabled()
    assert fastnn.is_grad_enabled()


def test_a_decorated_function_serves_many_threads():
    barrier = threading.Barrier(2)

    @fastnn.no_grad()
    def f():
        barrier.wait()
        seen.append(fastnn.is_grad_enabled())
        barrier.wait()

    def work():
        f()
        seen.append(fastnn.is_grad_enabled())

    seen = []
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [False, False, True, True]


def test_wrong_numbers_are_refused_at_once():
    with pytest.raises(ValueError, match="threads"):
        fastnn.threads(0)

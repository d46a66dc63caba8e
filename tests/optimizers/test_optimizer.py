import numpy as np
import pytest

from fastlstm import constraints, optimizers
from fastlstm.backend import Variable
from fastlstm.engine import kernel_names
from fastlstm.engine._trained_weights import adam_step
from fastlstm.optimizers import schedules


def ones(n=3):
    return Variable(np.ones(n, np.float32), name="ones")


def test_long_arrays_go_in_blocks():
    rng = np.random.default_rng(1)
    gradient, value = rng.standard_normal((2, 40_000)).astype(np.float32)
    whole, parts = value.copy(), [value[:11_000].copy(), value[11_000:].copy()]
    one, two = optimizers.Adam(global_clipnorm=1.0), optimizers.Adam(global_clipnorm=1.0)
    one.apply([gradient], [whole])
    two.apply([gradient[:11_000].copy(), gradient[11_000:].copy()], parts)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6)
    scaled = gradient / np.linalg.norm(gradient)
    np.testing.assert_allclose(
        whole, value - 0.001 * scaled / (np.abs(scaled) + 1e-7 / np.sqrt(0.001)), rtol=2e-5, atol=1e-7
    )


def test_constraints_hold():
    variable = ones()
    variable.constraint = constraints.MaxNorm(1.0, axis=0)
    free = ones()
    optimizer = optimizers.SGD(1.0)
    optimizer.apply([np.array([-3.0, 0, 0]), np.zeros(3)], [variable, free])
    assert np.linalg.norm(variable.value) == pytest.approx(1, rel=1e-5)
    np.testing.assert_array_equal(free.value, 1)


def test_what_is_left_out_of_weight_decay():
    variables = [Variable(np.ones(2, np.float32), name=name) for name in ("kernel", "bias", "gamma")]
    optimizer = optimizers.AdamW(1.0, weight_decay=0.25)
    optimizer.exclude_from_weight_decay(var_list=[variables[0]], var_names=["^bi", "nothing"])
    optimizer.apply([np.zeros(2)] * 3, variables)
    assert [variable.value[0] for variable in variables] == [1, 1, 0.75]
    with pytest.raises(ValueError, match="can only be configured before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["a"])


def test_a_missing_gradient_leaves_alone():
    variables = [ones(), ones()]
    optimizer = optimizers.SGD(0.5)
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \['ones'\] when minimizing the loss"):
        optimizer.apply([None, np.ones(3)], variables)
    assert [variable.value[0] for variable in variables] == [1, 0.5]
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        optimizer.apply([None, None], variables)
    assert int(optimizer.iterations) == 1
    optimizer.apply([], variables)
    assert int(optimizer.iterations) == 1


def test_the_learning_rate():
    optimizer = optimizers.Adam(0.25)
    assert float(optimizer.learning_rate) == 0.25
    optimizer.learning_rate = 0.5
    assert optimizer.variables[1].value == np.float32(0.5)
    assert optimizer.get_config()["learning_rate"] == 0.5
    optimizer.learning_rate = schedules.ExponentialDecay(0.1, 1, 0.5)
    assert [variable.name for variable in optimizer.variables] == ["iteration"]
    optimizer.apply([np.ones(1, np.float32)], [np.ones(1, np.float32)])
    assert optimizer.learning_rate == np.float32(0.05)
    with pytest.raises(TypeError, match="its learning rate is not settable"):
        optimizer.learning_rate = 0.1
    called = optimizers.SGD(lambda: 0.125)
    value = np.ones(1, np.float32)
    called.apply([np.ones(1)], [value])
    assert (value[0], called.learning_rate) == (0.875, 0.125)
    assert optimizers.SGD(np.float64(0.5)).learning_rate == 0.5


def test_moving_averages():
    value = np.zeros(2, np.float32)
    optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)
    for _ in range(3):
        optimizer.apply([np.full(2, -1.0)], [value])
    assert value[0] == 3
    # 1, then the mean of it and 2, then of that and 3.
    optimizer.finalize_variable_values([value])
    assert value[0] == 2.25
    with pytest.raises(ValueError, match=r"The length of model variables \(2\) to override does not match"):
        optimizer.finalize_variable_values([value, value])
    plain = optimizers.SGD(1.0)
    plain.apply([np.ones(2)], [value])
    plain.finalize_variable_values([value])
    assert value[0] == 1.25


def test_accumulation_counts_updates():
    value = np.zeros(1, np.float32)
    optimizer = optimizers.SGD(1.0, gradient_accumulation_steps=2)
    seen = []
    for gradient in (-1.0, -3.0, -5.0, -5.0):
        optimizer.apply([np.array([gradient])], [value])
        seen.append((float(value[0]), int(optimizer.iterations)))
    assert seen == [(0, 0), (2, 1), (2, 1), (7, 2)]


def test_what_is_not_finite_stays_so():
    value = np.zeros(2, np.float32)
    optimizers.SGD(1.0, global_clipnorm=1.0).apply([np.array([np.inf, 1.0])], [value])
    assert np.isnan(value).all()
    zero = np.zeros(2, np.float32)
    optimizers.SGD(1.0, global_clipnorm=1.0).apply([np.zeros(2)], [zero])
    optimizers.SGD(1.0, clipnorm=1.0).apply([np.zeros(2)], [zero])
    np.testing.assert_array_equal(zero, 0)


def test_state_to_and_fro():
    first, second = optimizers.Adam(), optimizers.Adam()
    value = np.ones(3, np.float32)
    first.apply([np.ones(3)], [value])
    weights = [variable.numpy() for variable in first.variables]
    with pytest.raises(ValueError, match="You are calling `set_weights"):
        second.set_weights(weights)
    second.build([value])
    slots = [variable.value for variable in second.variables]
    second.set_weights(weights)
    assert all(variable.value is slot for variable, slot in zip(second.variables, slots, strict=True))
    a, b = value.copy(), value.copy()
    first.update([np.full(3, 0.5, np.float32)], [a])
    second.update([np.full(3, 0.5, np.float32)], [b])
    np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="not compatible with provided weight shape"):
        second.set_weights([*weights[:2], np.ones(4), np.ones(3)])


class Signs(optimizers.Optimizer):
    """An optimizer of one's own: steps of one size, and how often each number went up."""

    def __init__(self, learning_rate=0.5, **common):
        super().__init__(learning_rate, **common)

    def slot_names(self):
        return [("ups",)]

    def begin_step(self, learning_rate):
        self.rate = learning_rate

    def step(self, value, gradient, slots, scratch):
        value -= self.rate * np.sign(gradient)
        slots[0][...] += gradient < 0


def test_an_optimizer_of_ones_own():
    optimizer = Signs()
    value = np.zeros(3, np.float32)
    for _ in range(2):
        optimizer.apply([np.array([-2.0, 3.0, 0.0])], [value])
    assert value.tolist() == [1, -1, 0]
    assert optimizer.variables[-1].value.tolist() == [2, 0, 0]
    assert optimizers.get(optimizer) is optimizer
    with pytest.raises(NotImplementedError, match="Optimizer does not define `step`"):
        optimizers.Optimizer(0.1).apply([np.ones(1)], [value[:1]])


@pytest.mark.parametrize(
    ("attempt", "error", "message"),
    [
        (lambda: optimizers.Adam(1), ValueError, "Argument `learning_rate` should be float, or an instance of"),
        (lambda: optimizers.Adam(lr=1), ValueError, "recognized: {'lr': 1}. `lr` is called `learning_rate` since"),
        (lambda: optimizers.Adam(foo=1), ValueError, "Argument(s) not recognized: {'foo': 1}"),
        (lambda: optimizers.Adam(clipnorm=1, clipvalue=1), ValueError, "Only one of `clipnorm`, `clipvalue` and"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=1), ValueError, "must be an integer >= 2"),
        (lambda: optimizers.Adam(use_ema=True, ema_momentum=2), ValueError, "`ema_momentum` must be in the range"),
        (
            lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=0.5),
            ValueError,
            "`ema_overwrite_frequency` must be an integer >= 1 or None",
        ),
        (lambda: optimizers.SGD(momentum=2.0), ValueError, "`momentum` must be a float between [0, 1]."),
        (lambda: optimizers.AdamW(weight_decay=None), ValueError, "Argument `weight_decay` must be a float"),
        (lambda: optimizers.Lion(beta_1=0), ValueError, "Argument `beta_1` must be in the [0, 1] range"),
        (lambda: optimizers.Ftrl(learning_rate_power=1), ValueError, "`learning_rate_power` needs to be negative or"),
        (lambda: optimizers.Ftrl(initial_accumulator_value=-1), ValueError, "`initial_accumulator_value` needs to be"),
        (lambda: optimizers.get("foo"), ValueError, "Could not interpret optimizer identifier"),
        (lambda: optimizers.get(3), ValueError, "Could not interpret optimizer identifier: 3"),
        (lambda: optimizers.Adam().apply([1.0]), ValueError, "the optimizer must already be built"),
        (
            lambda: schedules.ExponentialDecay(0.1, 0, 0.5),
            ValueError,
            "Argument `decay_steps` must be > 0. Received: d",
        ),
        (lambda: schedules.PiecewiseConstantDecay([1], [1.0]), ValueError, "The length of boundaries should be 1 less"),
        (lambda: schedules.LearningRateSchedule()(1), NotImplementedError, "must override `__call__(self, step)`"),
        (lambda: schedules.LearningRateSchedule().get_config(), NotImplementedError, "must override `get_config()`"),
        (lambda: optimizers.Muon, AttributeError, "'fastlstm.optimizers' has no 'Muon', which keras.optimizers has"),
    ],
)
def test_refused(attempt, error, message):
    with pytest.raises(error) as raised:
        attempt()
    assert message in str(raised.value)


def test_unknown_variables_are_refused():
    optimizer = optimizers.SGD()
    first = ones()
    optimizer.apply([np.ones(3)], [first])
    with pytest.raises(ValueError, match="Unknown variable: <Variable path=ones"):
        optimizer.apply([np.ones(3)], [ones()])
    with pytest.raises(ValueError, match="Received a list of 2 gradients, but the optimizer is tracking 1"):
        optimizer.apply([np.ones(3)] * 2)
    before = first.numpy()
    optimizer.apply([np.ones(3)])
    np.testing.assert_allclose(first.value, before - 0.01)


def test_names_in_any_case():
    for name in ("adam", "Adam", "ADAM", "adamw", "RMSprop", "rmsprop", "sgd"):
        assert type(optimizers.get(name)).__name__.lower() == name.lower()
    assert optimizers.get(None) is None
    with pytest.warns(UserWarning, match="Argument `decay` is no longer supported"):
        optimizers.SGD(decay=0.1)


@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("size", [1, 15, 16, 17, 100])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_steps_of_adam_are_numpys(isa, size, amsgrad):
    rng = np.random.default_rng(size)
    value, m, gradient = rng.standard_normal((3, size)).astype(np.float32)
    v, largest = rng.standard_normal((2, size)).astype(np.float32) ** 2
    gradient[0] = 0 if size < 16 else np.nan
    given = value.copy(), m.copy(), v.copy(), largest.copy() if amsgrad else None
    part_m, part_v, alpha, epsilon = np.array([0.1, 0.001, 0.01, 1e-7], np.float32)
    adam_step(isa, *given, gradient, part_m, part_v, alpha, epsilon)
    m += (gradient - m) * part_m
    v += (gradient * gradient - v) * part_v
    most = np.maximum(largest, v) if amsgrad else v
    value -= m * alpha / (np.sqrt(most) + epsilon)
    for array, expected in zip(given, (value, m, v, most if amsgrad else None), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_steps_of_adam_refuse_what_does_not_fit():
    good = np.ones(4, np.float32)
    for bad in (np.ones(4), np.ones(5, np.float32), np.ones(8, np.float32)[::2]):
        for place in range(5):
            arrays = [bad if i == place else good.copy() for i in range(5)]
            with pytest.raises(ValueError, match="dense float32, received"):
                adam_step("scalar", *arrays, 0.1, 0.1, 0.1, 0.1)
            assert all((array == 1).all() for array in arrays)

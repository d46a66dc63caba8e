import numpy as np
import pytest

from fastlstm import layers
from fastlstm.layers import Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract
from fastlstm.layers.base.arrays import as_tensors, carried_mask

RNG = np.random.default_rng(3)
A, B, C = RNG.normal(size=(3, 4, 7, 5)).astype(np.float32)
MASK_A, MASK_B = RNG.random((2, 4, 7)) < 0.6


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", A + B + C),
        ("multiply", A * B * C),
        ("average", (A + B + C) / 3),
        ("maximum", np.maximum(np.maximum(A, B), C)),
        ("minimum", np.minimum(np.minimum(A, B), C)),
        ("concatenate", np.concatenate([A, B, C], axis=-1)),
    ],
)
def test_functions(name, expected):
    np.testing.assert_allclose(getattr(layers, name)([A, B, C]), expected, rtol=1e-6)
    named = getattr(layers, name)((A, B, C), name="m")
    np.testing.assert_allclose(named, expected, rtol=1e-6)


def test_functions_with_arguments():
    np.testing.assert_array_equal(layers.subtract([A, B]), A - B)
    np.testing.assert_array_equal(layers.concatenate([A, B[:, :2]], axis=1), np.concatenate([A, B[:, :2]], axis=1))
    np.testing.assert_allclose(layers.dot([A, B]), A @ B.swapaxes(1, 2), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layers.dot([A, B], axes=1), A.swapaxes(1, 2) @ B, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [Add(), Multiply(), Average(), Maximum(), Minimum(), Concatenate()])
def test_one_input_is_copied(layer):
    y = layer([A])
    np.testing.assert_array_equal(y, A)
    assert not np.shares_memory(y, A)


@pytest.mark.parametrize("axes", [2, 1, (1, 1)])
def test_dot_rows_do_not_depend_on_the_batch(axes):
    a, b = RNG.normal(size=(2, 19, 33, 65)).astype(np.float32)
    layer = Dot(axes, normalize=True)
    y = layer([a, b])
    for row in (0, 7, 18):
        np.testing.assert_array_equal(layer([a[row : row + 1], b[row : row + 1]]), y[row : row + 1])
    assert layer([a[:0], b[:0]]).shape == (0, *y.shape[1:])


def test_cosine():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(Dot(1, normalize=True)([x, 2 * x]), [[1.0], [0.0]], rtol=1e-6)


def test_masks():
    a, b = as_tensors(A, [MASK_A]), as_tensors(B, [MASK_B])
    for layer in (Add(), Subtract(), Multiply(), Average(), Maximum(), Minimum(), Concatenate()):
        np.testing.assert_array_equal(carried_mask(layer([a, b])), MASK_A | MASK_B)
    for layer in (Add(), Multiply(), Dot(2)):
        assert carried_mask(layer([a, B])) is None
    assert carried_mask(Concatenate()([a, B])).all()
    np.testing.assert_array_equal(carried_mask(Concatenate(axis=1)([a, b])), np.concatenate([MASK_A, MASK_B], axis=1))
    # A masked step is not a candidate.
    both = Maximum()([as_tensors(A + 100, [MASK_A]), b])
    np.testing.assert_array_equal(both[MASK_A], (A + 100)[MASK_A])
    np.testing.assert_array_equal(both[~MASK_A & MASK_B], B[~MASK_A & MASK_B])


@pytest.mark.parametrize(
    ("inputs", "mask", "message"),
    [
        ([A, B], MASK_A, "`mask` should be a list."),
        (A, [None, None], "`inputs` should be a list."),
        ([A, B], [None], "The lists `inputs` and `mask` should have the same length."),
    ],
)
@pytest.mark.parametrize("layer", [Add(), Concatenate()])
def test_refused_masks(layer, inputs, mask, message):
    with pytest.raises(ValueError) as error:
        layer.compute_mask(inputs, mask)
    assert message in str(error.value)


def test_unknown_sizes():
    assert Add().compute_output_shape([(None, None, 5), (3, 7, 1)]) == (3, None, 5)
    assert Add().compute_output_shape([(None, 5), (None, 7, 5)]) == (None, 7, 5)
    assert Concatenate().compute_output_shape([(None, None, 5), (None, 7, 3)]) == (None, 7, 8)
    assert Concatenate(1).compute_output_shape([(None, None, 5), (None, 7, 5)]) == (None, None, 5)
    assert Dot((2, 1)).compute_output_shape([(None, None, 5), (3, 5, 2)]) == (3, None, 2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Add()(A), ValueError, "A merge layer should be called on a list of inputs."),
        (lambda: Add()([A, B[:2]]), ValueError, "Cannot merge tensors with different batch sizes."),
        (
            lambda: Add()([A, B[:, :3]]),
            ValueError,
            "Inputs have incompatible shapes. Received shapes (7, 5) and (3, 5)",
        ),
        (lambda: Subtract()([A, B, C]), ValueError, "A `Subtract` layer should be called on exactly 2 inputs."),
        (lambda: Subtract()([A]), ValueError, "A `Subtract` layer should be called on exactly 2 inputs."),
        (lambda: Concatenate()([A, B[:, :3]]), ValueError, "requires inputs with matching shapes except for the"),
        (lambda: Concatenate()([A, B[:, 0]]), ValueError, "Received: input_shape=[(4, 7, 5), (4, 5)]"),
        (lambda: Dot("1"), TypeError, "it should be a list or an int. Received: axes=1"),
        (lambda: Dot((1,)), ValueError, "it should contain two elements. Received: axes=(1,)"),
        (lambda: Dot((1, 2.0)), ValueError, "list elements should be integers. Received: axes=(1, 2.0)"),
        (lambda: Dot(0)([A, B]), ValueError, "Cannot perform batch_dot over axis 0."),
        (lambda: Dot(3)([A, B]), ValueError, "`Dot` with axes=3 cannot be called on inputs of shapes"),
        (lambda: Dot(1)([A, B, C]), ValueError, "A `Dot` layer should be called on a list of 2 inputs."),
        (
            lambda: Dot((1, 2))([A, B]),
            ValueError,
            "Incompatible input shapes: axis values 7 (at axis 1) != 5 (at axis 2). Full input shapes: (4, 7, 5), (4",
        ),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"])
def test_masks_of_keras_2(name):
    """They change no values, and join to what all masked inputs count as valid."""
    layer = getattr(layers, name)(keras2_masks=True)
    y = layer(as_tensors([A, B], [MASK_A, MASK_B]))
    np.testing.assert_array_equal(y, getattr(layers, name)()([A, B]))
    np.testing.assert_array_equal(carried_mask(y), MASK_A & MASK_B)
    np.testing.assert_array_equal(carried_mask(layer(as_tensors([A, B], [None, MASK_B]))), MASK_B)
    assert carried_mask(layer([A, B])) is None
    assert type(layer).from_config(layer.get_config()).keras2_masks
    assert "keras2_masks" not in getattr(layers, name)().get_config()


def test_concatenated_masks_of_keras_2():
    joined = Concatenate(keras2_masks=True)(as_tensors([A, B], [MASK_A, MASK_B]))
    np.testing.assert_array_equal(carried_mask(joined), MASK_A & MASK_B)
    alone = Concatenate(keras2_masks=True)(as_tensors([A, B], [MASK_A, None]))
    np.testing.assert_array_equal(carried_mask(alone), MASK_A)


@pytest.mark.parametrize("layer", [layers.Identity, lambda **given: layers.Rescaling(2.0, **given)])
def test_layers_without_masks_in_keras_2(layer):
    masked = as_tensors([A], [MASK_A])[0]
    np.testing.assert_array_equal(carried_mask(layer()(masked)), MASK_A)
    with pytest.warns(UserWarning, match="does not support masking"):
        assert carried_mask(layer(keras2_masks=True)(masked)) is None

"""The methods of datasets, and what `split_dataset` and `text_dataset_from_directory` refuse."""

import numpy as np
import pytest

from fastlstm import layers, utils
from fastlstm.models import Sequential
from fastlstm.utils.dataset import Dataset


def windows(batch_size=4):
    series = np.arange(13.0)
    return utils.timeseries_dataset_from_array(series, series * 10, 3, batch_size=batch_size)


def plain(dataset):
    return [[np.asarray(part).tolist() for part in element] for element in dataset]


def test_parts():
    whole = plain(windows())
    assert len(whole) == 3
    for count in (0, 1, 2, 5):
        part, rest = windows().take(count), windows().skip(count)
        for _ in range(2):
            assert plain(part) == whole[:count]
            assert plain(rest) == whole[count:]
        assert (len(part), len(rest)) == (min(count, 3), max(0, 3 - count))
    assert plain(windows().take(-1)) == whole
    assert plain(windows().skip(-1)) == []
    assert int(windows().cardinality()) == 3
    assert plain(windows().prefetch(2).cache().take(2)) == whole[:2]


def test_maps_and_batches():
    added = windows().map(lambda x, y: (x + 1, y), num_parallel_calls=2)
    plainly = [np.asarray(x).tolist() for x, _ in windows()]
    assert [(np.asarray(x) - 1).tolist() for x, _ in added] == plainly
    inputs = windows().map(lambda x, y: x)
    assert np.asarray(next(iter(inputs))).shape == (4, 3)
    assert plain(windows().unbatch()) == plain(windows(None))
    assert plain(windows(None).batch(4)) == plain(windows())
    assert len(windows(None).batch(4)) == 3
    dropped = windows(None).batch(4, drop_remainder=True)
    assert plain(dropped) == plain(windows())[: len(dropped)] == plain(windows())[:2]
    assert plain(windows(None).batch(1).take(1)) == [[[[0.0, 1.0, 2.0]], [0.0]]]
    few = windows(None).filter(lambda x, y: y < 20)
    assert [float(y) for _, y in few] == [0.0, 10.0]
    with pytest.raises(TypeError, match="length is unknown"):
        len(few)
    assert int(few.cardinality()) == -2
    assert [type(leaf) for leaf in next(windows().as_numpy_iterator())] == [np.ndarray, np.ndarray]
    with pytest.raises(ValueError, match="batch_size"):
        windows().batch(0)


def test_repeated_and_shuffled():
    whole = plain(windows())
    assert plain(windows().repeat(2)) == whole * 2
    assert len(windows().repeat(2)) == 6
    assert plain(windows().repeat().take(4)) == [*whole, whole[0]]
    shuffled = windows(None).shuffle(5, seed=1)
    first, second = plain(shuffled), plain(shuffled)
    assert first != second
    assert sorted(first) == sorted(second) == sorted(plain(windows(None)))
    calls = []
    kept = windows().map(lambda x, y: calls.append(1) or (x, y)).cache()
    assert plain(kept) == plain(kept) == whole
    assert len(calls) == 3


def test_models_take_them():
    model = Sequential([layers.Input((3, 1)), layers.LSTM(2), layers.Dense(1)])
    model.compile("sgd", "mse")
    ready = windows().map(lambda x, y: (x[..., np.newaxis], y)).cache().prefetch(1)
    history = model.fit(ready, validation_data=ready.take(1), epochs=2, shuffle=False, verbose=0)
    assert len(history.history["val_loss"]) == 2
    model.fit(ready.repeat(), steps_per_epoch=4, shuffle=False, verbose=0)
    np.testing.assert_array_equal(
        model.predict(ready, verbose=0), model.predict(np.concatenate([x for x, _ in ready]), verbose=0)
    )
    assert model.evaluate(ready, verbose=0) > 0


@pytest.mark.parametrize(
    ("sizes", "error", "problem"),
    [
        ({"left_size": 0.9, "right_size": 0.5}, ValueError, "is greater than 1"),
        ({"left_size": 11}, ValueError, "`left_size` should be either a positive integer smaller than 10"),
        ({"right_size": -1}, ValueError, "`right_size` should be either a positive integer and smaller than 10"),
        ({}, ValueError, "At least one of the `left_size` or `right_size`"),
        ({"left_size": 6, "right_size": 6}, ValueError, "should be smaller than the 10"),
        ({"left_size": "a"}, TypeError, "Invalid `left_size` Type"),
        ({"left_size": 0.01}, ValueError, "Resulting left side dataset split will be empty"),
    ],
)
def test_sizes_that_do_not_fit(sizes, error, problem):
    with pytest.raises(error, match=problem):
        utils.split_dataset(np.arange(10.0), **sizes)


def test_split_of_a_dataset():
    left, right = utils.split_dataset(windows(None), left_size=0.6, shuffle=True, seed=3)
    assert (len(left), len(right)) == (7, 4)
    assert sorted(plain(left) + plain(right)) == sorted(plain(windows(None)))
    assert plain(left) != plain(windows(None).take(7))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"labels": "guessed"}, "`labels` argument should be a list/tuple"),
        ({"labels": [0], "class_names": ["a"]}, "You can only pass `class_names`"),
        ({"labels": [0, 1]}, r"len\(labels\) is 2 while we found 1 files"),
        ({"label_mode": "float"}, "`label_mode` argument must be one of"),
        ({"label_mode": "binary"}, "there must be exactly 2 class_names"),
        ({"class_names": ["b"]}, "did not match the names of the subdirectories"),
        ({"format": "torch"}, "`format` should be either"),
        ({"validation_split": 2.0, "subset": "training"}, "must be between 0 and 1"),
        ({"validation_split": 0.2}, "If `subset` is set"),
        ({"validation_split": 0.2, "subset": "test"}, "`subset` must be either"),
        ({"validation_split": 0.2, "subset": "training"}, "you must provide a `seed`"),
        ({"validation_split": 0.9, "subset": "training", "shuffle": False}, "Allowed format: .txt"),
    ],
)
def test_texts_that_are_refused(arguments, problem, tmp_path):
    (tmp_path / "a").mkdir()
    if arguments.get("validation_split") != 0.9:
        (tmp_path / "a" / "1.txt").write_text("one")
    with pytest.raises(ValueError, match=problem):
        utils.text_dataset_from_directory(tmp_path, **arguments)


def test_texts_of_both_subsets_go_into_a_model(tmp_path, capsys):
    for kind in ("neg", "pos"):
        (tmp_path / kind).mkdir()
        for number in range(5):
            (tmp_path / kind / f"{number}.txt").write_text(f"{kind} number {number}")
    train, validation = utils.text_dataset_from_directory(
        tmp_path, validation_split=0.2, subset="both", seed=1, batch_size=3
    )
    assert capsys.readouterr().out.splitlines() == [
        "Found 10 files belonging to 2 classes.",
        "Using 8 files for training.",
        "Using 2 files for validation.",
    ]
    to_ids = layers.TextVectorization(output_sequence_length=4)
    to_ids.adapt(train.map(lambda x, y: x))
    assert "number" in to_ids.get_vocabulary()
    model = Sequential([layers.Embedding(30, 3), layers.LSTM(2), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    ready = [part.map(lambda x, y: (to_ids(x), y)) for part in (train, validation)]
    history = model.fit(ready[0], validation_data=ready[1], shuffle=False, verbose=0).history
    assert set(history) == {"loss", "val_loss"}


def test_an_order_that_stays():
    data = Dataset(lambda: iter(range(30)), 30)
    again = data.shuffle(30, seed=3, reshuffle_each_iteration=False)
    anew = data.shuffle(30, seed=3)
    assert list(again) == list(again) == list(anew) != list(anew)
    assert sorted(again) == list(data)


def test_arguments_that_cannot_be_honoured():
    with pytest.raises(NotImplementedError, match="filename=kept"):
        windows().cache("kept")
    with pytest.raises(TypeError, match="unknown"):
        windows().map(lambda x, y: x, unknown=1)
    with pytest.raises(TypeError, match="unknown"):
        windows().batch(2, unknown=1)

import numpy as np
import pytest

from fastlstm import Sequential
from fastlstm.layers import LSTM, Dense, Input
from fastlstm.preprocessing.sequence import TimeseriesGenerator
from fastlstm.preprocessing.text import Tokenizer, one_hot, tokenizer_from_json
from fastlstm.utils import (
    PyDataset,
    Sequence,
    pack_x_y_sample_weight,
    timeseries_dataset_from_array,
    unpack_x_y_sample_weight,
)

SERIES = np.random.default_rng(1).random((40, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return Sequential([Input((5, 2)), LSTM(3), Dense(1)])


def test_arrays_answer_to_numpy():
    """As the tensors of Keras' tutorial of the weather."""
    for inputs, targets in timeseries_dataset_from_array(SERIES, SERIES[:, :1], 5, batch_size=7).take(1):
        assert type(inputs.numpy()) is type(targets.numpy()) is np.ndarray
        assert (inputs.numpy().shape, targets[0].numpy().shape) == ((7, 5, 2), (1,))
    (window, target), *_ = timeseries_dataset_from_array(SERIES, SERIES[:, 0], 5, batch_size=None)
    assert window.numpy().shape == (5, 2) and target.numpy() == SERIES[0, 0]


class Batches(Sequence):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        start = 4 * index
        return np.stack([SERIES[i : i + 5] for i in range(start, start + 4)]), np.zeros(4)


def test_predict_takes_datasets(model):
    windows = np.stack([SERIES[i : i + 5] for i in range(36)])
    expected = model.predict(windows, verbose=0)
    for dataset, rows in (
        (timeseries_dataset_from_array(SERIES, None, 5, batch_size=7), slice(None)),
        (timeseries_dataset_from_array(SERIES, SERIES[:, 0], 5, batch_size=7), slice(None)),
        (TimeseriesGenerator(SERIES, SERIES, 5, batch_size=8), slice(35)),
        (Batches(), slice(12)),
    ):
        np.testing.assert_array_equal(model.predict(dataset, verbose=0), expected[rows])
    np.testing.assert_array_equal(model.predict(Batches(), steps=2, verbose=0), expected[:8])


def test_fit_and_evaluate_take_windows():
    """Keras' tutorial of the weather; as there, the order is the dataset's."""
    windows, targets = np.stack([SERIES[i : i + 5] for i in range(36)]), SERIES[:36, :1]
    models = [Sequential([Input((5, 2)), LSTM(3), Dense(1)]) for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        model.compile("adam", "mse")
    dataset = timeseries_dataset_from_array(SERIES, targets, 5, batch_size=7)
    with pytest.warns(UserWarning, match=r"provided as a tf\.data\.Dataset"):
        history = models[0].fit(dataset, epochs=2, validation_data=dataset, verbose=0)
    expected = models[1].fit(windows, targets, batch_size=7, epochs=2, shuffle=False, verbose=0)
    assert history.history["loss"] == expected.history["loss"] and len(history.history["val_loss"]) == 2
    for ours, other in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_array_equal(ours, other)
    assert models[0].evaluate(dataset, verbose=0) == models[1].evaluate(windows, targets, batch_size=7, verbose=0)
    with pytest.raises(ValueError, match=r"When providing `x` as a tf\.data\.Dataset, `y` should not be passed"):
        models[0].fit(dataset, targets)


def test_fit_shuffles_windows_anew_in_every_epoch():
    model = Sequential([Input((5, 2)), LSTM(3), Dense(1)])
    model.compile("sgd", "mse")
    dataset = timeseries_dataset_from_array(SERIES, SERIES[:, :1], 5, batch_size=7, shuffle=True, seed=1)
    seen = [next(iter(dataset))[1].tolist() for _ in range(2)]
    assert seen[0] != seen[1]
    assert len(model.fit(dataset, epochs=2, shuffle=False, verbose=0).history["loss"]) == 2


def test_batches_by_number():
    dataset = timeseries_dataset_from_array(SERIES, None, 5, batch_size=7)
    assert len(dataset) == dataset.num_batches == 6
    np.testing.assert_array_equal(dataset[5], list(dataset)[5])
    with pytest.raises(IndexError, match=r"There are batches from 0 to 5\. Received: index=6"):
        dataset[6]
    assert len(list(dataset.take(2))) == 2
    assert len(list(dataset.take(-1))) == 6


def test_shuffled_windows():
    def firsts(dataset):
        return np.concatenate(list(dataset))[:, 0].tolist()

    x = np.arange(30)
    plain = firsts(timeseries_dataset_from_array(x, None, 3, batch_size=4))
    shuffled = [timeseries_dataset_from_array(x, None, 3, batch_size=4, shuffle=True, seed=2) for _ in range(2)]
    first, second = firsts(shuffled[0]), firsts(shuffled[0])
    assert sorted(first) == sorted(second) == plain
    assert len({tuple(order) for order in (plain, first, second)}) == 3
    assert [firsts(shuffled[1]), firsts(shuffled[1])] == [first, second]
    pairs = timeseries_dataset_from_array(x, 10 * x, 3, shuffle=True)
    for windows, targets in pairs:
        np.testing.assert_array_equal(10 * windows[:, 0], targets)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_index": -1}, "`start_index` must be 0 or greater. Received: start_index=-1"),
        ({"start_index": 40}, "must be lower than the length of the data. Received: start_index=40, for data of"),
        ({"start_index": 4, "end_index": 3}, "`end_index` must be higher than `start_index`"),
        ({"end_index": 40}, "`end_index` must be lower than the length of the data"),
        ({"end_index": -1}, "`end_index` must be higher than 0"),
        ({"sampling_rate": 0}, "`sampling_rate` must be higher than 0"),
        ({"sampling_rate": 40}, "`sampling_rate` must be lower than the length of the data"),
        ({"sequence_stride": 0}, "`sequence_stride` must be higher than 0"),
        ({"sequence_stride": 40}, "`sequence_stride` must be lower than the length of the data"),
        ({"format": "x"}, '`format` should be either "tf" or "grain". Received: format=x'),
    ],
)
def test_windows_out_of_range(arguments, message):
    with pytest.raises(ValueError) as error:
        timeseries_dataset_from_array(SERIES, None, 5, **arguments)
    assert message in str(error.value)


def test_py_dataset():
    class Bare(PyDataset):
        def __init__(self):
            pass

    with pytest.warns(UserWarning, match="should call `super"):
        assert Bare().workers == 1
    dataset = PyDataset(workers=3)
    dataset.max_queue_size = 7
    assert (dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size) == (3, False, 7)
    with pytest.raises(NotImplementedError, match="You need to implement the `num_batches` property"):
        _ = dataset.num_batches
    with pytest.raises(NotImplementedError):
        dataset[0]

    class Endless(PyDataset):
        def __getitem__(self, index):
            return index

    batches = iter(Endless())
    assert [next(batches) for _ in range(3)] == [0, 1, 2]


def test_timeseries_generator():
    generator = TimeseriesGenerator(SERIES, SERIES, 5, batch_size=8)
    config = generator.get_config()
    assert config["length"] == 5
    assert config["start_index"] == 5
    np.testing.assert_array_equal(np.array(eval(config["data"]), np.float32), SERIES)
    np.random.seed(3)
    x, y = TimeseriesGenerator(np.arange(20), np.arange(20), 4, shuffle=True, batch_size=6)[0]
    np.testing.assert_array_equal(x[:, -1] + 1, y)
    with pytest.raises(ValueError, match="Data length is 3 while target length is 2"):
        TimeseriesGenerator([1, 2, 3], [1, 2], 1)
    with pytest.raises(ValueError, match=r"`start_index.length=3 > end_index=2` is disallowed"):
        TimeseriesGenerator([1, 2, 3], [1, 2, 3], 3)
    with pytest.raises(TypeError, match="Data not JSON Serializable"):
        TimeseriesGenerator([{1}, {2}], [1, 2], 1).to_json()


def test_one_hot_is_by_hash():
    numbers = one_hot("a b a", 9)
    assert numbers[0] == numbers[2] == hash("a") % 8 + 1


def test_tokenizer_refuses():
    with pytest.raises(TypeError, match=r"Unrecognized keyword arguments: {.foo.: 1}"):
        Tokenizer(foo=1)
    with pytest.raises(ValueError, match="Specify a dimension"):
        Tokenizer().sequences_to_matrix([[1]])
    with pytest.raises(ValueError, match="Fit the Tokenizer on some data before using tfidf mode"):
        Tokenizer(5).sequences_to_matrix([[1]], "tfidf")
    with pytest.raises(ValueError, match="Unknown vectorization mode"):
        Tokenizer(5).sequences_to_matrix([[1]], "foo")
    for text in ("{}", "[]", '{"config": {"foo": 1}}', "no"):
        with pytest.raises(ValueError):
            tokenizer_from_json(text)


def test_tokenizer_learns_on():
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(["a b"])
    tokenizer = tokenizer_from_json(tokenizer.to_json())
    tokenizer.fit_on_texts(["b c"])
    assert tokenizer.word_index == {"b": 1, "a": 2, "c": 3}
    tokenizer.fit_on_sequences([[1, 1], [3]])
    assert (tokenizer.document_count, tokenizer.index_docs) == (4, {1: 3, 2: 1, 3: 2})
    own = Tokenizer(analyzer=lambda text: text.split(","))
    own.fit_on_texts(["x,y z"])
    assert own.texts_to_sequences(["y z,x"]) == [[2, 1]]


def test_packing():
    x, y, weights = np.zeros(1), np.ones(1), np.full(1, 2.0)
    for packed, parts in (
        (x, (x, None, None)),
        ((x,), (x, None, None)),
        ([x, y], (x, y, None)),
        ((x, y, weights), (x, y, weights)),
    ):
        assert all(one is other for one, other in zip(unpack_x_y_sample_weight(packed), parts, strict=True))
    assert pack_x_y_sample_weight(x) is x
    assert pack_x_y_sample_weight([x]) == ([x],)
    assert pack_x_y_sample_weight(x, y) == (x, y)
    assert pack_x_y_sample_weight(x, y, weights) == (x, y, weights)
    with pytest.raises(ValueError, match=r"Data is expected to be in format `x`, `\(x,\)`"):
        unpack_x_y_sample_weight((x, y, weights, x))

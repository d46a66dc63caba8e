import numpy as np
import pytest

from fastlstm import metrics
from fastlstm.backend import Tensor, Variable

Y_TRUE = np.array([[0.0, 1], [1, 0], [1, 1]])
Y_PRED = np.array([[0.2, 0.9], [0.4, 0.6], [0.8, np.nan]], np.float32)


class Largest(metrics.Metric):
    """The largest error, and how many batches there were in a metric inside."""

    def __init__(self, name="largest"):
        super().__init__(name=name)
        self.largest = self.add_weight(name="largest")
        self.batches = metrics.Sum()
        self.further = {"list": [Variable(np.float32(0))]}

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest.assign(np.maximum(self.largest, np.abs(y_true - y_pred).max()))
        self.batches.update_state(1.0)

    def result(self):
        return {"largest": self.largest.value[()], "batches": self.batches.result()}


def test_a_metric_of_ones_own():
    metric = Largest()
    assert metric([1.0, 2], np.array([1.5, 2])) == {"largest": 0.5, "batches": 1}
    assert metric([1.0], np.array([1.25])) == {"largest": 0.5, "batches": 2}
    assert [variable.name for variable in metric.variables] == ["largest", "total", "variable"]
    assert metric.variables[0].path == "largest/largest"
    metric.reset_state()
    assert metric.result() == {"largest": 0, "batches": 0}


def test_what_is_forgotten():
    class Forgetful(metrics.Metric):
        def __init__(self):
            pass

    with pytest.raises(RuntimeError, match="You forgot to call `super"):
        Forgetful().add_weight()
    with pytest.raises(RuntimeError, match="You forgot to call `super"):
        Forgetful()(1, 2)
    for method in ("update_state", "result"):
        with pytest.raises(NotImplementedError):
            getattr(metrics.Metric(), method)()


@pytest.mark.parametrize("name", ["TruePositives", "FalsePositives", "Precision", "Recall", "AUC"])
def test_nan_is_above_no_threshold(name):
    metric = getattr(metrics, name)()
    low = np.nan_to_num(Y_PRED, nan=-1.0)
    assert metric(Y_TRUE, Y_PRED) == getattr(metrics, name)()(Y_TRUE, low)


def test_thresholds_in_any_order():
    mixed = metrics.TruePositives([0.7, 0.1, 0.5])(Y_TRUE, Y_PRED)
    for threshold, count in zip([0.7, 0.1, 0.5], mixed, strict=True):
        assert count == metrics.TruePositives(threshold)(Y_TRUE, Y_PRED)


def test_a_carried_mask_leaves_out():
    y_pred = np.array([[1.0], [3.0]], np.float32).view(Tensor)
    y_pred._keras_mask = np.array([True, False])
    assert metrics.MeanSquaredError()([[0.0], [0.0]], y_pred) == 1
    assert metrics.MeanSquaredError()([[0.0], [0.0]], np.asarray(y_pred)) == 5


def test_top_k_with_what_is_no_class():
    scores = [[0.1, 0.5, 0.4], [np.nan, 0.5, 0.4], [0.1, 0.5, 0.4]]
    np.testing.assert_array_equal(metrics.sparse_top_k_categorical_accuracy([2, 0, 7], scores, k=2), [1, 0, 0])
    ids = [[4, 2, 1], [0, 3, 2]]
    np.testing.assert_array_equal(
        metrics.sparse_top_k_categorical_accuracy([2, 2], ids, k=2, from_sorted_ids=True), [1, 0]
    )


def test_wrapper_round_trip():
    metric = metrics.MeanMetricWrapper(metrics.huber, name="mine", delta=0.5)
    again = metrics.get(metrics.serialize(metric))
    assert again.name == "mine"
    assert again([[1.0, 5]], [[0.0, 0]]) == metric([[1.0, 5]], [[0.0, 0]]) > 0


def test_get():
    assert metrics.get(None) is None
    assert type(metrics.get("root_mean_squared_error")) is metrics.RootMeanSquaredError
    assert type(metrics.get("BinaryIoU")) is type(metrics.get("binary_io_u")) is metrics.BinaryIoU
    function = metrics.binary_accuracy
    assert metrics.get(function) is function
    with pytest.raises(ValueError, match="Could not interpret metric identifier: foo"):
        metrics.get("foo")


@pytest.mark.parametrize(
    ("attempt", "error", "message"),
    [
        (lambda: metrics.Mean(dtype="float16"), NotImplementedError, "Metric 'mean' computes in float32"),
        (lambda: metrics.MeanIoU(2, dtype="complex64"), NotImplementedError, "counts in one of"),
        (lambda: metrics.Precision([0.5, 2]), ValueError, "Threshold values must be in [0, 1]. Received: [2]"),
        (lambda: metrics.Precision(class_id=1)([0.0], [1.0]), ValueError, "When class_id is provided, y_pred must be"),
        (lambda: metrics.PrecisionAtRecall(1.5), ValueError, "Argument `recall` must be in the range [0, 1]"),
        (lambda: metrics.PrecisionAtRecall(0.5, 0), ValueError, "Argument `num_thresholds` must be an integer > 0"),
        (lambda: metrics.AUC(1), ValueError, "Argument `num_thresholds` must be an integer > 1"),
        (lambda: metrics.AUC(curve="x"), ValueError, 'Invalid AUC curve value: "x". Expected values are ["PR", "ROC"'),
        (lambda: metrics.AUC(num_labels=2), ValueError, "`num_labels` is needed only when `multi_label` is True"),
        (lambda: metrics.AUC(multi_label=True)([0], [1]), ValueError, "`y_pred` must have rank 2 when `multi_label"),
        (lambda: metrics.F1Score()([1.0], [1.0]), ValueError, "FBetaScore expects 2D inputs"),
        (lambda: metrics.R2Score()([[[1.0]]], [[[1.0]]]), ValueError, "R2Score expects 2D inputs"),
        (lambda: metrics.IoU(2, [2]), ValueError, "Target class id 2 is out of range, which is [0, 2)"),
    ],
)
def test_refused(attempt, error, message):
    with pytest.raises(error) as raised:
        attempt()
    assert message in str(raised.value)


@pytest.mark.parametrize(("regressors", "message"), [(3, "Division by zero"), (7, "More independent predictors")])
def test_r2_score_with_too_few_samples(regressors, message):
    plain = metrics.R2Score()([[1.0, 2], [2, 4]], [[1.5, 2], [2, 3]])
    with pytest.warns(UserWarning, match=message):
        assert metrics.R2Score(num_regressors=regressors)([[1.0, 2], [2, 4]], [[1.5, 2], [2, 3]]) == plain

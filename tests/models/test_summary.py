import numpy as np
import pytest

from fastlstm import Input, Sequential
from fastlstm.layers import LSTM, Dense, Dropout


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def model():
    layers = [Input((5, 3)), LSTM(4, return_sequences=True, name="foo"), Dropout(0.2, name="drop")]
    return Sequential([*layers, Dense(2000, name="dense")], name="mymodel")


def printed(model, **arguments):
    texts = []
    assert model.summary(print_fn=texts.append, **arguments) is None
    assert len(texts) == 1
    return texts[0]


def test_layout(model, capsys):
    expected = """\
Model: "mymodel"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ foo (LSTM)                      │ (None, 5, 4)           │           128 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ drop (Dropout)                  │ (None, 5, 4)           │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense (Dense)                   │ (None, 5, 2000)        │        10,000 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 10,128 (39.56 KB)
 Trainable params: 10,128 (39.56 KB)
 Non-trainable params: 0 (0.00 B)
"""
    assert printed(model) == expected
    model.summary()
    assert capsys.readouterr().out == expected


def test_the_optimizer_counts_once_it_has_a_state():
    model = Sequential([Input((4, 2)), LSTM(3), Dense(1)])
    model.compile("adam", "mse")
    assert "Total params: 76 (304.00 B)" in printed(model) and "Optimizer" not in printed(model)
    model.fit(np.zeros((4, 4, 2)), np.zeros((4, 1)), verbose=0)
    text = printed(model)
    assert text.endswith(" Non-trainable params: 0 (0.00 B)\n Optimizer params: 154 (620.00 B)\n")
    assert "Total params: 230 (924.00 B)" in text and "Trainable params: 76 (304.00 B)" in text


@pytest.mark.parametrize(
    ("run", "shape"),
    [
        (lambda model, x, y: model(x), (5, 3)),
        (lambda model, x, y: model.predict(x, batch_size=2, verbose=0), (2, 3)),
        (lambda model, x, y: model.train_on_batch(x, y), (5, 3)),
        (lambda model, x, y: model.fit(x, y, batch_size=2, verbose=0), (None, 3)),
        (lambda model, x, y: model.evaluate(x, y, verbose=0), (None, 3)),
    ],
)
def test_rows_of_a_model_that_its_first_call_builds(run, shape):
    model = Sequential([LSTM(3), Dense(1)])
    model.compile("sgd", "mse")
    run(model, np.zeros((5, 4, 2), "float32"), np.zeros((5, 1), "float32"))
    assert model.layers[0].output.shape == shape and f"│ {shape} " in printed(model)


def test_unbuilt():
    text = printed(Sequential([LSTM(3, name="a")], name="u"))
    assert "│ a (LSTM)                        │ ?                      │   0 (unbuilt) │" in text
    assert "Total params: 0 (0.00 B)" in text


def test_trainable(model, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    model.layers[0].trainable = False
    text = printed(model, show_trainable=True)
    rows = {line.split()[1]: line.split()[-2] for line in text.splitlines() if line.startswith("│")}
    assert rows == {"foo": "N", "drop": "-", "dense": "Y"}
    assert "Trainable params: 10,000 (39.06 KB)" in text
    assert "Non-trainable params: 128 (512.00 B)" in text


def test_nested_and_several_outputs():
    inner = Sequential([LSTM(3, return_sequences=True, name="a"), Dense(2, name="b")], name="inner")
    model = Sequential([Input((5, 3)), inner, LSTM(200, return_state=True, name="[bold]c")])
    text = printed(model)
    assert "│ inner (Sequential)              │ (None, 5, 2)           │            92 │" in text
    assert "│ [bold]c (LSTM)                  │ [(None, 200), (None,   │       162,400 │" in text
    assert "└ a (LSTM)" not in text
    assert "│    └ a (LSTM)                   │ (None, 5, 3)           │            84 │" in printed(
        model, expand_nested=True
    )


def test_range(model):
    text = printed(model, layer_range=("foo", "dr.*"))
    assert "drop" in text
    assert "dense" not in text
    for layer_range, message in (
        (("foo",), "layer_range must be a list or tuple of length 2. Received: layer_range = ('foo',) of length 1"),
        (("foo", "zzz"), "Passed layer_names do not match the layer names in the model. Received: ('foo', 'zzz')"),
        ((1, 2), "layer_range should contain string type only. Received: (1, 2)"),
    ):
        with pytest.raises(ValueError) as error:
            printed(model, layer_range=layer_range)
        assert str(error.value) == message
    with pytest.raises(ValueError, match="Insufficient console width"):
        printed(model, line_length=10)


def test_in_a_notebook(model):
    html = model._repr_html_()
    assert "<b>Model: mymodel</b>" in html and "Total params: 10,128 (39.56 KB)" in html
    assert html.count("<tr>") == 4 and "<td style='text-align: right'>10,000</td>" in html
    assert "&lt;b&gt;" in Sequential([Input((2,)), Dense(1)], name="<b>")._repr_html_()

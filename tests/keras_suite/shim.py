"""Enough of Keras' module tree, forwarding to fastlstm, for Keras' own test files to run unmodified.

The files are read from the installed `keras` package, which itself is never imported.
"""

import contextlib
import importlib.metadata
import json
import re
import shutil
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
from absl.testing import parameterized

import fastlstm
from fastlstm.layers.base import dtype_policy
from fastlstm.layers.base.arrays import carried_mask
from fastlstm.layers.base.input_spec import standardize_shape
from fastlstm.layers.base.structure import map_shapes, map_structure
from fastlstm.layers.rnn.conv_lstm import ConvLSTMCell
from fastlstm.layers.symbolic.keras_tensor import KerasTensor

# What tests of other backends or of parts that fastlstm does not have need in order to be defined.
FLASH = dict.fromkeys(("disable_flash_attention", "enable_flash_attention"), lambda: None)
ACTIVATIONS = ("elu", "leaky_relu", "prelu", "relu", "softmax")
NOT_THERE = mock.MagicMock(name="not in fastlstm")


def module(name, **contents):
    made = types.ModuleType(f"keras.src.{name}" if name else "keras.src")
    vars(made).update(contents)
    return made


@contextlib.contextmanager
def stubbed(stubs):
    """The stubs as modules for a while; whatever else is imported meanwhile stays."""
    before = {name: sys.modules.get(name) for name in stubs}
    sys.modules.update(stubs)
    try:
        yield
    finally:
        for name, original in before.items():
            if original is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = original


class TestCase(parameterized.TestCase):
    """Keras' `testing.TestCase`, with a `run_layer_test` that leaves out training and dtypes."""

    def setUp(self):
        modules = stubbed(STUBS)
        modules.__enter__()
        self.addCleanup(modules.__exit__, None, None, None)
        fastlstm.backend.clear_session()
        # Many of the tests draw with NumPy's global random numbers.
        np.random.seed(1337)

    def get_temp_dir(self):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        return directory

    def assertAllClose(self, actual, desired, atol=1e-6, rtol=1e-6, tpu_atol=None, tpu_rtol=None, msg=None):
        np.testing.assert_allclose(np.asarray(actual), np.asarray(desired), rtol, atol, err_msg=msg or "")

    def assertNotAllClose(self, actual, desired, atol=1e-6, rtol=1e-6, msg=None):
        self.assertFalse(np.allclose(np.asarray(actual), np.asarray(desired), rtol, atol), msg)

    def assertAllEqual(self, actual, desired, msg=None):
        np.testing.assert_array_equal(np.asarray(actual), np.asarray(desired), err_msg=msg or "")

    def assertAlmostEqual(self, actual, desired, decimal=3, tpu_decimal=None, msg=None):
        np.testing.assert_almost_equal(np.asarray(actual), np.asarray(desired), decimal, err_msg=msg or "")

    def assertDType(self, x, dtype, msg=None):
        self.assertEqual(np.asarray(x).dtype.name, fastlstm.backend.standardize_dtype(dtype), msg)

    def assertSparse(self, x, sparse=True, msg=None):
        self.assertFalse(sparse, msg)

    def assertLen(self, container, expected_len, msg=None):
        self.assertEqual(len(container), expected_len, msg)

    def run_class_serialization_test(self, instance, custom_objects=None):
        config = instance.get_config()
        rooms = type(instance).__module__.split(".")
        room = fastlstm.optimizers.schedules if "schedules" in rooms else getattr(fastlstm, rooms[1])
        for revived in (
            type(instance).from_config(json.loads(json.dumps(config))),
            room.deserialize(json.loads(json.dumps(room.serialize(instance)))),
        ):
            self.assertEqual(json.dumps(revived.get_config()), json.dumps(config))
        return revived

    def run_layer_test(
        self,
        layer_cls,
        init_kwargs,
        input_shape=None,
        input_dtype="float32",
        call_kwargs=None,
        input_data=None,
        expected_output=None,
        expected_output_shape=None,
        expected_num_trainable_weights=None,
        expected_num_non_trainable_weights=None,
        expected_num_losses=None,
        supports_masking=None,
        custom_objects=None,
        **of_training_and_dtypes,
    ):
        def check_weights():
            for weights, expected in (
                (layer.trainable_weights, expected_num_trainable_weights),
                (layer.non_trainable_weights, expected_num_non_trainable_weights),
            ):
                if expected is not None:
                    self.assertLen(weights, expected)

        input_shape = map_structure(np.shape, input_data) if input_shape is None else input_shape
        layer = layer_cls(**init_kwargs)
        if supports_masking is not None:
            self.assertEqual(layer.supports_masking, supports_masking)
        if all(type(part).__module__.startswith("fastlstm.") for part in parts(layer)):
            self.run_class_serialization_test(layer)
        several = isinstance(input_shape, dict)
        if several:
            layer.build(**input_shape)
        else:
            layer.build(input_shape)
        check_weights()
        layer = layer_cls(**init_kwargs)
        x = input_data
        if x is None:
            draw = np.random.default_rng(1).random
            x = map_shapes(lambda shape: (3 * draw(shape)).astype(input_dtype), input_shape)
        named = {name.removesuffix("_shape"): value for name, value in x.items()} if several else {}
        given = {name: value for name, value in (call_kwargs or {}).items() if name != "training"}
        output = layer(**named, **given) if several else layer(x, **given)
        check_weights()
        if expected_output is not None:
            self.assertAllClose(output, expected_output)
        if expected_output_shape is not None:
            self.assertEqual(output.shape, expected_output_shape)
            if several:
                self.assertEqual(layer.compute_output_shape(**input_shape), expected_output_shape)
                return
            symbolic = map_shapes(KerasTensor, input_shape)
            self.assertEqual(layer_cls(**init_kwargs)(symbolic).shape, expected_output_shape)
            self.assertEqual(layer.compute_output_shape(input_shape), expected_output_shape)
        if expected_num_losses is not None:
            self.assertLen(layer.losses, expected_num_losses)


def index_lookup(vocabulary_dtype, **arguments):
    """Keras' base class of the lookups, of a kind of term."""
    kind = fastlstm.layers.StringLookup if vocabulary_dtype == "string" else fastlstm.layers.IntegerLookup
    return kind(**arguments)


def unskipped(backend, reason):
    """The mark of tests that a backend of Keras skips."""
    return lambda test: test


def parts(layer):
    yield layer
    for child in layer.children:
        yield from parts(child)


def source(path):
    """The text of a file of the installed Keras."""
    return importlib.metadata.distribution("keras").locate_file(f"keras/src/{path}").read_text(encoding="utf-8")


def loaded(path):
    """A file of Keras as a module that finds the shim where it asks for Keras."""
    name = "keras.src." + path.removesuffix(".py").replace("/", ".")
    made = types.ModuleType(name)
    with stubbed({**STUBS, name: made}):
        exec(compile(source(path), path, "exec"), vars(made))
    STUBS[name] = made
    return made


def test_classes(path):
    """The test cases that a file of Keras defines."""
    values = vars(loaded(path)).values()
    return [value for value in values if isinstance(value, type) and issubclass(value, TestCase)]


def with_skips(case, left_out):
    """Mark the tests that are left out, and return how often each reason was of use."""
    used = dict.fromkeys(left_out, 0)
    for name in unittest.defaultTestLoader.getTestCaseNames(case):
        for pattern, reason in left_out:
            if re.search(pattern, f"{case.__name__}.{name}"):
                setattr(case, name, unittest.skip(reason)(getattr(case, name)))
                used[pattern, reason] += 1
    return used


def collected(files):
    """The test cases of files, by names of their own, and how often each reason to leave one out was of use.

    Args:
        files: File → `((pattern, reason), …)`; the patterns are searched for in `Class.test`.
    """
    cases, used = {}, {}
    for path, left_out in files.items():
        used[path] = dict.fromkeys(left_out, 0)
        for case in test_classes(path):
            cases[f"{Path(path).stem}_{case.__name__}"] = case
            for reason, count in with_skips(case, left_out).items():
                used[path][reason] += count
    return cases, used


def _stubs():
    backend = module(
        "backend",
        KerasTensor=KerasTensor,
        Variable=np.asarray,
        SUPPORTS_RAGGED_TENSORS=False,
        SUPPORTS_SPARSE_TENSORS=False,
        backend=lambda: "fastlstm",
        config=fastlstm.config,
        convert_to_numpy=np.asarray,
        convert_to_tensor=lambda x, dtype=None, **rest: np.asarray(x, dtype).view(fastlstm.backend.Tensor),
        floatx=fastlstm.backend.floatx,
        get_keras_mask=carried_mask,
        is_int_dtype=fastlstm.backend.is_int_dtype,
        is_tensor=lambda x: isinstance(x, np.ndarray),
        image_data_format=fastlstm.config.image_data_format,
        set_image_data_format=fastlstm.config.set_image_data_format,
        set_keras_mask=lambda x, mask: setattr(x, "_keras_mask", np.asarray(mask)),
        standardize_dtype=fastlstm.backend.standardize_dtype,
        standardize_shape=standardize_shape,
    )
    ops = module(
        "ops",
        **fastlstm.ops.FUNCTIONS,
        **{name: getattr(np, name) for name in ("ones", "shape", "zeros")},
        convert_to_numpy=np.asarray,
        random=fastlstm.random,
    )
    ops.full = np.full
    ops.cast = lambda x, dtype: np.asarray(x, dtype)
    ops.convert_to_tensor = lambda x, dtype=None, **rest: np.asarray(x, dtype)
    without = dict.fromkeys(("jax_uses_gpu", "jax_uses_tpu", "tensorflow_uses_gpu"), lambda: False)
    testing = module("testing", TestCase=TestCase, **without)
    testing.test_case = testing
    saving = module("saving", load_model=fastlstm.models.load_model, saving_api=fastlstm.models)
    ours = {
        name: getattr(fastlstm, name)
        for name in ("activations", "constraints", "initializers", "layers", "random", "regularizers", "utils")
    }
    ours["layers"] = module("layers", **vars(fastlstm.layers))
    ours["layers"].GroupedQueryAttention = fastlstm.layers.GroupQueryAttention
    ours["layers"].IndexLookup = index_lookup
    top = {"backend": backend, "models": fastlstm.models, "ops": ops, "saving": saving, "testing": testing, **ours}
    top["dtype_policies"] = module("dtype_policies", serialize=dtype_policy.serialize)
    top |= dict.fromkeys(("export", "optimizers", "quantizers"), NOT_THERE)
    top |= {"Model": fastlstm.Model, "Sequential": fastlstm.Sequential}
    deep = {
        "backend.config": module("backend.config", is_flash_attention_enabled=lambda: False, **FLASH),
        "losses": fastlstm.losses,
        "saving.saving_api": fastlstm.models,
        "trainers": NOT_THERE,
        "trainers.data_adapters": NOT_THERE,
        "trainers.data_adapters.py_dataset_adapter": fastlstm.utils,
        **{f"layers.activations.{name}": fastlstm.layers for name in ACTIVATIONS},
        "backend.common": module("backend.common"),
        "backend.common.keras_tensor": module("backend.common.keras_tensor", KerasTensor=KerasTensor),
        "layers.core.input_layer": fastlstm.layers,
        "layers.rnn.conv_lstm": module(
            "layers.rnn.conv_lstm",
            ConvLSTM=lambda rank, **arguments: getattr(fastlstm.layers, f"ConvLSTM{rank}D")(**arguments),
            ConvLSTMCell=ConvLSTMCell,
        ),
        "models.functional": module("models.functional", Functional=NOT_THERE),
        "models.model": fastlstm.models,
        "models.sequential": fastlstm.models,
        "quantizers.awq_config": NOT_THERE,
        "quantizers.gptq_config": NOT_THERE,
        "quantizers.quantization_config": NOT_THERE,
        "quantizers.quantizers": NOT_THERE,
    }
    deep["layers.activations"] = module("layers.activations", **dict.fromkeys(ACTIVATIONS, fastlstm.layers))
    src = module("", **top)
    below = {f"keras.src.{name}": stub for name, stub in {**top, **deep}.items()}
    deep["backend.common"].keras_tensor = deep["backend.common.keras_tensor"]
    # What is below it is found among the stubs alone.
    deep["backend.common"].__path__ = []
    # What is below it is not there.
    elsewhere = {"conftest": module("conftest", skip_if_backend=unskipped), "grain": NOT_THERE, "tensorflow": NOT_THERE}
    return {
        **elsewhere,
        "keras": types.ModuleType("keras"),
        "keras.backend": fastlstm.backend,
        "keras.src": src,
        **below,
    }


STUBS = _stubs()
loaded("testing/test_utils.py")
# What the reference functions of transposed convolutions reckon their shapes with.
loaded("backend/common/backend_utils.py")

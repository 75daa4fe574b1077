"""The installed package: what is in it, `load_model`, its errors, and the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mlflow.exceptions
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mlflight
from mlflight import _native, _paths


def test_the_wheel_carries_every_piece():
    assert "site-packages" in str(_paths.ROOT), "the suites run from the installed wheel"
    assert _paths.native() is not None
    assert _paths.jar(4, "2.13") is not None
    assert os.access(_paths.BINARY, os.X_OK)


def test_import_starts_no_thread_and_imports_neither_spark_nor_mlflow():
    program = (
        "import os, sys, mlflight\n"
        "print(len(os.listdir('/proc/self/task')), 'pyspark' in sys.modules, 'mlflow' in sys.modules, mlflight.__version__)"
    )
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["1", "False", "False", mlflight.__version__]


def test_the_command_is_the_same_version(binary: Path):
    out = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["mlflight", mlflight.__version__]


def test_predictions_of_tables_batches_and_frames_agree(model):
    case = model("linreg20")
    loaded = mlflight.load_model(case.path)
    table = case.input
    whole = loaded.predict(table)
    assert isinstance(whole, pa.ChunkedArray)
    assert whole.type == loaded.output_schema.field("prediction").type == pa.float64()
    batch = table.combine_chunks().to_batches()[0]
    assert loaded.predict(batch).equals(whole.combine_chunks())
    frame = table.to_pandas().set_index(pd.Index(range(5, 5 + table.num_rows)))
    answer = loaded.predict(frame)
    assert isinstance(answer, pd.Series)
    assert answer.index.equals(frame.index)
    assert answer.to_numpy().tolist() == whole.to_pylist()
    np.testing.assert_allclose(whole.to_numpy(), case.expected.column(0).to_numpy(), rtol=1e-12)


def test_columns_go_by_name_and_an_empty_table_gives_no_rows(model):
    case = model("linreg20")
    loaded = mlflight.load_model(case.path)
    shuffled = case.input.select(list(reversed(case.input.column_names)))
    assert loaded.predict(shuffled).equals(loaded.predict(case.input))
    assert len(loaded.predict(case.input.slice(0, 0))) == 0
    assert [field.name for field in loaded.input_schema] == case.input.column_names


def test_what_was_an_index_in_pandas_is_a_column_to_the_model(model):
    case = model("linreg20")
    loaded = mlflight.load_model(case.path, engine="python")
    # pandas' notes in the schema of the table call the last column an index.
    table = pa.Table.from_pandas(case.input.to_pandas().set_index("f19"))
    assert table.column_names == case.input.column_names
    assert b'"index_columns": ["f19"]' in table.schema.metadata[b"pandas"]
    assert loaded.predict(table).equals(loaded.predict(case.input))


def test_params_reach_the_model(model):
    case = model("pyfunc_custom")
    loaded = mlflight.load_model(case.path)
    assert loaded.engine == "python"
    plain = loaded.predict(case.input).to_numpy()
    scaled = loaded.predict(case.input, {"scale": 3.0}).to_numpy()
    a, b = case.input["a"].to_numpy(), case.input["b"].to_numpy()
    np.testing.assert_allclose(scaled - plain, (a + b) * 2, atol=1e-9)
    moved = mlflight.load_model(case.path, model_config={"offset": 10.5}).predict(case.input).to_numpy()
    np.testing.assert_allclose(moved - plain, 10.0, atol=1e-9)


def test_engines_agree_and_say_who_scores(model):
    case = model("xgb_reg")
    native, python = (mlflight.load_model(case.path, engine=engine) for engine in ("native", "python"))
    assert (native.engine, python.engine) == ("native", "python")
    assert native.reason
    assert native.predict(case.input).to_pylist() == python.predict(case.input).to_pylist()


@pytest.mark.parametrize("name", ["xgb_reg", "linreg20", "pyfunc_custom"])
def test_a_fork_after_a_prediction_scores_too(model, name):
    case = model(name)
    loaded = mlflight.load_model(case.path)
    before = loaded.predict(case.input).to_pylist()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            same = loaded.predict(case.input).to_pylist() == before
            os.write(write, b"same" if same else b"other")
        except BaseException as error:
            os.write(write, repr(error).encode()[:4000])
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"same"
    assert loaded.predict(case.input).to_pylist() == before, "the parent still scores"


@pytest.mark.parametrize(
    ("act", "kind", "error_code", "words"),
    [
        (lambda case: mlflight.load_model(case.path.parent / "nowhere"), "NOT_FOUND", "RESOURCE_DOES_NOT_EXIST", ["nowhere"]),
        (lambda case: mlflight.load_model(case.path.parent), "NOT_FOUND", "RESOURCE_DOES_NOT_EXIST", ["MLmodel"]),
        (
            lambda case: mlflight.load_model(case.path, engine="fast"),
            "INVALID_ARGUMENT",
            "INVALID_PARAMETER_VALUE",
            ["fast", "native"],
        ),
        (
            lambda case: mlflight.load_model(case.path).predict(case.input.drop_columns(["f3"])),
            "INVALID_ARGUMENT",
            "INVALID_PARAMETER_VALUE",
            ["f3"],
        ),
        (
            lambda case: mlflight.load_model(case.path).predict([1, 2]),
            "INVALID_ARGUMENT",
            "INVALID_PARAMETER_VALUE",
            ["list", "pyarrow.Table"],
        ),
    ],
)
def test_failures_are_mlflow_exceptions_that_say_what_was_wrong(model, act, kind, error_code, words):
    with pytest.raises(mlflight.MlflightError) as caught:
        act(model("linreg20"))
    error = caught.value
    assert isinstance(error, mlflow.exceptions.MlflowException)
    assert (error.kind, error.error_code) == (kind, error_code)
    for word in words:
        assert word in str(error)


def test_a_failed_model_carries_its_traceback(tmp_path: Path):
    class Broken(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            raise ValueError("the gears are stuck")

    mlflow.pyfunc.save_model(tmp_path / "model", python_model=Broken(), pip_requirements=["mlflow"])
    loaded = mlflight.load_model(tmp_path / "model")
    with pytest.raises(mlflight.ModelFailedError, match="the gears are stuck") as caught:
        loaded.predict(pa.table({"a": [1.0]}))
    assert "in predict" in caught.value.traceback


def test_a_packed_model_unpacks_to_the_same(model, tmp_path: Path):
    case = model("xgb_reg")
    archive = _native.pack_model(str(case.path), str(tmp_path))
    digest = _native.make_spec(str(case.path)).digest
    assert Path(archive).name == f"mlflight-model-{digest}.mlflight"
    unpacked = _native.unpack_model(archive, digest, str(tmp_path / "cache"))
    assert mlflight.load_model(unpacked).predict(case.input).equals(mlflight.load_model(case.path).predict(case.input))

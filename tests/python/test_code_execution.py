"""MLFLOW_ALLOW_MODEL_CODE_EXECUTION=false holds wherever a caller names a model."""

from __future__ import annotations

import pytest

import mlflight

REFUSAL = "runs its own Python code"


@pytest.fixture(params=["MLFLOW_ALLOW_MODEL_CODE_EXECUTION", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"])
def refused(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid models to run code, by the new name of the variable and by the old one."""
    monkeypatch.setenv(request.param, "false")


@pytest.mark.usefixtures("refused")
def test_load_model_refuses_python_and_takes_native_models(model) -> None:
    for engine in ("auto", "python"):
        with pytest.raises(mlflight.MlflightError, match=REFUSAL):
            mlflight.load_model(model("pyfunc_custom").path, engine=engine)
    with pytest.raises(mlflight.MlflightError, match=REFUSAL):
        mlflight.load_model(model("xgb_reg").path, engine="python")
    native = model("xgb_reg")
    assert len(mlflight.load_model(native.path).predict(native.input)) == len(native.input)


def test_spark_udf_refuses_while_it_plans(model, spark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_MODEL_CODE_EXECUTION", "false")
    with pytest.raises(mlflight.MlflightError, match=REFUSAL):
        mlflight.spark_udf(spark, model("pyfunc_custom").path)
    assert mlflight.spark_udf(spark, model("xgb_reg").path).engine == "native"


def test_a_value_that_is_neither_is_an_error(model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_MODEL_CODE_EXECUTION", "nope")
    with pytest.raises(mlflight.MlflightError, match="MLFLOW_ALLOW_MODEL_CODE_EXECUTION: 'nope' is no truth value"):
        mlflight.load_model(model("pyfunc_custom").path)

"""One small model of each flavor, for the suites that save, load and score them with mlflight and with MLflow."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROWS = pd.DataFrame(np.random.default_rng(3).normal(size=(60, 4)), columns=["a", "b", "c", "d"])
LABELS = (ROWS["a"] + ROWS["b"] * ROWS["c"] > 0).astype("int64")
NUMBERS = ROWS["a"] * 2 - ROWS["d"]


@dataclass(frozen=True)
class Case:
    """A fitted model with what its flavor's functions are called with."""

    flavor: str
    model: Any
    #: Answers the rows with the library's own object.
    answer: Callable[[Any], Any]
    #: Arguments of ``save_model`` of mlflight and of MLflow.
    options: dict[str, Any] = field(default_factory=dict)
    #: Arguments that MLflow's alone is given.
    theirs: dict[str, Any] = field(default_factory=dict)
    rows: Any = None

    @property
    def input(self) -> Any:
        return ROWS if self.rows is None else self.rows

    @property
    def expected(self) -> np.ndarray:
        return flat(self.answer(self.model))

    def save_ours(self, path: Path) -> None:
        importlib.import_module(f"mlflight.{self.flavor}").save_model(self.model, path, **self.options)

    def save_theirs(self, path: Path) -> None:
        module = importlib.import_module(f"mlflow.{self.flavor}")
        module.save_model(self.model, str(path), pip_requirements=["mlflow"], **self.options, **self.theirs)


def flat(answer: Any) -> np.ndarray:
    """Return an answer of any form as its numbers in the order of the rows."""
    if isinstance(answer, dict):
        answer = next(iter(answer.values()))
    if hasattr(answer, "to_pandas") and not hasattr(answer, "iloc"):
        answer = answer.to_pandas()
    values = np.asarray(answer)
    if values.dtype == object:
        values = np.array([np.asarray(value).reshape(-1) for value in values.reshape(-1)])
    return values.reshape(-1)


def sklearn(form: str) -> Case:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)
    return Case("sklearn", model, lambda model: model.predict(ROWS), {"serialization_format": form})


def sklearn_proba(form: str) -> Case:
    case = sklearn(form)
    return Case(
        "sklearn", case.model, lambda model: model.predict_proba(ROWS), {**case.options, "pyfunc_predict_fn": "predict_proba"}
    )


def xgboost_booster() -> Case:
    import xgboost

    model = xgboost.train({"max_depth": 2, "objective": "reg:squarederror"}, xgboost.DMatrix(ROWS, NUMBERS), 5)
    return Case("xgboost", model, lambda model: model.predict(xgboost.DMatrix(ROWS)))


def xgboost_estimator() -> Case:
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=5, max_depth=2).fit(ROWS, LABELS)
    return Case("xgboost", model, lambda model: model.predict(ROWS), {"model_format": "json"})


def lightgbm_booster() -> Case:
    import lightgbm

    model = lightgbm.train({"verbose": -1, "min_data_in_leaf": 3}, lightgbm.Dataset(ROWS, NUMBERS), 5)
    return Case("lightgbm", model, lambda model: model.predict(ROWS))


def lightgbm_estimator(form: str | None) -> Case:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=3, verbose=-1).fit(ROWS, LABELS)
    return Case("lightgbm", model, lambda model: model.predict(ROWS), {} if form is None else {"serialization_format": form})


def catboost() -> Case:
    from catboost import CatBoostRegressor

    model = CatBoostRegressor(iterations=5, depth=2, verbose=False, allow_writing_files=False).fit(ROWS, NUMBERS)
    return Case("catboost", model, lambda model: model.predict(ROWS))


def onnx() -> Case:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.array([[1.0], [2.0], [3.0], [4.0]], "float32"), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "line",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

    def answer(model: Any) -> Any:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, {"x": ROWS.to_numpy("float32")})[0]

    return Case("onnx", model, answer)


def keras() -> Case:
    import tensorflow

    model = tensorflow.keras.Sequential([tensorflow.keras.layers.Input((4,)), tensorflow.keras.layers.Dense(1)])
    return Case("tensorflow", model, lambda model: model.predict(ROWS.to_numpy(), verbose=0), {"signature": _tensors("float32")})


def tensorflow_module() -> Case:
    import tensorflow

    class Doubles(tensorflow.Module):
        @tensorflow.function(input_signature=[tensorflow.TensorSpec([None, 4], tensorflow.float32)])
        def __call__(self, x: Any) -> Any:
            return tensorflow.reduce_sum(x * 2, axis=1)

    rows = ROWS.to_numpy("float32")
    return Case(
        "tensorflow", Doubles(), lambda model: model(tensorflow.constant(rows)).numpy(), {"signature": _tensors("float32")}
    )


def _tensors(dtype: str) -> Any:
    from mlflow.models import infer_signature

    return infer_signature(ROWS.to_numpy(dtype), np.zeros((len(ROWS), 1), dtype))


def h2o() -> Case:
    import h2o as library

    library.init(verbose=False)
    library.no_progress()
    from h2o.estimators import H2OGeneralizedLinearEstimator

    model = H2OGeneralizedLinearEstimator(lambda_=0)
    frame = library.H2OFrame(ROWS.assign(y=NUMBERS))
    model.train(x=list(ROWS.columns), y="y", training_frame=frame)
    return Case("h2o", model, lambda model: model.predict(library.H2OFrame(ROWS)).as_data_frame())


#: Models whose libraries are in every environment; pickles, which every MLflow reads.
CASES: dict[str, Callable[[], Case]] = {
    "sklearn-cloudpickle": lambda: sklearn("cloudpickle"),
    "sklearn-pickle": lambda: sklearn_proba("pickle"),
    "xgboost-booster": xgboost_booster,
    "xgboost-estimator": xgboost_estimator,
    "lightgbm-booster": lightgbm_booster,
    "catboost": catboost,
    "onnx": onnx,
}
#: Those that MLflow has read since 3.x alone.
SKOPS_CASES: dict[str, Callable[[], Case]] = {
    "sklearn-skops": lambda: sklearn("skops"),
    "lightgbm-estimator": lambda: lightgbm_estimator(None),
}
#: Those of large libraries.
LARGE_CASES: dict[str, Callable[[], Case]] = {
    "keras": keras,
    "tensorflow-module": tensorflow_module,
    "h2o": h2o,
}

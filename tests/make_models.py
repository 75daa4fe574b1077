"""Train and save the real models that the test suites score.

``make_models.py OUT [NAME ...]`` writes ``OUT/NAME/model`` (an MLflow Model), ``OUT/NAME/input.parquet`` (rows to score) and
``OUT/NAME/expected.parquet``: what ``mlflow.pyfunc`` predicts for them, one column for each column of the answer, an unnamed
answer's columns named ``0``, ``1``, ... A model that is already there is left as it is.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.models import ModelSignature, infer_signature
from mlflow.types.schema import ColSpec, ParamSchema, ParamSpec, Schema

ROWS = 1000
SEED = 7

Builder = Callable[[Path], pa.Table]
BUILDERS: dict[str, Builder] = {}


def model(builder: Builder) -> Builder:
    """Register a function that saves a model at a path and returns the rows to score."""
    BUILDERS[builder.__name__] = builder
    return builder


def doubles(count: int, rows: int = ROWS) -> pd.DataFrame:
    """Return ``count`` columns ``f0``, ``f1``, ... of normal doubles."""
    values = np.random.default_rng(SEED).normal(size=(rows, count))
    return pd.DataFrame(values, columns=[f"f{i}" for i in range(count)])


def schema(columns: Iterable[tuple[str, str]], optional: Iterable[str] = ()) -> Schema:
    """Return a signature schema of ``(type, name)`` pairs."""
    optional = set(optional)
    return Schema([ColSpec(kind, name, required=name not in optional) for kind, name in columns])


@model
def linreg20(path: Path) -> pa.Table:
    """Linear regression over 20 doubles, the model of the benchmarks."""
    from sklearn.linear_model import LinearRegression

    x = doubles(20)
    y = x.to_numpy() @ np.linspace(-1, 1, 20) + 0.5
    fitted = LinearRegression().fit(x, y)
    signature = ModelSignature(infer_signature(x).inputs, Schema([ColSpec("double")]))
    mlflow.sklearn.save_model(fitted, path, signature=signature, pip_requirements=["mlflow", "scikit-learn"])
    return pa.Table.from_pandas(x, preserve_index=False)


@model
def whole_numbers(path: Path) -> pa.Table:
    """Linear regression whose declared doubles come as whole numbers, some of them null-free int64, some int32."""
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(SEED)
    x = pd.DataFrame({
        "count": rng.integers(-1000, 1_000_000, ROWS),
        "age": rng.integers(0, 100, ROWS).astype("int32"),
        "ratio": rng.normal(size=ROWS),
    })
    y = x["count"] * 0.25 + x["age"] * 3 - x["ratio"]
    fitted = LinearRegression().fit(x.astype("float64"), y)
    signature = ModelSignature(schema([("double", "count"), ("double", "age"), ("double", "ratio")]), Schema([ColSpec("double")]))
    mlflow.sklearn.save_model(fitted, path, signature=signature, pip_requirements=["mlflow", "scikit-learn"])
    return pa.Table.from_pandas(x, preserve_index=False)


@model
def logreg_pipe(path: Path) -> pa.Table:
    """Logistic regression behind a column transformer over numbers and strings with nulls."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(SEED)
    numbers = [f"n{i}" for i in range(6)]
    words = ["city", "plan", "browser"]
    columns: dict[str, pa.Array] = {}
    for name in numbers:
        columns[name] = pa.array(rng.normal(size=ROWS) * 3 + 1, mask=rng.random(ROWS) < 0.05)
    for name, count in zip(words, (12, 4, 6), strict=True):
        values = np.array([f"{name}-{i}" for i in range(count)], dtype=object)
        columns[name] = pa.array(values[rng.integers(0, count, ROWS)], mask=rng.random(ROWS) < 0.05)
    table = pa.table(columns)
    x = table.to_pandas()
    y = (x["n0"].fillna(0) + (x["city"] < "city-5") + rng.normal(size=ROWS) > 1).astype("int64")
    transform = ColumnTransformer([
        ("num", Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())]), numbers),
        (
            "cat",
            Pipeline([
                ("impute", SimpleImputer(strategy="most_frequent")),
                ("encode", OneHotEncoder(handle_unknown="ignore")),
            ]),
            words,
        ),
    ])
    fitted = Pipeline([("transform", transform), ("classify", LogisticRegression(max_iter=500))]).fit(x, y)
    signature = ModelSignature(
        schema([*(("double", n) for n in numbers), *(("string", n) for n in words)]), Schema([ColSpec("long")])
    )
    mlflow.sklearn.save_model(
        fitted,
        path,
        signature=signature,
        pip_requirements=["mlflow", "scikit-learn"],
        skops_trusted_types=["numpy.dtype"],
    )
    return table


@model
def xgb_reg(path: Path) -> pa.Table:
    """Small boosted trees (``XGBRegressor``, UBJSON) over doubles, some of them missing."""
    from xgboost import XGBRegressor

    x = doubles(8).astype("float32").astype("float64")
    y = x["f0"] * x["f1"] + np.sin(x["f2"]) - x["f3"].abs()
    x = x.mask(np.random.default_rng(SEED + 1).random(x.shape) < 0.05)
    fitted = XGBRegressor(n_estimators=20, max_depth=4, random_state=SEED).fit(x, y)
    mlflow.xgboost.save_model(
        fitted,
        path,
        signature=infer_signature(x, fitted.predict(x)),
        model_format="ubj",
        pip_requirements=["mlflow", "xgboost"],
    )
    return pa.Table.from_pandas(x, preserve_index=False)


@model
def lgb_kinds(path: Path) -> pa.Table:
    """Boosted trees (``LGBMClassifier``, skops) with text labels, over doubles, some missing, and a column of categories."""
    from lightgbm import LGBMClassifier

    rng = np.random.default_rng(SEED + 3)
    x = doubles(5)
    x["kind"] = rng.integers(0, 40, ROWS)
    score = x["f0"] * x["f1"] + np.sin(x["kind"] * 2.3) * 2 + rng.normal(size=ROWS) * 0.1
    x = x.mask((rng.random(x.shape) < 0.05) & (x.columns != "kind"))
    fitted = LGBMClassifier(n_estimators=20, num_leaves=15, min_data_per_group=5, random_state=SEED, n_jobs=1, verbose=-1)
    fitted.fit(x, np.array(["low", "middle", "high"])[np.digitize(score, [-1, 1])], categorical_feature=["kind"])
    mlflow.lightgbm.save_model(
        fitted,
        path,
        signature=ModelSignature(infer_signature(x).inputs, Schema([ColSpec("string")])),
        serialization_format="skops",
        pip_requirements=["mlflow", "lightgbm", "scikit-learn", "skops"],
    )
    return pa.Table.from_pandas(x, preserve_index=False)


@model
def forest_words(path: Path) -> pa.Table:
    """A random forest with text labels, over doubles, some of them missing; as a pickle."""
    from sklearn.ensemble import RandomForestClassifier

    x = doubles(6)
    y = np.where(x["f0"] + x["f1"] * x["f2"] > 0, "high", "low")
    x = x.mask(np.random.default_rng(SEED + 2).random(x.shape) < 0.05)
    fitted = RandomForestClassifier(30, max_depth=8, random_state=SEED).fit(x, y)
    mlflow.sklearn.save_model(
        fitted,
        path,
        signature=ModelSignature(schema([("double", name) for name in x.columns]), Schema([ColSpec("string")])),
        serialization_format="pickle",
        pip_requirements=["mlflow", "scikit-learn"],
    )
    return pa.Table.from_pandas(x, preserve_index=False)


class Scaled(mlflow.pyfunc.PythonModel):
    """``(a + b) * scale + offset``, plus the length of ``word``; ``scale`` is a param, ``offset`` comes from the model config."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.Series:
        """Score a frame."""
        scale = (params or {}).get("scale", 1.0)
        offset = (context.model_config or {}).get("offset", 0.0)
        return (model_input["a"] + model_input["b"]) * scale + offset + model_input["word"].str.len()


@model
def pyfunc_custom(path: Path) -> pa.Table:
    """A ``PythonModel`` with a param and a model config."""
    rng = np.random.default_rng(SEED)
    table = pa.table({
        "a": rng.normal(size=ROWS),
        "b": rng.normal(size=ROWS),
        "word": ["x" * int(n) for n in rng.integers(1, 9, ROWS)],
    })
    signature = ModelSignature(
        schema([("double", "a"), ("double", "b"), ("string", "word")]),
        Schema([ColSpec("double")]),
        ParamSchema([ParamSpec("scale", "double", 1.0)]),
    )
    mlflow.pyfunc.save_model(
        path,
        python_model=Scaled(),
        signature=signature,
        model_config={"offset": 0.5},
        pip_requirements=["mlflow", "pandas"],
    )
    return table


class Judged(mlflow.pyfunc.PythonModel):
    """Two outputs of different types: a label and a score."""

    def predict(self, context: Any, model_input: pd.DataFrame) -> pd.DataFrame:
        """Score a frame."""
        score = model_input["a"] * 2 + model_input["b"].fillna(0)
        return pd.DataFrame({"label": ["high" if value > 0 else "low" for value in score], "score": score})


@model
def pyfunc_struct(path: Path) -> pa.Table:
    """A ``PythonModel`` with two outputs; ``b`` may be null."""
    rng = np.random.default_rng(SEED)
    table = pa.table({"a": rng.normal(size=ROWS), "b": pa.array(rng.normal(size=ROWS), mask=rng.random(ROWS) < 0.1)})
    signature = ModelSignature(schema([("double", "a"), ("double", "b")]), schema([("string", "label"), ("double", "score")]))
    mlflow.pyfunc.save_model(path, python_model=Judged(), signature=signature, pip_requirements=["mlflow", "pandas"])
    return table


#: An estimator of every family that no model above is of: module, class, arguments, type of what it answers.
FAMILIES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "hist_boosting": ("ensemble", "HistGradientBoostingClassifier", {"max_iter": 15}, "string"),
    "support_vectors": ("svm", "SVC", {}, "string"),
    "neighbors": ("neighbors", "KNeighborsClassifier", {"weights": "distance", "algorithm": "kd_tree"}, "string"),
    "bayes": ("naive_bayes", "GaussianNB", {}, "string"),
    "network": ("neural_network", "MLPClassifier", {"max_iter": 40, "random_state": SEED}, "string"),
    "discriminant": ("discriminant_analysis", "QuadraticDiscriminantAnalysis", {}, "string"),
    "clusters": ("cluster", "KMeans", {"n_clusters": 3, "random_state": SEED}, "integer"),
    "mixture": ("mixture", "GaussianMixture", {"n_components": 3, "random_state": SEED}, "long"),
}


def family(name: str) -> Builder:
    """Return what saves one of them, behind a scaler."""

    def build(path: Path) -> pa.Table:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        module, kind, arguments, answer = FAMILIES[name]
        x = doubles(4)
        y = np.array(["high", "low", "middle"])[(x["f0"] > 0.5).to_numpy() + (x["f1"] * x["f2"] > 0).to_numpy().astype(int)]
        estimator = getattr(importlib.import_module(f"sklearn.{module}"), kind)(**arguments)
        signature = ModelSignature(infer_signature(x).inputs, Schema([ColSpec(answer)]))
        fitted = make_pipeline(StandardScaler(), estimator).fit(x, y)
        # In a skops archive some of these are types that MLflow wants to be told to trust.
        mlflow.sklearn.save_model(
            fitted, path, signature=signature, serialization_format="pickle", pip_requirements=["mlflow", "scikit-learn"]
        )
        return pa.Table.from_pandas(x, preserve_index=False)

    return build


BUILDERS.update({name: family(name) for name in FAMILIES})


@model
def documents(path: Path) -> pa.Table:
    """Logistic regression over the words of a text and a number."""
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rng = np.random.default_rng(SEED)
    words = np.array(["Ärger", "bahn", "kaffee", "late", "on", "ok", "時間", "train", "waiting", "x"])
    x = pd.DataFrame({
        "text": [" ".join(words[rng.integers(0, len(words), rng.integers(0, 12))]) for _ in range(ROWS)],
        "length": rng.normal(size=ROWS),
    })
    y = np.where(x["text"].str.contains("late|waiting") & (x["length"] > -0.5), "complaint", "other")
    split = ColumnTransformer([("words", TfidfVectorizer(), "text"), ("length", "passthrough", ["length"])])
    fitted = make_pipeline(split, LogisticRegression()).fit(x, y)
    signature = ModelSignature(schema([("string", "text"), ("double", "length")]), Schema([ColSpec("string")]))
    mlflow.sklearn.save_model(fitted, path, signature=signature, pip_requirements=["mlflow", "scikit-learn"])
    return pa.Table.from_pandas(x, preserve_index=False)


def expected(path: Path, table: pa.Table) -> pa.Table:
    """Return what MLflow's own ``predict`` gives, columns named as in the answer."""
    loaded = mlflow.pyfunc.load_model(str(path))
    frame = table.to_pandas()
    declared = loaded.metadata.get_input_schema()
    for spec in declared.inputs if declared is not None and not declared.is_tensor_spec() else []:
        if spec.name in frame and str(spec.type) == "DataType.double":
            frame[spec.name] = frame[spec.name].astype("float64")
    answer = loaded.predict(frame)
    answer = pd.DataFrame(answer.to_numpy() if isinstance(answer, pd.Series) else answer)
    answer.columns = [str(name) for name in answer.columns]
    return pa.Table.from_pandas(answer, preserve_index=False)


def make(name: str, out: Path) -> None:
    """Make one model, whole or not at all."""
    if (out / name).exists():
        return
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{name}-") as scratch:
        made = Path(scratch) / name
        made.mkdir()
        table = BUILDERS[name](made / "model")
        pq.write_table(table, made / "input.parquet", row_group_size=400)
        pq.write_table(expected(made / "model", table), made / "expected.parquet")
        try:
            os.rename(made, out / name)
        except OSError:
            # Another process was quicker; its model is as good.
            shutil.rmtree(made, ignore_errors=True)


def main(arguments: list[str]) -> None:
    """Make the named models, or all."""
    out = Path(arguments[0])
    out.mkdir(parents=True, exist_ok=True)
    for name in arguments[1:] or BUILDERS:
        make(name, out)


if __name__ == "__main__":
    main(sys.argv[1:])

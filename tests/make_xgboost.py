"""Train and save XGBoost models of every objective, class and format, with what XGBoost itself predicts.

``make_xgboost.py OUT`` writes for each case ``OUT/NAME/model`` (saved by MLflow), ``OUT/NAME/input.arrow`` (rows to score) and
``OUT/NAME/expected.arrow``: columns ``0``, ``1``, ... of ``mlflow.pyfunc``'s answer and ``m0``, ``m1``, ... of the margins, for
``OUT/NAME/range.json`` (where it is there) the answer with those params as ``r0``, ``r1``, ... . Files of older XGBoosts are
committed in ``tests/data/xgboost``, with the script that made them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import xgboost as xgb

ROWS = 1500
SEED = 11
Case = Callable[[], tuple[Any, pd.DataFrame, str]]
CASES: dict[str, Case] = {}


def case(name: str, make: Case) -> None:
    """Register a case: a function that gives a model, the rows to score and the file format."""
    assert name not in CASES
    CASES[name] = make


def table(features: int = 6, *, missing: float = 0.1, rows: int = ROWS) -> pd.DataFrame:
    """Return doubles, whole numbers, single floats and truth values, some of them missing."""
    rng = np.random.default_rng(SEED)
    frame = pd.DataFrame({f"f{i}": rng.normal(size=rows) * 10.0 ** (i % 4 - 1) for i in range(features)})
    frame["count"] = rng.integers(-50, 1000, rows)
    frame["single"] = rng.normal(size=rows).astype("float32")
    frame["flag"] = rng.random(rows) < 0.4
    for i in range(features):
        frame.loc[rng.random(rows) < missing, f"f{i}"] = np.nan
    return frame


def target(frame: pd.DataFrame) -> np.ndarray:
    """Return a noisy nonlinear target around zero."""
    rng = np.random.default_rng(SEED + 1)
    f = frame.fillna(0.0)
    return (f["f0"] * 3 + np.sin(f["f1"]) + f["f2"] * f["flag"] / 10 + rng.normal(size=len(f)) * 0.3).to_numpy()


def labels(objective: str, y: np.ndarray) -> np.ndarray:
    """Return labels the objective takes."""
    if objective.startswith(("binary:", "reg:logistic", "rank:map")):
        return (y > 0.1).astype("float32")
    if objective.startswith("multi:"):
        return np.digitize(y, [-0.5, 0.0, 0.5]).astype("float32")
    if objective.startswith("rank:"):
        return np.digitize(y, [-0.5, 0.5]).astype("float32")
    if objective in {"count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "reg:squaredlogerror"}:
        return (np.abs(y) + 0.05).round(2)
    return y


def train(objective: str, rounds: int = 12, **params: Any) -> Case:
    """Return a case with a Booster."""
    suffix = params.pop("format", "ubj")
    drop_names = params.pop("drop_names", False)

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table()
        y = target(frame)
        settings = {"objective": objective, "max_depth": 5, "nthread": 1, "seed": SEED, **params}
        data = xgb.DMatrix(frame.to_numpy(dtype="float64") if drop_names else frame)
        if objective == "survival:aft":
            data.set_float_info("label_lower_bound", np.abs(y) + 0.1)
            data.set_float_info("label_upper_bound", np.abs(y) + 0.6)
        else:
            data.set_label(labels(objective, y))
        if objective.startswith("rank:"):
            data.set_group([50] * (ROWS // 50))
        return xgb.train(settings, data, rounds), frame, suffix

    return make


def fit(
    estimator: type, *, multi: int = 0, suffix: str = "ubj", stop: bool = False, infinite: bool = False, **params: Any
) -> Case:
    """Return a case with a scikit-learn class."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table()
        y = target(frame)
        settings = {"n_estimators": 15, "max_depth": 4, "n_jobs": 1, "random_state": SEED, **params}
        if stop:
            settings["early_stopping_rounds"] = 2
        fitted = estimator(**settings)
        extra: dict[str, Any] = {}
        if estimator is xgb.XGBRanker:
            y = labels("rank:", y)
            extra["qid"] = np.repeat(np.arange(ROWS // 50), 50)
        elif estimator in {xgb.XGBClassifier, xgb.XGBRFClassifier}:
            y = np.stack([y > i * 0.3 for i in range(multi)], 1).astype(int) if multi else labels("multi:", y).astype(int)
        elif multi:
            y = np.stack([y * (i + 1) for i in range(multi)], 1)
        if stop:
            noise = np.random.default_rng(3).permutation(y)
            extra |= {"eval_set": [(frame, noise)], "verbose": False}
        fitted.fit(frame, y, **extra)
        if infinite:
            frame.loc[3, "f0"], frame.loc[4, "f1"], frame.loc[5, "f2"] = np.inf, -np.inf, 1e300
        return fitted, frame, suffix

    return make


def binary(estimator: type, **params: Any) -> Case:
    """Return a two-class classifier."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table()
        y = (target(frame) > 0).astype(int)
        fitted = estimator(n_estimators=15, max_depth=4, n_jobs=1, random_state=SEED, **params).fit(frame, y)
        return fitted, frame, "json"

    return make


def categorical(*, onehot: int = 4) -> Case:
    """Return a Booster with categorical splits, by codes (numbers) as a plain column carries them."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table(3)
        rng = np.random.default_rng(SEED + 2)
        frame["kind"] = rng.integers(0, 40, ROWS).astype("float64")
        frame["few"] = rng.integers(0, 3, ROWS).astype("float64")
        frame.loc[rng.random(ROWS) < 0.1, "kind"] = np.nan
        y = np.sin(frame["kind"].fillna(7) * 2.3) * 3 + frame["few"] * (frame["f0"].fillna(0) > 0) + rng.normal(size=ROWS) * 0.1
        types = ["float"] * 3 + ["int", "float", "i", "c", "c"]
        data = xgb.DMatrix(frame, y, feature_types=types, enable_categorical=True)
        settings = {"max_depth": 6, "max_cat_to_onehot": onehot, "nthread": 1, "tree_method": "hist"}
        booster = xgb.train(settings, data, 15)
        # Categories never seen, beyond the bit field, and no category at all.
        frame.loc[:5, "kind"] = [40.0, 63.0, 64.0, 1e6, 3.7, 16777215.0]
        return booster, frame, "ubj"

    return make


def named_categories() -> tuple[Any, pd.DataFrame, str]:
    """Return a classifier trained on text categories."""
    frame = table(3)
    rng = np.random.default_rng(SEED + 3)
    words = np.array(["zebra", "äpfel", "c", "dd", "eee"])
    values = pd.Series(words[rng.integers(0, 5, ROWS)])
    values[rng.random(ROWS) < 0.1] = None
    frame["word"] = pd.Categorical(values, categories=words[[2, 0, 1, 4, 3]])
    y = np.digitize(target(table(3)) + (frame["word"] == "zebra") * 2, [-0.5, 0.5, 1.5])
    fitted = xgb.XGBClassifier(n_estimators=10, max_depth=5, n_jobs=1, enable_categorical=True).fit(frame, y)
    # The same categories in another order: XGBoost goes by name.
    frame["word"] = frame["word"].cat.set_categories(sorted(words))
    return fitted, frame, "ubj"


def numbered_categories(estimator: bool) -> Case:
    """Return a model trained on categories that are whole numbers, in no order; a Booster with words beside them."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table(3)
        rng = np.random.default_rng(SEED + 4)
        numbers = np.array([7, 0, -3, 40, 1000, 2])
        drawn = rng.integers(0, 6, ROWS)
        frame["number"] = pd.Categorical(numbers[drawn], categories=numbers).set_categories(numbers)
        frame.loc[rng.random(ROWS) < 0.1, "number"] = None
        y = target(table(3)) + np.sin(drawn * 2.0) * 4
        if estimator:
            model = xgb.XGBRegressor(n_estimators=10, max_depth=5, n_jobs=1, max_cat_to_onehot=1).fit(frame, y)
        else:
            words = np.array(["x", "y", "z"])[rng.integers(0, 3, ROWS)]
            frame["word"] = pd.Categorical(words, categories=["z", "x", "y"])
            model = xgb.train({"max_depth": 5, "nthread": 1, "max_cat_to_onehot": 9}, xgb.DMatrix(frame, y + (words == "y")), 10)
        frame["number"] = frame["number"].cat.set_categories(sorted(numbers))
        return model, frame, "ubj"

    return make


def codes() -> tuple[Any, pd.DataFrame, str]:
    """Return a Booster trained on categories that are whole numbers, scored with their codes, as a plain column holds them."""
    model, frame, suffix = numbered_categories(estimator=False)()
    numbers, words = pd.Index([7, 0, -3, 40, 1000, 2]), pd.Index(["z", "x", "y"])
    frame["number"] = pd.Series(numbers.get_indexer(frame["number"]), dtype="float64").replace(-1.0, np.nan)
    frame["word"] = words.get_indexer(frame["word"]).astype("int64")
    return model, frame, suffix


def vectors(objective: str, rounds: int = 8, **params: Any) -> Case:
    """Return a Booster whose leaves hold a number an output."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table(3)
        frame["kind"] = np.random.default_rng(SEED + 5).integers(0, 9, ROWS).astype("float64")
        y = target(table(3)) + np.sin(frame["kind"] * 2)
        targets = np.stack([y, -y, y * y], 1) if objective.startswith("reg:") else labels(objective, y)
        types = ["float"] * 3 + ["int", "float", "i", "c"]
        data = xgb.DMatrix(frame, targets, feature_types=types, enable_categorical=True)
        settings = {"objective": objective, "max_depth": 5, "nthread": 1, "seed": SEED, "multi_strategy": "multi_output_tree"}
        return xgb.train(settings | params, data, rounds), frame, "ubj"

    return make


def sketched() -> tuple[Any, pd.DataFrame, str]:
    """Return a Booster trained on a ``QuantileDMatrix``, with a number that is missing and an objective of our own."""
    frame = table()
    y = target(frame)

    def objective(predictions: np.ndarray, data: xgb.DMatrix) -> tuple[np.ndarray, np.ndarray]:
        return predictions - data.get_label(), np.ones(len(predictions))

    data = xgb.QuantileDMatrix(frame.fillna(-999.0), y, missing=-999.0)
    return xgb.train({"max_depth": 5, "nthread": 1}, data, 10, obj=objective), frame, "ubj"


def many(**params: Any) -> Case:
    """Return a Booster of three targets."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table()
        y = target(frame)
        return xgb.train({"nthread": 1, **params}, xgb.DMatrix(frame, np.stack([y, -y, y * y], 1)), 8), frame, "json"

    return make


def deep(**params: Any) -> Case:
    """Return deep and unbalanced trees with more thresholds than a byte counts."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        rng = np.random.default_rng(SEED)
        frame = pd.DataFrame({f"f{i}": rng.normal(size=4000) for i in range(3)})
        y = np.sin(frame["f0"] * 9) + np.cos(frame["f1"] * 7) * frame["f2"] + (frame["f0"] > 1.7) * 30
        frame = frame.mask(rng.random(frame.shape) < 0.05)
        settings = {"nthread": 1, "lambda": 0, "min_child_weight": 0, **params}
        return xgb.train(settings, xgb.DMatrix(frame, y), 12), frame, "ubj"

    return make


PLAIN = [
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:pseudohubererror",
    "reg:absoluteerror",
    "reg:logistic",
    "reg:gamma",
    "reg:tweedie",
    "count:poisson",
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "rank:pairwise",
    "rank:ndcg",
    "survival:cox",
    "survival:aft",
]
for plain in PLAIN:
    case(f"booster_{plain.replace(':', '_')}", train(plain))
case("booster_rank_map", train("rank:map", lambdarank_num_pair_per_sample=2))
case("booster_json", train("binary:logistic", format="json"))
case("booster_unnamed", train("reg:squarederror", drop_names=True))
case("booster_softprob", train("multi:softprob", num_class=4))
case("booster_softmax_json", train("multi:softmax", num_class=4, format="json"))
case("booster_base_score", train("binary:logistic", base_score=0.123))
case("booster_quantile", train("reg:quantileerror", quantile_alpha=[0.2, 0.5, 0.8]))
case("booster_expectile", train("reg:expectileerror", expectile_alpha=[0.2, 0.5, 0.8]))
case("booster_dart", train("binary:logistic", booster="dart", rate_drop=0.3, rounds=20))
case("booster_dart_json", train("reg:squarederror", booster="dart", rate_drop=0.5, skip_drop=0.2, rounds=20, format="json"))
case("booster_linear", train("reg:squarederror", booster="gblinear"))
case("booster_linear_softprob", train("multi:softprob", booster="gblinear", num_class=4, format="json"))
case("booster_forest", train("binary:logistic", num_parallel_tree=4, subsample=0.7, rounds=3))
case("booster_exact", train("reg:squarederror", tree_method="exact"))
case("booster_approx", train("reg:squarederror", tree_method="approx"))
case("booster_lossguide", train("reg:squarederror", grow_policy="lossguide", max_leaves=40, max_depth=0))
case("booster_stumps", train("reg:squarederror", rounds=40, max_depth=1))
case("booster_categorical", categorical())
case("booster_onehot", categorical(onehot=64))
case("classifier_words", named_categories)
case("deep_hist", deep(max_depth=14))
case("deep_exact", deep(max_depth=30, tree_method="exact"))
case("deep_lossguide", deep(grow_policy="lossguide", max_leaves=200, max_depth=0))
case("regressor", fit(xgb.XGBRegressor))
case("regressor_infinite", fit(xgb.XGBRegressor, infinite=True))
case("regressor_json", fit(xgb.XGBRegressor, suffix="json"))
case("regressor_targets", fit(xgb.XGBRegressor, multi=3))
case("regressor_stopped", fit(xgb.XGBRegressor, stop=True))
case("regressor_linear", fit(xgb.XGBRegressor, booster="gblinear"))
case("classifier", fit(xgb.XGBClassifier))
case("classifier_binary", binary(xgb.XGBClassifier))
case("classifier_softmax", binary(xgb.XGBClassifier, objective="multi:softmax", num_class=3))
case("classifier_two_columns", binary(xgb.XGBClassifier, objective="multi:softprob", num_class=2))
case("classifier_labels", fit(xgb.XGBClassifier, multi=3))
case("classifier_stopped", fit(xgb.XGBClassifier, stop=True))
case("ranker", fit(xgb.XGBRanker))
case("forest_regressor", fit(xgb.XGBRFRegressor))
case("forest_classifier", fit(xgb.XGBRFClassifier))
case("regressor_dart", fit(xgb.XGBRegressor, booster="dart", rate_drop=0.4, base_score=0.3))
case("regressor_missing", fit(xgb.XGBRegressor, missing=-1.0))
case("regressor_vectors", fit(xgb.XGBRegressor, multi=3, multi_strategy="multi_output_tree"))
case("classifier_vectors", binary(xgb.XGBClassifier, objective="multi:softprob", num_class=2, multi_strategy="multi_output_tree"))
case("booster_vectors", vectors("reg:squarederror"))
case("booster_vectors_softprob", vectors("multi:softprob", num_class=4))
case("booster_vectors_forest", vectors("reg:squarederror", num_parallel_tree=3, subsample=0.6, rounds=3))
case("booster_vectors_dart", vectors("reg:squarederror", booster="dart", rate_drop=0.5, rounds=12))
case("booster_targets", many(base_score=[0.5, -1.0, 2.0]))
case("booster_linear_targets", many(booster="gblinear"))
case("booster_linear_poisson", train("count:poisson", booster="gblinear"))
case("booster_old_name", train("reg:linear"))
case("booster_quantile_one", train("reg:quantileerror", quantile_alpha=0.7))
case("booster_dart_softprob", train("multi:softprob", booster="dart", rate_drop=0.4, num_class=4))
case("booster_sketched", sketched)
case("booster_numbered", numbered_categories(estimator=False))
case("booster_codes", codes)
case("regressor_numbered", numbered_categories(estimator=True))

#: Params of a second answer.
RANGES = {
    "booster_softprob": {"iteration_range": [2, 7], "output_margin": True},
    "booster_binary_logistic": {"iteration_range": [3, 0]},
    "regressor_stopped": {"iteration_range": [0, 3]},
    "booster_vectors_forest": {"iteration_range": [1, 3]},
    "booster_dart": {"iteration_range": [1, 9], "output_margin": True},
}


def columns(prefix: str, answer: Any) -> dict[str, np.ndarray]:
    """Return the columns of an answer by name."""
    values = np.asarray(answer)
    values = values.reshape(len(values), -1)
    return {f"{prefix}{i}": values[:, i] for i in range(values.shape[1])}


def write(path: Path, content: pa.Table) -> None:
    """Write an Arrow file."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, content.schema) as writer:
        writer.write_table(content)


def save(model: Any, suffix: str, directory: Path) -> None:
    """Save a case's model by MLflow."""
    mlflow.xgboost.save_model(model, directory, model_format=suffix, pip_requirements=["xgboost"])


def build(name: str, out: Path) -> None:
    """Make one case, whole or not at all."""
    if (out / name).exists():
        return
    model, frame, suffix = CASES[name]()
    work = Path(tempfile.mkdtemp(dir=out))
    save(model, suffix, work / "model")
    loaded = mlflow.pyfunc.load_model(str(work / "model"))
    wrapper = loaded._model_impl
    answer = columns("", loaded.predict(frame)) | columns("m", wrapper.predict(frame, {"output_margin": True}))
    if params := RANGES.get(name):
        (work / "range.json").write_text(json.dumps(params))
        answer |= columns("r", wrapper.predict(frame, params))
    # NaN stays NaN where pandas would have said null, as Spark and Parquet tables hold it; every second column says null.
    arrays = []
    for at, column in enumerate(frame.columns):
        arrays.append(pa.array(frame[column], from_pandas=at % 2 == 0))
    write(work / "input.arrow", pa.table(arrays, names=[str(column) for column in frame.columns]))
    write(work / "expected.arrow", pa.table(answer))
    try:
        work.rename(out / name)
    except OSError:
        shutil.rmtree(work)


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for wanted in sys.argv[2:] or CASES:
        build(wanted, directory)

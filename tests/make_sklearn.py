"""Fit and save every scikit-learn estimator there is, with what scikit-learn itself answers.

``make_sklearn.py OUT [NAME ...]`` loops over ``sklearn.utils.all_estimators()`` and some combinations, and writes for each case
``OUT/NAME/FORMAT/`` (saved by MLflow, for every serialization format), ``OUT/NAME/input.arrow`` (rows to score) and
``OUT/NAME/expected.arrow``: columns ``METHOD:0``, ``METHOD:1``, ... for each method that there is. ``OUT/NAME/case.json`` says
whether answers must be equal to the last bit, or agree in single precision only. ``OUT/NAME/probe.PROBE.arrow`` holds a few rows
with something in them that estimators refuse or do not know, beside what each method answers to them; the metadata names the
column, and the methods that refuse. What cannot be fitted or saved is listed with its reason in ``OUT/left-out.json``.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import unicodedata
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import skops.io
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn import datasets
from sklearn.base import BaseEstimator, is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize
from sklearn.utils import all_estimators

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
FORMATS = ("skops", "pickle", "cloudpickle")
SEED = 17
# Estimators whose answers are sums in a fixed order, or no sums at all.
EXACT = ("Tree", "Forest", "Boost", "Bagging")


# Cases in which the library itself sums in single precision on the way.
SINGLE = ("boosting.init",)


# Cases whose columns are known by position only.
SIGNATURES = {
    "position.unnamed": ModelSignature(Schema([ColSpec("double")] * 4)),
    "position.tensor": ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 4))])),
    "text.tensor": ModelSignature(Schema([TensorSpec(np.dtype("str"), (-1,))])),
}


# Cases whose model comes with a pandas that makes None of a null among texts.
OLD_PANDAS = "none.unseen."


SPLINES: dict[str, dict[str, Any]] = {
    "constant": {"n_knots": 4, "knots": "quantile"},
    "linear": {"extrapolation": "linear", "include_bias": False},
    "linear.straight": {"extrapolation": "linear", "degree": 1},
    "linear.steps": {"extrapolation": "linear", "degree": 0},
    "continue": {"extrapolation": "continue", "degree": 2},
    "periodic": {"extrapolation": "periodic", "n_knots": 6},
    "error": {"extrapolation": "error"},
    "sparse": {"sparse_output": True},
    "missing": {"handle_missing": "zeros", "extrapolation": "linear"},
}


CODES: dict[str, dict[str, Any]] = {
    "pursuit": {"transform_algorithm": "omp", "transform_n_nonzero_coefs": 4, "split_sign": True},
    "threshold": {"transform_algorithm": "threshold", "transform_alpha": 0.3},
    "positive": {"transform_algorithm": "threshold", "positive_code": True, "split_sign": True},
}


class LeftOut(Exception):
    """The estimator has nothing to score with, and why."""


def table(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a bundled data set as columns and targets."""
    data = getattr(datasets, f"load_{name}")(as_frame=True)
    x = data.data.iloc[:, :16].astype("float64")
    x.columns = [str(column) for column in x.columns]
    return x, np.asarray(data.target)


def holes(x: pd.DataFrame) -> pd.DataFrame:
    """Return the columns with a twentieth of the values missing."""
    return x.mask(np.random.default_rng(SEED).random(x.shape) < 0.05)


def mixed() -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table of numbers and words, some of them missing."""
    rng = np.random.default_rng(SEED)
    rows = 600
    words = np.array(["amber", "blue", "cyan", "öl", "日本"], dtype=object)
    x = pd.DataFrame({
        "age": rng.integers(18, 90, rows).astype("float64"),
        "income": rng.lognormal(10, 1, rows),
        "colour": words[rng.integers(0, len(words), rows)],
        "size": np.array(["s", "m", "l"], dtype=object)[rng.integers(0, 3, rows)],
        "visits": rng.poisson(3, rows).astype("int64"),
        "member": rng.random(rows) < 0.4,
    })
    y = ((x["age"] > 50).astype(int) + (x["colour"] == "blue") + (x["visits"] > 3) > 1).astype("int64").to_numpy()
    x.loc[rng.random(rows) < 0.05, "age"] = np.nan
    x.loc[rng.random(rows) < 0.05, "colour"] = None
    return x, y


def arguments(name: str) -> dict[str, Any]:
    """Return the arguments an estimator cannot do without, or that keep it small and repeatable."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.tree import DecisionTreeClassifier

    classifiers = [("a", LogisticRegression(max_iter=500)), ("b", RandomForestClassifier(5, random_state=SEED))]
    regressors = [("a", Ridge()), ("b", RandomForestRegressor(5, random_state=SEED))]
    given: dict[str, dict[str, Any]] = {
        "ClassifierChain": {"estimator": LogisticRegression(max_iter=500)},
        "FixedThresholdClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "TunedThresholdClassifierCV": {"estimator": LogisticRegression(max_iter=500)},
        "GridSearchCV": {"estimator": LogisticRegression(max_iter=500), "param_grid": {"C": [0.5, 1.0]}},
        "HalvingGridSearchCV": {"estimator": LogisticRegression(max_iter=500), "param_grid": {"C": [0.5, 1.0]}},
        "RandomizedSearchCV": {
            "estimator": LogisticRegression(max_iter=500),
            "param_distributions": {"C": [0.5, 1.0]},
            "n_iter": 2,
        },
        "HalvingRandomSearchCV": {"estimator": LogisticRegression(max_iter=500), "param_distributions": {"C": [0.5, 1.0]}},
        "MultiOutputClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "MultiOutputRegressor": {"estimator": Ridge()},
        "OneVsOneClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "OneVsRestClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "OutputCodeClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "RFE": {"estimator": LogisticRegression(max_iter=500)},
        "RFECV": {"estimator": LogisticRegression(max_iter=500), "cv": 3},
        "RegressorChain": {"estimator": Ridge()},
        "SelectFromModel": {"estimator": LogisticRegression(max_iter=500)},
        "SelfTrainingClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "SequentialFeatureSelector": {"estimator": LogisticRegression(max_iter=200), "n_features_to_select": 3, "cv": 2},
        "StackingClassifier": {"estimators": classifiers},
        "StackingRegressor": {"estimators": regressors},
        "VotingClassifier": {"estimators": classifiers},
        "VotingRegressor": {"estimators": regressors},
        "ColumnTransformer": {"transformers": [("a", "passthrough", [0, 2])]},
        "FeatureUnion": {"transformer_list": [("a", "passthrough")]},
        "LocalOutlierFactor": {"novelty": True},
        "SparseCoder": {"dictionary": np.eye(16)},
        "QuadraticDiscriminantAnalysis": {"reg_param": 0.1},
        "GaussianRandomProjection": {"n_components": 5},
        "SparseRandomProjection": {"n_components": 5},
        "OrthogonalMatchingPursuitCV": {"max_iter": 5},
        "AdaBoostClassifier": {"estimator": DecisionTreeClassifier(max_depth=2)},
    }
    return given.get(name, {})


def fitted(name: str, kind: type[BaseEstimator]) -> Iterator[tuple[str, BaseEstimator, pd.DataFrame]]:
    """Yield the estimator fitted on each data set that suits it."""
    parameters = kind._get_param_names() if hasattr(kind, "_get_param_names") else []
    small = {"random_state": SEED, "n_estimators": 10, "max_iter": 300}
    if name in ("MLPClassifier", "MLPRegressor"):
        small["max_iter"] = 100
    if "HistGradient" in name or "Dictionary" in name:
        small["max_iter"] = 20
    if kind.__module__.startswith(("sklearn.decomposition", "sklearn.cross_decomposition", "sklearn.manifold")):
        small["n_components"] = 1 if "CCA" in name or "PLS" in name else 4
    options = {key: value for key, value in small.items() if key in parameters} | arguments(name)
    if name == "AdaBoostRegressor":
        options["n_estimators"] = 5
    one = kind(**options)
    tags = one.__sklearn_tags__()
    several = tags.target_tags.multi_output and not tags.target_tags.single_output
    if tags.input_tags.string and not tags.input_tags.two_d_array:
        raise LeftOut("takes text: among the cases text.*")
    missing = tags.input_tags.allow_nan

    def positive(x: pd.DataFrame) -> pd.DataFrame:
        return x.abs() if tags.input_tags.positive_only else x

    def once(suffix: str, x: pd.DataFrame, y: np.ndarray, model: BaseEstimator) -> tuple[str, BaseEstimator, pd.DataFrame]:
        return name + suffix, model.fit(positive(x), y), positive(x)

    if is_classifier(one) or name in ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"):
        x, y = table("iris")
        if several:
            yield once("", x, np.stack([y, y % 2], axis=1), one)
            return
        if not tags.classifier_tags or tags.classifier_tags.multi_class:
            names = y if name == "SelfTrainingClassifier" else np.array(["setosa", "versicolor", "virginica"])[y]
            yield once("", x, names, one)
        x, y = table("breast_cancer")
        yield once(".two", x, y, kind(**options))
        if missing:
            yield once(".missing", holes(x), y, kind(**options))
    elif is_regressor(one):
        x, y = table("diabetes")
        if several:
            yield once("", x, np.stack([y, y / 2], axis=1), one)
            return
        yield once("", x.iloc[:, :1] if name == "IsotonicRegression" else x, y, one)
        if missing:
            yield once(".missing", holes(x), y, kind(**options))
    elif hasattr(one, "predict") and (is_clusterer(one) or is_outlier_detector(one) or not hasattr(one, "transform")):
        x, y = table("iris")
        yield once("", x, y, one)
    elif hasattr(one, "transform"):
        x, y = table("breast_cancer")
        if tags.input_tags.categorical and not missing:
            x = x.round(-1).clip(upper=50)
        if name != "MissingIndicator":
            yield once("", x, y, make_pipeline(one, LogisticRegression(max_iter=500)))
        if missing and name not in ("SimpleImputer", "KNNImputer", "IterativeImputer", "MissingIndicator", "OneHotEncoder"):
            # No trees behind it: numpy's powers and logarithms differ in the last bit from CPU to CPU, and a threshold tells
            # them apart.
            filled = make_pipeline(kind(**options), SimpleImputer(), LogisticRegression(max_iter=500))
            yield once(".missing", holes(x), y, filled)
        elif missing:
            yield once(".missing", holes(x), y, make_pipeline(kind(**options), LogisticRegression(max_iter=500)))
    else:
        raise LeftOut("has neither predict nor transform")


def combinations() -> Iterator[tuple[str, BaseEstimator, pd.DataFrame]]:
    """Yield pipelines over a table of numbers and words, and estimators with other options than the defaults."""
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
        StackingClassifier,
        VotingClassifier,
    )
    from sklearn.linear_model import LinearRegression, SGDClassifier, TweedieRegressor
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import FeatureUnion, Pipeline
    from sklearn.preprocessing import (
        KBinsDiscretizer,
        MinMaxScaler,
        OneHotEncoder,
        OrdinalEncoder,
        PolynomialFeatures,
        StandardScaler,
    )
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    x, y = mixed()
    numbers, words = ["age", "income", "visits"], ["colour", "size"]

    def split(encoder: BaseEstimator, **options: Any) -> ColumnTransformer:
        scale = Pipeline([("impute", SimpleImputer(strategy="median", add_indicator=True)), ("scale", StandardScaler())])
        encode = Pipeline([("impute", SimpleImputer(strategy="most_frequent")), ("encode", encoder)])
        return ColumnTransformer([("num", scale, numbers), ("cat", encode, words)], **options)

    labels = np.array(["no", "yes"])[y]
    logistic = LogisticRegression(max_iter=500)
    yield "mixed.logistic", Pipeline([("a", split(OneHotEncoder(handle_unknown="ignore"))), ("b", logistic)]).fit(x, labels), x
    dense = split(OneHotEncoder(sparse_output=False, drop="first"), remainder="passthrough")
    forest = RandomForestClassifier(20, max_depth=6, random_state=SEED)
    yield "mixed.forest", Pipeline([("a", dense), ("b", forest)]).fit(x, labels), x
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    direct = ColumnTransformer([("cat", ordinal, words), ("num", "passthrough", numbers)], sparse_threshold=0)
    hist = HistGradientBoostingClassifier(max_iter=15, categorical_features=[0, 1])
    yield "mixed.hist", Pipeline([("a", direct), ("b", hist)]).fit(x, y), x
    named = ColumnTransformer([
        ("cat", OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist"), words),
        ("num", make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0), MinMaxScaler(clip=True)), numbers),
        ("drop", "drop", ["member"]),
    ])
    yield "mixed.infrequent", make_pipeline(named, StandardScaler(with_mean=False), logistic).fit(x, y), x
    constant = make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder())
    chosen = ColumnTransformer([
        ("num", make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")),
        ("cat", constant, words),
    ])
    yield "mixed.selector", make_pipeline(chosen, logistic).fit(x, y), x

    a, b = table("breast_cancer")
    d, t = table("diabetes")
    i, k = table("iris")
    yield "single.logistic", LogisticRegression(max_iter=500).fit(a.astype("float32"), b), a.astype("float32")
    yield "single.scaled", make_pipeline(StandardScaler(), Ridge()).fit(d.astype("float32"), t), d.astype("float32")
    yield "single.forest", RandomForestClassifier(10, random_state=SEED).fit(a.astype("float32"), b), a.astype("float32")
    kinds = i.astype("float32").set_axis(list("abcd"), axis=1)
    kinds["d"] = (kinds["d"] * 10).astype("int64")
    yield "kinds.single", LogisticRegression(max_iter=500).fit(kinds, k), kinds
    kinds = kinds.assign(e=kinds["a"] > 5.5, f=(kinds["b"] * 5).astype("int8"))
    yield "kinds.bool", LogisticRegression(max_iter=500).fit(kinds, k), kinds
    yield "kinds.forest", RandomForestClassifier(5, random_state=SEED).fit(kinds, k), kinds
    for name in ("position.unnamed", "position.tensor"):
        yield name, make_pipeline(StandardScaler(), LogisticRegression()).fit(i.to_numpy(), k), i
    yield "bool.labels", LogisticRegression(max_iter=500).fit(a, b == 1), a
    yield "float.labels", LogisticRegression(max_iter=500).fit(a, b.astype("float64")), a
    yield "two.targets", LinearRegression().fit(d, np.stack([t, -t], axis=1)), d
    yield "two.targets.forest", RandomForestRegressor(10, random_state=SEED).fit(d, np.stack([t, -t], axis=1)), d
    yield "two.labels.forest", RandomForestClassifier(10, random_state=SEED).fit(i, np.stack([k, k % 2], axis=1)), i
    outputs = MultiOutputClassifier(RandomForestClassifier(5, random_state=SEED))
    yield "two.labels.outputs", outputs.fit(i, np.stack([k, k % 2], axis=1)), i
    yield "two.labels.tree", DecisionTreeClassifier(max_depth=3).fit(i, np.stack([k, k % 2], axis=1)), i
    yield "trees.deep", ExtraTreesClassifier(30, random_state=SEED).fit(a, b), a
    yield "trees.missing", RandomForestClassifier(10, random_state=SEED).fit(holes(a), b), holes(a)
    yield "tweedie.identity", TweedieRegressor(power=0, max_iter=500).fit(d, t), d
    yield "tweedie.log", TweedieRegressor(power=1.5, max_iter=500).fit(d, t), d
    yield "sgd.log", make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=SEED)).fit(i, k), i
    yield "sgd.huber", make_pipeline(StandardScaler(), SGDClassifier(loss="modified_huber", random_state=SEED)).fit(i, k), i
    yield "sgd.huber.two", make_pipeline(StandardScaler(), SGDClassifier(loss="modified_huber", random_state=SEED)).fit(a, b), a
    for loss in ("absolute_error", "huber", "quantile"):
        yield f"boosting.{loss}", GradientBoostingRegressor(loss=loss, n_estimators=15, random_state=SEED).fit(d, t), d
    yield "boosting.exponential", GradientBoostingClassifier(loss="exponential", n_estimators=15).fit(a, b), a
    prior = GradientBoostingClassifier(init="zero", n_estimators=15, random_state=SEED)
    yield "boosting.zero", prior.fit(i, k), i
    yield "boosting.init", GradientBoostingRegressor(init=Ridge(), n_estimators=15, random_state=SEED).fit(d, t), d
    for loss in ("poisson", "gamma", "quantile", "absolute_error"):
        options = {"quantile": 0.3} if loss == "quantile" else {}
        yield f"hist.{loss}", HistGradientBoostingRegressor(loss=loss, max_iter=15, **options).fit(holes(d), t), holes(d)
    for activation in ("identity", "logistic", "tanh"):
        net = MLPClassifier((12, 5), activation=activation, max_iter=60, random_state=SEED)
        yield f"mlp.{activation}", make_pipeline(StandardScaler(), net).fit(i, k), i
    for kernel in ("linear", "poly", "sigmoid"):
        yield f"svc.{kernel}", make_pipeline(StandardScaler(), SVC(kernel=kernel)).fit(i, k), i
    yield "poly.ridge", make_pipeline(PolynomialFeatures(3, interaction_only=True), Ridge()).fit(d, t), d
    yield "bins.ordinal", make_pipeline(KBinsDiscretizer(5, encode="ordinal"), Ridge()).fit(d, t), d
    yield "target.log", TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1).fit(d, t), d
    yield "target.scaled", TransformedTargetRegressor(Ridge(), transformer=StandardScaler()).fit(d, t), d
    both = FeatureUnion([("scaled", StandardScaler()), ("ranged", MinMaxScaler())], transformer_weights={"ranged": 2.0})
    yield "union", make_pipeline(both, logistic).fit(a, b), a
    pair = [("a", make_pipeline(StandardScaler(), LogisticRegression())), ("b", DecisionTreeClassifier(max_depth=3))]
    yield "voting.soft", VotingClassifier(pair, voting="soft", weights=[2, 1]).fit(i, np.array(["x", "y", "z"])[k]), i
    yield "stacking.passthrough", StackingClassifier(pair, passthrough=True).fit(i, k), i


def absences() -> Iterator[tuple[str, BaseEstimator, pd.DataFrame]]:
    """Yield encoders and imputers of columns of objects, which may hold both None and NaN."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import MissingIndicator
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder
    from sklearn.tree import DecisionTreeClassifier

    rng = np.random.default_rng(SEED)
    words = np.array(["a", "b", "c", None], dtype=object)[rng.choice(4, 200, p=[0.4, 0.3, 0.05, 0.25])]
    sizes = np.array(["s", "m", "l"], dtype=object)[rng.integers(0, 3, 200)]
    y = rng.integers(0, 4, 200)

    def objects(**columns: Any) -> pd.DataFrame:
        return pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in columns.items()})

    x = objects(word=words, size=sizes)
    # Scored with None where training had NaN, or both.
    unseen = objects(word=[np.nan if word is None else word for word in words], size=sizes)
    both = objects(word=[np.nan if word is None and at % 2 else word for at, word in enumerate(words)], size=sizes)
    flags = objects(flag=[None if word is None else word == "a" for word in words], size=sizes)
    known = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    ordinals: dict[str, dict[str, Any]] = {
        "plain": {},
        "known": known | {"encoded_missing_value": -5},
        "nan": {"handle_unknown": "use_encoded_value", "unknown_value": np.nan},
        "frequent": known | {"min_frequency": 20},
        "few": known | {"max_categories": 3},
    }
    hots: dict[str, dict[str, Any]] = {
        "plain": {},
        "ignored": {"handle_unknown": "ignore", "drop": "first"},
        "binary": {"drop": "if_binary"},
        "seldom": {"handle_unknown": "infrequent_if_exist", "min_frequency": 20},
    }
    targets = {"smooth": 2.0, "random_state": SEED}
    tree = DecisionTreeClassifier(random_state=SEED)
    for name, options in ordinals.items():
        yield f"none.ordinal.{name}", make_pipeline(OrdinalEncoder(**options), tree).fit(x, y), x
        if "min_frequency" not in options and "max_categories" not in options:
            yield f"none.both.ordinal.{name}", make_pipeline(OrdinalEncoder(**options), tree).fit(both, y), x
        if options and name not in ("frequent", "few"):
            yield f"none.unseen.ordinal.{name}", make_pipeline(OrdinalEncoder(**options), tree).fit(unseen, y), x
    for name, options in hots.items():
        yield f"none.hot.{name}", make_pipeline(OneHotEncoder(**options), Ridge()).fit(x, y), x
        yield f"none.both.hot.{name}", make_pipeline(OneHotEncoder(**options), Ridge()).fit(both, y), x
        if "handle_unknown" in options:
            yield f"none.unseen.hot.{name}", make_pipeline(OneHotEncoder(**options), Ridge()).fit(unseen, y), x
    yield "none.flags", make_pipeline(OneHotEncoder(), Ridge()).fit(flags, y), flags
    for name, table in (("", x), ("both.", both), ("unseen.", unseen)):
        yield f"none.{name}target", make_pipeline(TargetEncoder(**targets), Ridge()).fit(table, y), x
        hist = HistGradientBoostingClassifier(max_iter=5, categorical_features=["word", "size"])
        yield f"none.{name}hist", hist.fit(table, y), x
    ignore = OneHotEncoder(handle_unknown="ignore")
    for name, options in {
        "frequent": {"strategy": "most_frequent"},
        "constant": {"strategy": "constant", "fill_value": "z"},
    }.items():
        filled = SimpleImputer(missing_values=None, add_indicator=True, **options)
        yield f"none.filled.{name}", make_pipeline(filled, ignore, Ridge()).fit(x, y), x
        # NaN alone is filled in: None stays, a category of its own where training had it.
        yield f"none.kept.{name}", make_pipeline(SimpleImputer(**options), ignore, Ridge()).fit(x, y), x
        yield f"none.unseen.kept.{name}", make_pipeline(SimpleImputer(**options), ignore, Ridge()).fit(unseen, y), x
    marked = MissingIndicator(missing_values=None, features="all")
    yield "none.marked", make_pipeline(marked, Ridge()).fit(x, y), x


def transformations() -> Iterator[tuple[str, BaseEstimator, pd.DataFrame]]:
    """Yield transformers with other options than the defaults, before a linear model."""
    from sklearn.decomposition import SparseCoder
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    x, y = table("breast_cancer")
    for suffix, options in SPLINES.items():
        # Half the rows leave room beyond the knots.
        known = holes(x) if suffix == "missing" else x
        fitted = make_pipeline(SplineTransformer(**options), Ridge()).fit(known.iloc[:300], y[:300])
        yield f"SplineTransformer.{suffix}", fitted, known.iloc[:300] if suffix == "error" else known
    atoms = np.linalg.qr(np.random.default_rng(SEED).normal(size=(16, 16)))[0][:12]
    for suffix, options in CODES.items():
        coder = make_pipeline(StandardScaler(), SparseCoder(atoms + 0.1, **options), Ridge())
        yield f"SparseCoder.{suffix}", coder.fit(x, y), x


def neighborhoods() -> Iterator[tuple[str, BaseEstimator, pd.DataFrame]]:
    """Yield estimators of nearest rows, some of rows among which many are at one distance."""
    from sklearn.impute import KNNImputer
    from sklearn.neighbors import (
        KNeighborsClassifier,
        KNeighborsRegressor,
        LocalOutlierFactor,
        NearestCentroid,
        RadiusNeighborsClassifier,
        RadiusNeighborsRegressor,
    )
    from sklearn.preprocessing import StandardScaler

    a, b = table("breast_cancer")
    d, t = table("diabetes")
    i, k = table("iris")
    names = np.array(["x", "y", "z"])[k]
    grid = np.stack(np.meshgrid(*[np.arange(7.0)] * 3), axis=-1).reshape(-1, 3)
    grid = pd.DataFrame(np.concatenate([grid, grid]), columns=list("uvw"))
    colour = np.random.default_rng(SEED).integers(0, 3, len(grid))
    for weights in ("uniform", "distance"):
        for algorithm in ("kd_tree", "ball_tree", "brute"):
            metric = "manhattan" if algorithm == "brute" and weights == "distance" else "minkowski"
            options = {"weights": weights, "algorithm": algorithm, "metric": metric, "leaf_size": 5}
            yield f"knn.grid.{algorithm}.{weights}", KNeighborsClassifier(9, **options).fit(grid, colour), grid + 0.5
            yield f"knn.even.{algorithm}.{weights}", KNeighborsClassifier(4, **options).fit(i[::2], names[::2]), i
    for metric in ("manhattan", "chebyshev", "minkowski"):
        for algorithm in ("kd_tree", "ball_tree", "brute"):
            model = KNeighborsRegressor(7, weights="distance", p=3, metric=metric, algorithm=algorithm)
            yield f"knn.{metric}.{algorithm}", model.fit(d[::2], t[::2]), d
    yield "knn.scaled", make_pipeline(StandardScaler(), KNeighborsClassifier(11)).fit(a[::2], b[::2]), a
    yield "knn.regressor.scaled", make_pipeline(StandardScaler(), KNeighborsRegressor(11)).fit(a[::2], b[::2]), a
    yield "knn.product.distance", KNeighborsClassifier(weights="distance").fit(a[::2], b[::2]), a
    yield "knn.cosine", KNeighborsClassifier(3, metric="cosine").fit(d[::2], t[::2] > 140), d
    yield "knn.single", KNeighborsClassifier(6).fit(i.astype("float32"), k), i.astype("float32")
    yield "knn.int", KNeighborsClassifier(6).fit(a[::2].round().astype("int64"), b[::2]), a.round().astype("int64")
    yield "knn.two.labels", KNeighborsClassifier(4).fit(i, np.stack([k, k % 2], axis=1)), i
    yield "knn.two.targets", KNeighborsRegressor(4, weights="distance").fit(d[::2], np.stack([t, -t], axis=1)[::2]), d
    yield "radius.distance", RadiusNeighborsClassifier(0.5, weights="distance").fit(i, names), i
    yield "radius.outliers", RadiusNeighborsClassifier(1.5, outlier_label="y").fit(i[::2], names[::2]), i * 1.1
    yield "radius.brute", RadiusNeighborsClassifier(60.0, outlier_label="most_frequent").fit(a[::2], b[::2]), a
    yield "radius.alone", RadiusNeighborsRegressor(0.1, weights="distance").fit(d[::2], t[::2]), d
    yield "centroid.manhattan", NearestCentroid(metric="manhattan").fit(i, names), i
    yield "centroid.priors", NearestCentroid(priors=[0.2, 0.5, 0.3], shrink_threshold=0.5).fit(i, names), i
    yield "outliers.tree", LocalOutlierFactor(novelty=True, n_neighbors=12).fit(i), i * 1.05
    yield "outliers.single", LocalOutlierFactor(novelty=True).fit(i), i.astype("float32")
    yield "outliers.brute", LocalOutlierFactor(novelty=True).fit(a[::2]), a
    empty = holes(d).assign(bmi=np.nan)
    for keep in (False, True):
        imputer = KNNImputer(n_neighbors=3, add_indicator=True, keep_empty_features=keep)
        yield f"donors.{'kept' if keep else 'dropped'}", make_pipeline(imputer, Ridge()).fit(empty, t), empty
    marked = holes(d).fillna(-1.0)
    yield "donors.marked", make_pipeline(KNNImputer(missing_values=-1.0), Ridge()).fit(marked, t), marked


def corpus() -> tuple[pd.DataFrame, np.ndarray]:
    """Return letters to newsgroups, as it were: words by topic, with what else is in letters, and numbers beside them."""
    rng = np.random.default_rng(SEED)
    syllables = ["ba", "ko", "mi", "ten", "ür", "ña", "dis", "ŧo", "ξε", "\u0440\u0443", "語", "ka", "re", "lo", "st"]
    words = ["".join(rng.choice(syllables, rng.integers(1, 5))) for _ in range(900)]
    shares = 1 / (np.arange(900) + 3)
    topics = [rng.permutation(900) for _ in range(4)]
    others = ["it's", "e-mail", "x", "42", "3.14", "\u00c9t\u00e9", "cafe\u0301", "\u0395\u03a3.", "\ufb01n", "na\u00efve_1"]
    y = rng.integers(0, 4, 400)
    texts = []
    for topic in y:
        row = [words[topics[topic][at]] for at in rng.choice(900, rng.integers(0, 60), p=shares / shares.sum())]
        row = [word.upper() if rng.random() < 0.1 else word.capitalize() if rng.random() < 0.1 else word for word in row]
        row += others[: rng.integers(0, len(others) + 1)]
        texts.append(str(rng.choice([" ", "  ", "\n", ", ", "\u00a0"])).join(row))
    return pd.DataFrame({"text": texts, "size": rng.normal(size=400), "kind": rng.choice(["a", "b"], 400)}), y


def anything(rows: int) -> pd.DataFrame:
    """Return documents of characters from everywhere in Unicode, as far as Python's tables know them."""
    rng = np.random.default_rng(SEED)
    # Arrays, which `choice` draws from as they are: it would copy a list for every character.
    known = np.array([chr(code) for code in range(1, 0x30000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")])
    common = np.array(list("abcXYZ019_ .,-'\t\n\x0b\x1c\x1f\x85\u0130\u03a3\u03c3\u0301\u200d\u24b6\u1e9e\u00df"))

    def document() -> str:
        return "".join(rng.choice(known if rng.random() < 0.5 else common) for _ in range(rng.integers(0, 80)))

    return pd.DataFrame({"text": [document() for _ in range(rows)]})


def documents() -> Iterator[tuple[str, BaseEstimator, pd.DataFrame]]:
    """Yield vectorizers of texts, each before what is often put after it."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer
    from sklearn.decomposition import LatentDirichletAllocation, TruncatedSVD
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
    from sklearn.feature_selection import SelectKBest, chi2
    from sklearn.linear_model import SGDClassifier
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
    from sklearn.pipeline import FeatureUnion
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC, LinearSVC

    x, y = corpus()
    wild, sevens = anything(300), np.arange(300) % 7
    labels = np.array(["atheism", "graphics", "space", "religion"])[y]
    logistic = LogisticRegression(max_iter=500)

    def alone(*steps: BaseEstimator, column: str = "text") -> BaseEstimator:
        # Fitted on an array, as a model of one column of documents is.
        table = ColumnTransformer([("text", make_pipeline(*steps[:-1]), column)])
        return make_pipeline(table, steps[-1])

    def mixed(vectorizer: BaseEstimator, last: BaseEstimator) -> BaseEstimator:
        table = ColumnTransformer([
            ("text", vectorizer, "text"),
            ("size", StandardScaler(), ["size"]),
            ("kind", OneHotEncoder(), ["kind"]),
        ])
        return make_pipeline(table, last)

    yield "text.tfidf", alone(TfidfVectorizer(), logistic).fit(x, labels), x
    yield "text.counts", alone(CountVectorizer(ngram_range=(1, 2), min_df=2), MultinomialNB()).fit(x, labels), x
    yield "text.binary", alone(CountVectorizer(binary=True, max_features=300), BernoulliNB()).fit(x, labels), x
    yield "text.sublinear", alone(TfidfVectorizer(sublinear_tf=True, norm="l1"), ComplementNB()).fit(x, labels), x
    yield "text.char", alone(TfidfVectorizer(analyzer="char", ngram_range=(1, 3), max_features=2000), LinearSVC()).fit(x, y), x
    yield "text.char_wb", alone(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)), SGDClassifier()).fit(x, y), x
    yield "text.wide.ridge", alone(TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 6), norm=None), Ridge()).fit(x, y), x
    yield "text.english", alone(TfidfVectorizer(stop_words="english"), logistic).fit(x, y), x
    yield "text.english.pairs", alone(TfidfVectorizer(stop_words="english", ngram_range=(1, 2)), logistic).fit(x, y), x
    stopped = CountVectorizer(stop_words=["x", "42", "été", "mail"], ngram_range=(2, 3), strip_accents="unicode")
    yield "text.stopped", alone(stopped, TfidfTransformer(use_idf=False), logistic).fit(x, y), x
    vocabulary = ["email", "cafe", "fin", "naive", "e", "es", "42"]
    ascii_only = CountVectorizer(strip_accents="ascii", vocabulary=vocabulary, token_pattern=r"\b\w+\b")
    yield "text.vocabulary", alone(ascii_only, logistic).fit(x, y), x
    for at, pattern in enumerate([r"[a-z]{2,}", r"\S+", r"(?u)\b\w[\w'-]*\w\b", r"\b([^\W\d_]+)\d*", r"\w\w\w+", r"[^\s,]+|\d+"]):
        yield f"text.pattern.{at}", alone(TfidfVectorizer(token_pattern=pattern), logistic).fit(x, y), x
        yield f"text.anything.{at}", alone(CountVectorizer(token_pattern=pattern), Ridge()).fit(wild, sevens), wild
    yield "text.pattern.lookahead", alone(TfidfVectorizer(token_pattern=r"\w+(?=\s)"), logistic).fit(x, y), x
    for accents in (None, "unicode", "ascii"):
        for analyzer in ("word", "char", "char_wb"):
            options = {"analyzer": analyzer, "strip_accents": accents, "token_pattern": r"(?u)\b\w+\b"}
            vectorizer = CountVectorizer(ngram_range=(1, 2), **options)
            yield f"text.anything.{accents}.{analyzer}", alone(vectorizer, Ridge()).fit(wild, sevens), wild
    yield "text.hashed", alone(HashingVectorizer(n_features=2**17), logistic).fit(x, labels), x
    unsigned = HashingVectorizer(n_features=1000, alternate_sign=False, norm=None, binary=True, ngram_range=(1, 2))
    yield "text.hashed.binary", alone(unsigned, MultinomialNB()).fit(x, labels), x
    yield "text.hashed.anything", alone(HashingVectorizer(n_features=300, analyzer="char"), Ridge()).fit(wild, sevens), wild
    yield "text.chosen", alone(TfidfVectorizer(), SelectKBest(chi2, k=200), logistic).fit(x, labels), x
    yield "text.svd", alone(TfidfVectorizer(), TruncatedSVD(10, random_state=SEED), logistic).fit(x, labels), x
    yield "text.forest", alone(TfidfVectorizer(max_features=500), RandomForestClassifier(10, random_state=SEED)).fit(x, labels), x
    topics = LatentDirichletAllocation(5, random_state=SEED)
    yield "text.topics", alone(CountVectorizer(min_df=2), topics, logistic).fit(x, labels), x
    yield "text.svc", alone(TfidfVectorizer(max_features=500), SVC()).fit(x, labels), x
    yield "text.rest", alone(TfidfVectorizer(), OneVsRestClassifier(LinearSVC())).fit(x, labels), x
    yield "text.calibrated", alone(TfidfVectorizer(), CalibratedClassifierCV(LinearSVC(), cv=2)).fit(x, labels), x
    both = FeatureUnion(
        [("words", TfidfVectorizer()), ("characters", TfidfVectorizer(analyzer="char", ngram_range=(2, 3)))],
        transformer_weights={"characters": 0.5},
    )
    yield "text.union", alone(both, logistic).fit(x, labels), x
    yield "text.mixed", mixed(TfidfVectorizer(), logistic).fit(x, labels), x
    forest = RandomForestClassifier(10, random_state=SEED)
    yield "text.mixed.counts", mixed(CountVectorizer(max_features=20), forest).fit(x, labels), x
    yield "text.mixed.svd", mixed(make_pipeline(TfidfVectorizer(), TruncatedSVD(5)), logistic).fit(x, labels), x
    many = pd.DataFrame({"user": [f"u{at * 7919 % 17_001}" for at in range(17_001)], "size": np.arange(17_001) % 10.0})
    users = ColumnTransformer([("user", OneHotEncoder(handle_unknown="ignore"), ["user"]), ("size", "passthrough", ["size"])])
    yield "wide.encoded", make_pipeline(users, Ridge()).fit(many, np.arange(17_001) % 13), many.iloc[::50]
    yield "text.tensor", make_pipeline(TfidfVectorizer(), logistic).fit(x["text"], labels), x[["text"]]
    yield "text.table", make_pipeline(TfidfVectorizer(), logistic).fit(x["text"], labels), x[["text"]]


GROUPS = {group.__name__: group for group in (combinations, absences, transformations, neighborhoods, documents)}


def answer(model: BaseEstimator, method: str, x: pd.DataFrame) -> dict[str, pa.Array]:
    """Return what a method gives, a column each; nothing where it gives no array."""
    given = getattr(model, method)(x["text"] if hasattr(model, "steps") and hasattr(model[0], "get_stop_words") else x)
    if isinstance(given, list):
        return {}
    matrix = np.asarray(given).reshape(len(given), -1)
    columns = {}
    for at in range(matrix.shape[1]):
        values = matrix[:, at]
        columns[f"{method}:{at}"] = pa.array(values.tolist() if values.dtype.kind in "OU" else values, from_pandas=False)
    return columns


def answers(model: BaseEstimator, x: pd.DataFrame) -> pa.Table:
    """Return what every method gives."""
    columns: dict[str, Any] = {}
    for method in METHODS:
        if hasattr(model, method):
            columns |= answer(model, method, x)
    if not columns:
        raise LeftOut("no method answers with an array")
    return pa.table(columns)


def probes(x: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield a few rows with something odd in one column: the name of the oddity, the column, the rows."""
    rows = x.iloc[:6].reset_index(drop=True)

    def put(column: str, value: Any) -> pd.DataFrame:
        values = [value if at == 3 else known for at, known in enumerate(rows[column])]
        return rows.assign(**{column: pd.Series(values, dtype=rows[column].dtype)})

    floats = [column for column in x if x[column].dtype.kind == "f"]
    words = [column for column in x if any(isinstance(value, str) for value in rows[column])]
    if floats:
        column = floats[len(floats) // 2]
        yield "infinity", column, put(column, np.inf)
        yield "NaN", column, put(column, np.nan)
        if x[column].dtype == "float64":
            yield "1e39", column, put(column, 1e39)
        yield "number", column, put(column, 12345.5)
        yield "text", column, rows.assign(**{column: ["abc"] * len(rows)})
    if words:
        yield "category", words[0], put(words[0], "never seen")
        yield "None", words[0], put(words[0], None)
    yield "empty", "", rows.iloc[:0]


def probe(model: BaseEstimator, x: pd.DataFrame, case: Path) -> None:
    """Write what the library does with odd rows."""
    for name, column, rows in probes(x):
        data = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata()
        metadata = {"column": column}
        for method in METHODS:
            if not hasattr(model, method):
                continue
            try:
                columns = answer(model, method, rows)
            except Exception as error:
                metadata[f"refused:{method}"] = f"{type(error).__name__}: {error}".splitlines()[0][:160]
                continue
            for key, values in columns.items():
                data = data.append_column(key, values)
        write(case / f"probe.{name}.arrow", data.replace_schema_metadata(metadata))


def write(path: Path, data: pa.Table) -> None:
    """Write an Arrow file."""
    with pa.ipc.new_file(path, data.schema) as writer:
        writer.write_table(data)


def terms(model: BaseEstimator, x: pd.DataFrame) -> float:
    """Return the greatest sum of the sizes of the terms that a linear model adds up; what an answer's last bits hang on."""
    last = model[-1] if hasattr(model, "steps") else model
    if hasattr(last, "X_train_") and hasattr(last, "alpha_"):
        return float(np.max(np.abs(last.kernel_(np.asarray(x), last.X_train_)) @ np.abs(last.alpha_)))
    if not hasattr(last, "coef_") or np.ndim(last.coef_) > 2:
        return 0.0
    if hasattr(model, "steps") and hasattr(model[0], "get_stop_words"):
        x = x["text"]
    within = 1.0
    if hasattr(model, "steps") and hasattr(model[0], "normalization_"):
        # The exponents of its kernel are sums themselves, of what a product of matrices leaves.
        squares = (np.asarray(x) ** 2).sum(axis=1).max() + (model[0].components_ ** 2).sum(axis=1).max()
        within = max(1.0, squares / x.shape[1])
    inputs = model[:-1].transform(x) if hasattr(model, "steps") and len(model) > 1 else x
    inputs = np.abs(np.asarray(inputs.toarray() if hasattr(inputs, "toarray") else inputs, dtype="float64"))
    weights = np.atleast_2d(last.coef_)
    return within * float(np.max(inputs @ np.abs(weights).T)) if weights.shape[1] == inputs.shape[1] else 0.0


def near(model: BaseEstimator, x: pd.DataFrame) -> list[int]:
    """Return the rows whose last neighbor and the next are as far away but for the last bits of a product of matrices."""
    last = model[-1] if hasattr(model, "steps") else model
    if not hasattr(last, "kneighbors") or last._fit_method != "brute" or last.metric == "manhattan":
        return []
    if is_classifier(last) and last.weights == "uniform" and last.metric != "cosine" and last._fit_X.dtype.kind == "f":
        # Voted on while distances are summed up, in the order of the rows.
        return []
    inputs = np.asarray(model[:-1].transform(x) if hasattr(model, "steps") and len(model) > 1 else x, dtype="float64")
    count = last.n_neighbors
    lengths = np.sort(np.linalg.norm(inputs[:, None] - np.asarray(last._fit_X), axis=2) ** 2, axis=1)
    if last.metric == "cosine":
        lengths = np.sort(1 - normalize(inputs) @ normalize(last._fit_X).T, axis=1)
    bound = 1e-12 * ((inputs**2).sum(axis=1) + (last._fit_X**2).sum(axis=1).max())
    return np.flatnonzero(lengths[:, count] - lengths[:, count - 1] <= bound).tolist()


def save(name: str, model: BaseEstimator, x: pd.DataFrame, out: Path) -> None:
    """Write one case, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=out, prefix=".tmp-") as scratch:
        case = Path(scratch) / name
        case.mkdir()
        write(case / "input.arrow", pa.Table.from_pandas(x, preserve_index=False))
        write(case / "expected.arrow", answers(model, x))
        probe(model, x, case)
        saved = 0
        for form in FORMATS:
            requirements = ["scikit-learn", "pandas<3"] if name.startswith(OLD_PANDAS) else ["scikit-learn"]
            options: dict[str, Any] = {"serialization_format": form, "pip_requirements": requirements}
            options["signature"] = SIGNATURES.get(name)
            try:
                if form == "skops":
                    options["skops_trusted_types"] = skops.io.get_untrusted_types(data=skops.io.dumps(model))
                mlflow.sklearn.save_model(model, case / form, **options)
                saved += 1
            except Exception:
                shutil.rmtree(case / form, ignore_errors=True)
        if not saved:
            raise LeftOut("no format can hold it")
        last = model[-1] if hasattr(model, "steps") else model
        linear_before = hasattr(model, "steps") and len(model) > 1
        exact = any(word in type(last).__name__ for word in EXACT) and not linear_before and name not in SINGLE
        about = {
            "class": type(last).__name__,
            "exact": exact,
            "exponential": is_exponential(last),
            "single": name in SINGLE,
            "terms": terms(model, x),
            "near": near(model, x),
            "neighbors": hasattr(last, "kneighbors"),
            "rows": len(x),
        }
        (case / "case.json").write_text(json.dumps(about))
        shutil.rmtree(out / name, ignore_errors=True)
        os.rename(case, out / name)


def is_exponential(model: BaseEstimator) -> bool:
    """Whether numpy's ``exp``, whose last bits depend on the CPU, stands between a boosted sum and its numbers."""
    boosted = "Boost" in type(model).__name__
    return boosted and (is_classifier(model) or getattr(model, "loss", "") in ("poisson", "gamma"))


@cache
def estimators() -> dict[str, type[BaseEstimator]]:
    """Return every estimator there is; looking for them takes a while."""
    return dict(all_estimators())


def keep(name: str, out: Path, wanted: set[str]) -> str | None:
    """Make the cases of an estimator or of a group, as far as they are wanted. Returns what stopped it."""
    warnings.simplefilter("ignore")
    try:
        cases = GROUPS[name]() if name in GROUPS else fitted(name, estimators()[name])
        for case, model, x in cases:
            if not wanted or case in wanted or name in wanted:
                save(case, model, x, out)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:160]
    return None


def main(arguments: list[str]) -> None:
    """Make the named cases, or all, as many side by side as there are cores."""
    out, wanted = Path(arguments[0]), set(arguments[1:])
    out.mkdir(parents=True, exist_ok=True)
    # Groups take longest and go first.
    names = [name for name in GROUPS if not wanted or any(not case[0].isupper() for case in wanted)]
    names += [name for name in estimators() if not wanted or any(case.split(".")[0] == name for case in wanted)]
    with ProcessPoolExecutor() as pool:
        stopped = dict(zip(names, pool.map(keep, names, repeat(out), repeat(wanted)), strict=True))
    left_out = {name: reason for name, reason in stopped.items() if reason}
    (out / "left-out.json").write_text(json.dumps(left_out, indent=1, sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])

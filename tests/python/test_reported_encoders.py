"""Reported faults: categories that are None, refused values, dictionary and decimal columns, pickles that hold code."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import fractions
import functools
import operator
import pickle
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.interpolate
import scipy.sparse
import scipy.stats
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

import mlflight

WORDS = ["a", "b", None, "c", None, "a"] * 5
LABELS = [1, 2, 10, 3, 10, 1] * 5


def objects(values: list) -> pd.DataFrame:
    """Return a frame of one column of Python objects."""
    return pd.DataFrame({"word": pd.Series(values, dtype=object)})


def save(model: BaseEstimator, path: Path, **options) -> Path:
    """Save a model without looking for its requirements."""
    options = {"serialization_format": "cloudpickle", "pip_requirements": ["scikit-learn"]} | options
    mlflow.sklearn.save_model(model, path, **options)
    return path


def batch_score(binary: Path, model: Path, table: pa.Table, scratch: Path) -> list:
    """Return what the command line answers."""
    pq.write_table(table, scratch / "in.parquet")
    command = [binary, "batch-score", "--model", model, "--input", scratch / "in.parquet", "--output", scratch / "out.parquet"]
    subprocess.run(command, check=True, capture_output=True)
    return pq.read_table(scratch / "out.parquet").column("prediction").to_pylist()


class TestNone:
    """A null among texts."""

    @pytest.mark.parametrize("form", ["cloudpickle", "pickle", "skops"])
    def test_is_a_category_where_training_had_it(self, binary, tmp_path, form):
        model = make_pipeline(OrdinalEncoder(), DecisionTreeClassifier()).fit(objects(WORDS), LABELS)
        rows = objects(["a", None, "b"])
        trusted = {"skops_trusted_types": ["sklearn.tree._tree.Tree"]} if form == "skops" else {}
        path = save(model, tmp_path / "model", serialization_format=form, **trusted)
        loaded = mlflight.load_model(path)
        assert loaded.engine == "native"
        assert model.predict(rows).tolist() == [1, 10, 2]
        table = pa.table({"word": ["a", None, "b"]})
        assert loaded.predict(table).to_pylist() == [1, 10, 2]
        assert loaded.predict(rows).tolist() == [1, 10, 2]
        assert loaded.predict(pa.table({"word": pa.nulls(1)})).to_pylist() == [10]
        # What the caller's own frame says counts.
        with pytest.raises(mlflight.MlflightError, match="Found NaN in column 0 that was unknown in fit"):
            loaded.predict(objects(["a", np.nan, "b"]))
        assert batch_score(binary, path, table, tmp_path) == [1, 10, 2]

    def test_is_nan_where_training_had_that_and_pandas_makes_it_so(self, tmp_path):
        known = [np.nan if word is None else word for word in WORDS]
        model = make_pipeline(OrdinalEncoder(), DecisionTreeClassifier()).fit(objects(known), LABELS)
        with pytest.raises(ValueError, match="None"):
            model.predict(objects(["a", None, "b"]))
        table = pa.table({"word": ["a", None, "b"]})
        old = save(model, tmp_path / "old", pip_requirements=["scikit-learn", "pandas==2.2.3"])
        with pytest.raises(mlflight.MlflightError, match="None") as refused:
            mlflight.load_model(old).predict(table)
        assert "'word'" in str(refused.value)
        new = save(model, tmp_path / "new", pip_requirements=["scikit-learn", "pandas==3.1.1"])
        loaded = mlflight.load_model(new)
        assert loaded.predict(table).to_pylist() == [1, 10, 2]
        assert loaded.predict(pd.DataFrame({"word": ["a", np.nan, "b"]})).tolist() == [1, 10, 2]
        # A frame of objects says which of the two it holds.
        with pytest.raises(mlflight.MlflightError, match="unknown in fit"):
            loaded.predict(objects(["a", None, "b"]))


@pytest.fixture(scope="module")
def numbers() -> tuple[pd.DataFrame, np.ndarray]:
    """Return two columns and classes."""
    rng = np.random.default_rng(4)
    x = pd.DataFrame(rng.normal(size=(60, 2)), columns=["u", "v"])
    return x, (x["u"] > 0).to_numpy().astype("int64")


@pytest.mark.parametrize("value", [np.inf, 1e39])
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_tree_refuses_what_single_precision_cannot_hold(numbers, tmp_path, outputs, value):
    x, y = numbers
    model = DecisionTreeClassifier() if outputs == 1 else MultiOutputClassifier(DecisionTreeClassifier())
    path = save(model.fit(x, y if outputs == 1 else np.stack([y, y], axis=1)), tmp_path / "model")
    with pytest.raises(mlflight.MlflightError, match="infinity or a value too large") as refused:
        mlflight.load_model(path, engine="native").predict(x.assign(v=[value] * len(x)))
    assert "'v'" in str(refused.value)


def saved_kinds(numbers, scratch: Path, signature: ModelSignature | None) -> dict[str, tuple[Path, np.ndarray]]:
    """Save a model of each library, and return what each answers to the numbers."""
    import lightgbm
    import xgboost

    x, y = numbers
    options = {"pip_requirements": ["scikit-learn"], "signature": signature}
    models = {}
    for name, model in {
        "sklearn": LogisticRegression(),
        "xgboost": xgboost.XGBClassifier(n_estimators=3),
        "lightgbm": lightgbm.LGBMRegressor(n_estimators=3, min_child_samples=2),
        "booster": xgboost.XGBClassifier(n_estimators=3),
    }.items():
        model.fit(x, y)
        flavor = mlflow.xgboost if name == "booster" else getattr(mlflow, name)
        trusted = {"serialization_format": "cloudpickle"} if name in ("sklearn", "lightgbm") else {}
        flavor.save_model(model.get_booster() if name == "booster" else model, scratch / name, **trusted, **options)
        models[name] = scratch / name, mlflow.pyfunc.load_model(scratch / name).predict(x)
    return models


@pytest.mark.parametrize("signed", [False, True])
def test_dictionaries_are_their_values_and_decimals_numbers(numbers, binary, tmp_path, signed):
    signature = ModelSignature(Schema([ColSpec("double", "u"), ColSpec("double", "v")])) if signed else None
    x = numbers[0].round(3)
    decimals = pa.array([decimal.Decimal(str(value)) for value in x["v"]], pa.decimal128(12, 3))
    plain = pa.table({"u": pa.array(x["u"]), "v": pa.array(x["v"])})
    odd = pa.table({"u": pa.array(x["u"]).dictionary_encode(), "v": decimals})
    for name, (path, expected) in saved_kinds((x, numbers[1]), tmp_path, signature).items():
        loaded = mlflight.load_model(path, engine="native")
        answers = loaded.predict(plain)
        np.testing.assert_allclose(answers.to_numpy().astype("float64"), expected, rtol=1e-12, err_msg=name)
        assert loaded.predict(odd).equals(answers), name
        assert loaded.predict(plain.to_pandas().astype({"u": "category"})).tolist() == answers.to_pylist(), name
        if name == "sklearn":
            assert batch_score(binary, path, odd, tmp_path) == answers.to_pylist()


@pytest.mark.parametrize("signed", [False, True])
def test_text_in_a_dictionary_is_text(tmp_path, signed):
    signature = ModelSignature(Schema([ColSpec("string", "word")])) if signed else None
    model = make_pipeline(OrdinalEncoder(), DecisionTreeClassifier()).fit(objects(WORDS), LABELS)
    loaded = mlflight.load_model(save(model, tmp_path / "model", signature=signature), engine="native")
    words = pa.array(["b", "a", "b", None])
    for column in [words, words.dictionary_encode(), words.cast(pa.large_string()).dictionary_encode()]:
        assert loaded.predict(pa.table({"word": column})).to_pylist() == [2, 1, 2, 10]
    assert loaded.predict(pd.DataFrame({"word": pd.Categorical(["b", "a", "b", None])})).tolist() == [2, 1, 2, 10]


def test_a_category_column_of_histograms_is_read_by_its_values(numbers, tmp_path):
    x, y = numbers
    words = pd.Categorical(np.array(["b", "a", "c"])[np.arange(len(x)) % 3]).set_categories(["a", "b", "c"])
    x = x.assign(word=words)
    x.loc[::7, "word"] = np.nan
    model = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2, categorical_features="from_dtype").fit(x, y)
    loaded = mlflight.load_model(save(model, tmp_path / "model"), engine="native")
    assert loaded.predict(x).tolist() == model.predict(x).tolist()


class TestCode:
    """Pickles that hold code are scored in Python, and the reason is said."""

    def loaded(self, model: BaseEstimator, path: Path, reason: str, **options) -> mlflight.Model:
        loaded = mlflight.load_model(save(model, path, **options))
        assert loaded.engine == "python"
        assert reason in loaded.reason
        return loaded

    def test_a_class_by_value(self, numbers, tmp_path):
        class Doubled(TransformerMixin, BaseEstimator):
            """A transformer as somebody writes it in a notebook."""

            def fit(self, x, y=None):
                self.fitted_ = True
                return self

            def transform(self, x):
                return 2 * x

        Doubled.__module__ = "__main__"
        x, y = numbers
        model = make_pipeline(Doubled(), LogisticRegression()).fit(x, y)
        loaded = self.loaded(model, tmp_path / "m", "a class or function by value")
        np.testing.assert_array_equal(loaded.predict(x).to_numpy(), model.predict(x))

    def test_a_method_in_the_place_of_another(self, numbers, tmp_path):
        x, y = numbers
        model = LogisticRegression().fit(x, y)
        model.predict = model.decision_function
        self.loaded(model, tmp_path / "m", "getattr", serialization_format="pickle")

    def test_a_built_in_type(self, numbers, tmp_path):
        x, y = numbers
        model = LogisticRegression().fit(x, y)
        model.note_ = [type(None), type(...), type(NotImplemented), lambda: None]
        assert b"_builtin_type" in cloudpickle.dumps(model)
        self.loaded(model, tmp_path / "m", "by value")

    def test_nothing_that_a_pickle_may_hold_is_an_error(self, numbers, tmp_path):
        x, y = numbers
        model = LogisticRegression().fit(x, y)
        path = save(model, tmp_path / "m", serialization_format="pickle")
        refused, native = [], 0
        for name, value in [("nothing", None), *curiosities()]:
            model.note_ = value
            for way, written in ways(model, tmp_path / "scratch"):
                (path / "model.pkl").write_bytes(written)
                try:
                    mlflight.load_model(path, engine="native")
                    native += 1
                except mlflight.MlflightError as error:
                    if error.code != "NEEDS_PYTHON":
                        refused.append(f"{name}, {way}: {error}")
        assert not refused, "\n".join(refused)
        assert native > 50


class Slotted:
    """An object whose state is in slots."""

    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a, self.b = 1, [2]


class Listed(list):
    """A list with attributes."""


class Dicted(dict):
    """A dict with attributes."""


class Colour(enum.Enum):
    """One of two."""

    RED = 1


class Reduced:
    """An object that is made again in every way that there is."""

    def __reduce__(self) -> tuple:
        return Listed, ([1],), {"a": 1}, iter([2, 3]), None


Point = collections.namedtuple("Point", "x y")


def curiosities() -> list[tuple[str, Any]]:
    """Return values of many kinds, by name."""
    listed, dicted, ordered = Listed([1]), Dicted(a=1), collections.OrderedDict(a=1)
    listed.note = dicted.note = ordered.note = "attribute"
    endless: list = []
    endless.append(endless)
    records = np.array([(1, 2.0, "x"), (3, 4.0, None)], dtype=[("a", "i4"), ("b", ">f8"), ("c", "O")])
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"]), "d": pd.to_datetime(["2020", "2021"])})
    numeric = {
        code: np.zeros((2, 3), dtype=code)
        for code in "? i1 u8 f2 f4 >f8 c8 c16 g U3 U0 S4 S0 V3 M8[ns] m8[s] O i4,f8 2f4 (2,2)i1".split()  # noqa: SIM905
    }
    return [
        ("slots", Slotted()),
        ("list with attributes", listed),
        ("dict with attributes", dicted),
        ("ordered dict with attributes", ordered),
        ("default dict", collections.defaultdict(list, a=[1])),
        ("counter", collections.Counter("aab")),
        ("deque", collections.deque([1, 2], maxlen=3)),
        ("enum", Colour.RED),
        ("named tuple", Point(1, 2)),
        ("reduced", Reduced()),
        ("endless list", endless),
        ("sets", [{1, "a"}, frozenset({1}), set(), frozenset()]),
        ("numbers", [2**63, -(2**70), 1.5e300, np.inf, -0.0, 1 + 2j, True, None, ..., NotImplemented, range(3), slice(1, None)]),
        ("texts", ["", "é", "\ud800", "\U0001f600", "a\\b'\"\n\0", b"\xff", bytearray(b"ab"), b"", bytearray()]),
        ("standard", [decimal.Decimal("1.5"), fractions.Fraction(1, 3), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)]),
        ("more standard", [re.compile("a+"), uuid.UUID(int=1), Path("a"), array.array("d", [1.0]), ValueError("x", 1)]),
        ("functions", [len, np.log, functools.partial(max, 1, key=abs), operator.itemgetter(0), str.upper, "a".join]),
        ("lambda", lambda v, w=[1]: (v, w)),
        ("class by value", type("Made", (Listed,), {"__module__": "__main__", "predict": lambda self: 1, "__slots__": ()})),
        ("object of it", type("Made", (), {"__module__": "__main__", "__doc__": "x"})()),
        ("list of it", type("Made", (list,), {"__module__": "__main__"})([1, 2])),
        ("dict of it", type("Made", (dict,), {"__module__": "__main__"})(a=1)),
        ("array of it", np.zeros(2).view(type("Made", (np.ndarray,), {"__module__": "__main__"}))),
        ("types", [type(None), type(...), int, type, list[int], dict[str, int], Any, Callable[[int], str]]),
        ("records", records),
        ("records in Fortran order", np.asfortranarray(np.zeros((2, 2), dtype=[("a", "i4")]))),
        ("numpy's own", [np.float32(1), np.str_("a"), np.bytes_(b"a"), np.datetime64("2020"), np.bool_(True), np.dtype("f8")]),
        ("arrays", list(numeric.values())),
        ("empty arrays", [np.zeros((0, 3)), np.zeros(()), np.array(None), np.array([], dtype=object), np.array([[], []])]),
        ("arrays of arrays", np.array([np.zeros(2), np.ones((2, 2)), None, "a"], dtype=object)),
        ("strings of numpy", np.array(["a", "bc"], dtype=np.dtypes.StringDType())),
        ("masked", np.ma.masked_array([1.0, 2.0], mask=[True, False])),
        ("matrix", np.matrix([[1.0]])),
        ("record array", np.rec.array([(1, "a")], names="x,y")),
        ("big-endian", [np.arange(3, dtype=">i4"), np.array(["ab"], dtype=">U2")]),
        ("views", [np.arange(12.0).reshape(3, 4).T, np.arange(10)[::2], np.broadcast_to(1.0, (2, 2))]),
        ("generators", [np.random.default_rng(1), np.random.RandomState(1), np.random.MT19937(1)]),
        ("zeros", np.zeros(140_000)),
        ("many objects", [Point(at, at) for at in range(3_000)]),
        ("frames", [frame, frame["b"], frame.index, pd.MultiIndex.from_product([[1], ["a"]]), pd.Timestamp("2020"), pd.NA]),
        ("nullable", [pd.array([1, None], dtype="Int64"), pd.array(["a", None], dtype="string"), pd.Interval(0, 1)]),
        (
            "sparse",
            [scipy.sparse.csr_matrix(np.eye(3)).asformat(form) for form in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")],
        ),
        ("scipy's", [scipy.stats.norm(0, 1), scipy.stats.uniform, scipy.interpolate.interp1d([0, 1], [0, 1])]),
    ]


def ways(model: BaseEstimator, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the bytes of a model in every way that it can be written."""
    writers = [(pickle, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for writer, protocol in [*writers, (cloudpickle, 0), (cloudpickle, 2), (cloudpickle, 5)]:
        try:
            yield f"{writer.__name__} {protocol}", writer.dumps(model, protocol)
        except (pickle.PicklingError, TypeError, AttributeError, ValueError, UnicodeEncodeError):
            continue
    for compress in (0, ("zlib", 1), ("gzip", 1)):
        try:
            joblib.dump(model, scratch, compress=compress)
        except (pickle.PicklingError, TypeError, AttributeError):
            continue
        yield f"joblib {compress}", scratch.read_bytes()

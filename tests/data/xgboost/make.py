"""Write small models of one old XGBoost, with what it predicts itself: ``make.py`` in that XGBoost's own environment.

Makes ``VERSION/CASE.json`` beside this script (``.ubj`` where that XGBoost writes it), ``VERSION/CASE.bin`` (the binary format,
where it writes that), and for each model what it predicts for ``rows()`` as ``VERSION/CASE.expected``: a JSON object of the
answers ``predict`` and ``margin``, lists of rows, whose decimals are single floats in full; of a scikit-learn class also its name
as ``class``. These are answers of the model that was read from the file again, as MLflow reads it.

``3.3.0/words_cut.ubj`` is ``words`` with names that are not ASCII, which XGBoost 3.1 to 3.3 cuts short in its files.

``make.py few`` leaves out cases that other versions of the same time have, and what is in two formats.

Versions 1.0.2 to 1.5.2 ran on Python 3.8 with NumPy 1.23, pandas 1.5 and scikit-learn 1.0, 1.6.2 and 1.7.6 on 3.10 with
NumPy 1.23, pandas 1.5 or 2.0 and scikit-learn 1.2, 2.0.3 to 3.0.5 and 3.2.0 on 3.10 with NumPy 2.0, pandas 2.3 and
scikit-learn 1.5, 3.1.3 and 3.3.0 on 3.12 with NumPy 2.3, pandas 2.3 and scikit-learn 1.8.
0.90 ran on Python 3.8 as 1.0.2 did; its only format is the binary one.
"""

import json
import os
import shutil
import sys
import warnings

import numpy as np
import pandas as pd
import xgboost as xgb

HERE = os.path.dirname(os.path.abspath(__file__))
FEATURES = [f"f{i}" for i in range(5)]
FEW = sys.argv[1:] == ["few"]
# What only a full run writes.
MORE = {"squarederror", "poisson", "dart", "linear", "linear_softprob", "forest", "regressor_dart"}


def rows(count):
    """Return doubles between -8 and 8 in steps of 1/16, every eleventh missing: the same in every NumPy, and in the test."""
    state, values = 12345, []
    for at in range(count * len(FEATURES)):
        state = (state * 1103515245 + 12345) % (1 << 31)
        values.append(float("nan") if at % 11 == 3 else ((state >> 8) % 256 - 128) / 16.0)
    return np.array(values).reshape(count, len(FEATURES))


def target(x):
    """Return a target of both signs."""
    f = np.nan_to_num(x)
    return f[:, 0] + np.sin(f[:, 1]) * 3 - np.abs(f[:, 2])


def boosters():
    """Yield names, settings and labels of Boosters."""
    y = target(rows(200))
    kinds = np.digitize(y, [-4.0, 0.0]).astype(float)
    yield "squarederror", {"objective": "reg:squarederror"}, y
    yield "logistic", {"objective": "binary:logistic", "base_score": 0.3}, (y > 0).astype(float)
    yield "softprob", {"objective": "multi:softprob", "num_class": 3}, kinds
    yield "poisson", {"objective": "count:poisson"}, np.round(np.abs(y))
    dart = {"booster": "dart", "rate_drop": 0.5, "seed": 7}
    yield "dart", dict(dart, objective="reg:squarederror"), y
    yield "dart_softprob", dict(dart, objective="multi:softprob", num_class=3), kinds
    yield "linear", {"objective": "reg:squarederror", "booster": "gblinear"}, y
    yield "linear_softprob", {"objective": "multi:softprob", "num_class": 3, "booster": "gblinear"}, kinds
    if VERSION >= (2, 0):
        yield "vectors", {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"}, np.stack([y, -y, y * y], 1)


def mixed(count):
    """Return a table of doubles, whole numbers and truth values."""
    frame = table(count)
    whole = np.floor(frame["f3"].fillna(0.0)).astype("int64")
    return frame.assign(f3=whole, f4=frame["f4"].fillna(0.0) > 0)


def weights(count):
    """Return weights, some of them zero."""
    return np.arange(count) % 10 / 10.0


def words(count):
    """Return doubles and a category by name."""
    frame = table(count)
    names = np.array(["amber", "blue", "oil", "rust"], dtype=object)[np.arange(count) * 7 % 4]
    names[::9] = None
    return frame.assign(f4=pd.Categorical(names, categories=["oil", "amber", "rust", "blue"]))


def categories():
    """Return a Booster whose last feature is a category, by number."""
    x, y = rows(200), target(rows(200))
    x[:, 4] = np.floor(np.abs(x[:, 4]) * 6)
    y = y + np.nan_to_num(np.sin(x[:, 4] * 2)) * 4
    train = xgb.DMatrix(x, label=y, feature_names=FEATURES, feature_types=["q"] * 4 + ["c"], enable_categorical=True)
    return xgb.train({"max_depth": 4, "nthread": 1, "tree_method": "approx", "max_cat_to_onehot": 2}, train, 4)


def estimators():
    """Yield names and fitted scikit-learn classes."""
    x = table(200)
    y = target(rows(200))
    kinds = np.digitize(y, [-4.0, 0.0])
    options = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1, "random_state": 1}
    yield "regressor_dart", xgb.XGBRegressor(booster="dart", rate_drop=0.5, base_score=0.3, **options).fit(x, y)
    # Read again it takes a number of the second row for missing, or not, as its version remembers.
    missing = float(rows(24)[1, 0])
    yield "regressor_missing", xgb.XGBRegressor(missing=missing, **options).fit(x.fillna(missing), y)
    named = np.array([7, 3, 5])[kinds] if VERSION < (1, 6) else kinds
    few = dict(options, n_estimators=2)
    yield "regressor_weights", xgb.XGBRegressor(**few).fit(mixed(200), y, sample_weight=weights(200))
    yield "classifier", xgb.XGBClassifier(**few).fit(x, named)
    named = np.array(["no", "yes"])[(y > -4).astype(int)] if VERSION < (1, 6) else (y > -4).astype(int)
    yield "classifier_two", xgb.XGBClassifier(**options).fit(x, named)
    yield "forest", xgb.XGBRFClassifier(**few).fit(x, kinds)
    early = {"early_stopping_rounds": 2}
    options["n_estimators"] = 30
    noise = {"eval_set": [(x, np.random.RandomState(9).permutation(y))], "verbose": False}
    if VERSION >= (1, 6):
        yield "stopped", xgb.XGBRegressor(**early, **options).fit(x, y, **noise)
    else:
        yield "stopped", xgb.XGBRegressor(**options).fit(x, y, **early, **noise)


def table(count):
    """Return the rows as MLflow hands them over."""
    return pd.DataFrame(rows(count), columns=FEATURES)


def saved(model, name):
    """Write a model in every format of this version and yield the files."""
    formats = ["ubj" if VERSION >= (1, 6) else "json"]
    # The binary format holds neither.
    if VERSION < (3, 1) and name not in {"vectors", "categories"}:
        formats.append("bin")
    for suffix in formats[-1:] if FEW and VERSION < (1, 2) else formats[:1] if FEW else formats:
        path = os.path.join(HERE, xgb.__version__, f"{name}.{suffix}")
        # What is no known suffix was the binary format at first; later this one was.
        first = path.replace(".bin", ".deprecated")
        model.save_model(first)
        shutil.move(first, path)
        with open(path, "rb") as file:
            assert (file.read(1) == b"{") == (suffix != "bin"), path
        yield path


def answers(predict):
    """Return what a model predicts, every number as the double that a single float is."""
    found = {"predict": predict(), "margin": predict(output_margin=True)}
    return {name: plain(np.asarray(values)) for name, values in found.items()}


def booster_answers(file, scored):
    """Return what the Booster in a file predicts."""
    booster = xgb.Booster(model_file=file)
    scored = xgb.DMatrix(scored, enable_categorical=True) if VERSION >= (1, 6) else xgb.DMatrix(scored)
    return answers(lambda **options: booster.predict(scored, validate_features=True, **options))


def estimator_answers(kind, file, scored):
    """Return what the estimator in a file predicts."""
    model = kind()
    model.load_model(file)
    found = answers(lambda **options: model.predict(scored, validate_features=True, **options))
    return dict(found, **{"class": kind.__name__})


def plain(values):
    """Return an array as lists of rows."""
    values = values.reshape(len(values), -1)
    return (values if values.dtype.kind in "US" else values.astype(float)).tolist()


def write(name, found):
    """Write what every file of a case predicts, which is one answer."""
    assert all(answer == found[0] for answer in found), (name, found)
    with open(os.path.join(HERE, xgb.__version__, name + ".expected"), "w") as file:
        json.dump(found[0], file)


def main():
    """Write the models of the XGBoost that runs this."""
    os.makedirs(os.path.join(HERE, xgb.__version__), exist_ok=True)
    for name, settings, y in boosters():
        if FEW and name in MORE:
            continue
        x = np.nan_to_num(rows(200)) if "linear" in name else rows(200)
        train = xgb.DMatrix(x, label=y, feature_names=FEATURES)
        depth = {} if "linear" in name else {"max_depth": 3}
        rounds = {"dart": 6, "dart_softprob": 3}.get(name, 3)
        booster = xgb.train(dict(settings, nthread=1, **depth), train, rounds)
        write(name, [booster_answers(file, table(24)) for file in saved(booster, name)])
    if VERSION >= (1, 6):
        # Codes of all kinds: negative ones, halves, and more than the training saw.
        scored = table(24).assign(f4=lambda frame: frame["f4"] * 9)
        write("categories", [booster_answers(file, scored) for file in saved(categories(), "categories")])
    train = xgb.DMatrix(mixed(200), label=target(rows(200)), weight=weights(200))
    booster = xgb.train({"objective": "reg:squarederror", "nthread": 1, "max_depth": 3}, train, 3)
    write("flags", [booster_answers(file, mixed(24)) for file in saved(booster, "flags")])
    if VERSION >= (3, 1):
        train = xgb.DMatrix(words(200), label=target(rows(200)) + np.sin(np.arange(200) * 7 % 4) * 4, enable_categorical=True)
        booster = xgb.train({"nthread": 1, "max_depth": 3, "max_cat_to_onehot": 2}, train, 3)
        write("words", [booster_answers(file, words(24)) for file in saved(booster, "words")])
    for name, model in estimators():
        if FEW and name in MORE:
            continue
        scored = mixed(24) if name == "regressor_weights" else table(24)
        write(name, [estimator_answers(type(model), file, scored) for file in saved(model, name)])


VERSION = tuple(map(int, xgb.__version__.split(".")[:2]))
warnings.simplefilter("ignore")
main()

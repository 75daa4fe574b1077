"""Write small models of one old LightGBM, with what it predicts itself: ``make.py`` in that LightGBM's own environment.

Makes ``VERSION/CASE.lgb`` (a Booster's text) or ``VERSION/CASE.pkl`` (a scikit-learn class) beside this script, and for each
model ``VERSION/CASE.json``: the ``columns`` of a table (``values`` with null where one is missing, of ``kind`` float, int, flag
or word) and what ``predict`` answers for it, a list a row; decimals are texts, which no reader of JSON rounds.

``make.py CASE ...`` makes these cases alone.

2.2.3 and 2.3.1 ran on Python 3.8 with NumPy 1.23, pandas 1.5 and scikit-learn 1.0, 3.3.5 on 3.10 with NumPy 1.23, pandas 2.0 and
scikit-learn 1.2, 4.0.0 on 3.11 with NumPy 1.26, pandas 2.2 and scikit-learn 1.4. 2.1.2 and 3.0.0 to 3.2.1 ran as 2.2.3 did,
4.1.0 to 4.5.0 as 4.0.0, 4.6.0 on 3.12 with NumPy 2.2, pandas 2.3 and scikit-learn 1.6.
"""

import json
import os
import pickle
import sys

import lightgbm as lgb
import numpy as np
import pandas as pd

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = tuple(int(part) for part in lgb.__version__.split(".")[:3])
QUIET = {"num_leaves": 6, "min_data_in_leaf": 5, "num_threads": 1, "verbose": -1, "seed": 3}


def table(count, seed=5):
    """Return five columns of doubles, some missing."""
    rng = np.random.RandomState(seed)
    frame = pd.DataFrame(rng.normal(size=(count, 5)).round(3), columns=[f"f{i}" for i in range(5)])
    return frame.mask(rng.uniform(size=frame.shape) < 0.1)


def target(frame):
    """Return a target of both signs."""
    f = frame.fillna(0.0)
    return (f["f0"] + np.sin(f["f1"] * 3) * 2 - np.abs(f["f2"])).to_numpy()


def words(count):
    """Return text categories, some missing."""
    rng = np.random.RandomState(7)
    values = np.array(["c", "a", "öl", "dd"], dtype=object)[rng.randint(0, 4, count)]
    values[rng.uniform(size=count) < 0.1] = None
    return pd.Categorical(values, categories=["öl", "c", "a", "dd"])


def booster(frame, y, rounds=4, **params):
    """Train a Booster."""
    settings = dict(QUIET, **params)
    categorical, weight = settings.pop("categorical", "auto"), settings.pop("weight", None)
    data = lgb.Dataset(frame, y, weight=weight, categorical_feature=categorical, params=dict(settings))
    return lgb.train(settings, data, rounds)


def at_thresholds(model):
    """Return rows at each threshold of a model's first tree and just above it, which single precision does not tell apart."""
    found = []

    def visit(node):
        if "threshold" in node:
            found.extend([node["threshold"], np.nextafter(node["threshold"], np.inf)])
            visit(node["left_child"])
            visit(node["right_child"])

    visit(model.dump_model()["tree_info"][0]["tree_structure"])
    return pd.DataFrame({"f0": found, "flag": [at % 3 == 0 for at in range(len(found))]})


def cases():
    """Yield names, models and tables to score."""
    x = table(200)
    y, few = target(x), table(24, 6)
    kinds = np.digitize(y, [-1.0, 0.5])
    for name, objective, label in [
        ("regression", "regression", y),
        ("binary", "binary", (y > 0).astype(int)),
        ("poisson", "poisson", np.round(np.abs(y))),
        ("cross_entropy", "xentropy", 1 / (1 + np.exp(-y))),
        ("cross_entropy_lambda", "xentlambda", 1 / (1 + np.exp(-y))),
    ]:
        yield name, booster(x, label, objective=objective), few
    yield "sqrt", booster(x, y, objective="regression", reg_sqrt=True), few
    weights = np.arange(200) % 10 / 10.0
    mixed = x.assign(f3=x["f3"].fillna(0).round().astype("int64"), f4=x["f4"].fillna(0) > 0)
    scored = few.assign(f3=few["f3"].fillna(0).round().astype("int64"), f4=few["f4"].fillna(0) > 0)
    yield "weights", booster(mixed, y, objective="regression", weight=weights), scored
    yield "multiclass", booster(x, kinds, objective="multiclass", num_class=3), few
    yield "multiclassova", booster(x, kinds, objective="multiclassova", num_class=3, sigmoid=0.7), few
    yield "dart", booster(x, y, 8, objective="regression", boosting="dart", drop_rate=0.5), few
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    yield "rf", booster(x, (y > 0).astype(int), objective="binary", **forest), few
    yield "zero", booster(x.round(0), y, objective="regression", zero_as_missing=True), few.round(0)
    if VERSION >= (3, 2):
        yield "linear", booster(x, y, objective="regression", linear_tree=True), few
    codes = x.assign(f4=np.random.RandomState(8).randint(0, 40, 200))
    odd = few.assign(f4=[float(at * 2 - 6) for at in range(24)])
    odd.loc[3, "f4"] = np.nan
    odd.loc[4, "f4"] = 3.9
    odd.loc[5, "f4"] = 1e10
    settings = {"categorical": [4], "cat_smooth": 1, "min_data_per_group": 2}
    yield "codes", booster(codes, y + np.sin(codes["f4"] * 2), objective="regression", **settings), odd
    word = x.assign(word=words(200))
    lift = (word["word"] == "a").to_numpy() * 2.0
    scored = few.assign(word=pd.Categorical(["zz", "dd", "c", "a"] * 6))
    yield "words", booster(word, y + lift, objective="regression", min_data_per_group=5), scored
    # Truth values beside numbers: some versions round such a table to single precision.
    flagged = pd.DataFrame({"f0": x["f0"].fillna(0.05), "flag": y > 0})
    model = booster(flagged.to_numpy(dtype="float64"), y, objective="regression")
    yield "flags", model, at_thresholds(model)
    whole = pd.DataFrame({"a": np.arange(200) + 16777216, "b": np.arange(200) % 7})
    model = booster(whole.to_numpy(dtype="float64"), (np.arange(200) > 92) * 5.0 + y, objective="regression", min_data_in_bin=1)
    yield "whole", model, whole.iloc[80:104].reset_index(drop=True)
    options = {"n_estimators": 4, "num_leaves": 6, "min_child_samples": 5, "n_jobs": 1}
    yield "regressor", lgb.LGBMRegressor(**options).fit(x, y), few
    yield "classifier", lgb.LGBMClassifier(**options).fit(x, np.array(["no", "maybe", "yes"])[kinds]), few
    yield "classifier_two", lgb.LGBMClassifier(**options).fit(x, (y > 0).astype(int)), few
    yield "classifier_words", lgb.LGBMClassifier(**options).fit(word, (y + lift > 0).astype(int)), scored
    early = dict(options, n_estimators=50)
    noise = [(x, np.random.RandomState(9).permutation(y))]
    stop = {"callbacks": [lgb.early_stopping(2, False)]} if VERSION >= (3, 3) else {"early_stopping_rounds": 2, "verbose": False}
    yield "stopped", lgb.LGBMRegressor(**early).fit(x, y, eval_set=noise, **stop), few


def column(values):
    """Return a column as JSON says it."""
    kind = {"f": "float", "i": "int", "b": "flag"}.get(values.dtype.kind, "word")
    plain = [None if pd.isna(value) else text(value) for value in values.tolist()]
    return {"name": values.name, "kind": kind, "values": plain}


def text(value):
    """Return a decimal as text, in full; anything else as it is."""
    return repr(value) if isinstance(value, float) else value


def main():
    """Write the models of the LightGBM that runs this."""
    out = os.path.join(HERE, lgb.__version__)
    os.makedirs(out, exist_ok=True)
    for name, model, rows in cases():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        if isinstance(model, lgb.Booster):
            model.save_model(os.path.join(out, name + ".lgb"))
        else:
            with open(os.path.join(out, name + ".pkl"), "wb") as file:
                pickle.dump(model, file, 2 if name == "regressor" else 4)
        answer = np.asarray(model.predict(rows.copy()))
        answer = [[text(value) for value in row] for row in answer.reshape(len(rows), -1).tolist()]
        content = {"columns": [column(rows[name]) for name in rows], "predict": answer}
        with open(os.path.join(out, name + ".json"), "w") as file:
            json.dump(content, file)


if __name__ == "__main__":
    sys.exit(main())

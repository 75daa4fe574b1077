//! Python objects to the values of an `MLmodel` file, and back.

use mlflight::mlmodel::{Mapping, Number, Value, tagged};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple},
};

/// How deep lists and dicts may be nested: an object that holds itself ends here.
const MAX_DEPTH: usize = 90;

/// A dict as a map. Its values may be scalars (numpy's too), `datetime`, bytes, paths, lists, tuples, sets, arrays and dicts.
pub fn to_mapping(dict: &Bound<'_, PyDict>) -> PyResult<Mapping> {
    mapping(dict, 0)
}

fn value(object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if depth > MAX_DEPTH {
        return Err(PyTypeError::new_err(format!("a value of the model is nested deeper than {MAX_DEPTH} levels")));
    }
    if object.is_none() {
        Ok(Value::Null)
    } else if let Ok(flag) = object.cast_exact::<PyBool>() {
        Ok(flag.is_true().into())
    } else if object.is_instance_of::<PyInt>() {
        match (object.extract::<i64>(), object.extract::<u64>()) {
            (Ok(number), _) => Ok(number.into()),
            (_, Ok(number)) => Ok(number.into()),
            // Python's whole numbers have no end; `int()` keeps an enumeration's member from printing its name.
            _ => Ok(tagged("int", &object.py().get_type::<PyInt>().call1((object,))?.str()?.to_string_lossy())),
        }
    } else if object.is_instance_of::<PyFloat>() {
        Ok(Value::Number(Number::from(object.extract::<f64>()?)))
    } else if let Ok(text) = object.cast::<PyString>() {
        Ok(text.to_str()?.into())
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        let text: String =
            object.py().import("base64")?.getattr("b64encode")?.call1((bytes,))?.call_method0("decode")?.extract()?;
        Ok(tagged("binary", &text))
    } else if let Ok(dict) = object.cast::<PyDict>() {
        mapping(dict, depth).map(Value::Mapping)
    } else if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        object.try_iter()?.map(|item| value(&item?, depth + 1)).collect::<PyResult<Vec<_>>>().map(Value::Sequence)
    } else if object.hasattr("isoformat")? {
        let separator =
            if object.hasattr("hour")? { object.call_method1("isoformat", (" ",))? } else { object.call_method0("isoformat")? };
        Ok(tagged("timestamp", separator.cast::<PyString>()?.to_str()?))
    } else if object.hasattr("tolist")? {
        // numpy's scalars and arrays.
        value(&object.call_method0("tolist")?, depth + 1)
    } else if object.hasattr("__fspath__")? {
        value(&object.call_method0("__fspath__")?, depth + 1)
    } else if object.hasattr("model_dump")? {
        value(&object.call_method0("model_dump")?, depth + 1)
    } else if object.hasattr("to_dict")? {
        value(&object.call_method0("to_dict")?, depth + 1)
    } else if object.hasattr("items")? {
        let dict = object.py().get_type::<PyDict>().call1((object,))?;
        value(&dict, depth + 1)
    } else if object.hasattr("__iter__")? && object.hasattr("__len__")? {
        object.try_iter()?.map(|item| value(&item?, depth + 1)).collect::<PyResult<Vec<_>>>().map(Value::Sequence)
    } else {
        let name = object.get_type().fully_qualified_name()?;
        Err(PyTypeError::new_err(format!("an MLmodel file has no form for a value of type {name}")))
    }
}

fn mapping(dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Mapping> {
    dict.iter().map(|(key, item)| Ok((value(&key, depth + 1)?, value(&item, depth + 1)?))).collect()
}

/// The Python object of a value.
pub fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(flag) => PyBool::new(py, *flag).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => number.into_pyobject(py)?.into_any(),
            (_, Some(number), _) => number.into_pyobject(py)?.into_any(),
            (_, _, number) => PyFloat::new(py, number.unwrap_or(f64::NAN)).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Sequence(items) => {
            let items = items.iter().map(|item| to_python(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Value::Mapping(keys) => to_dict(py, keys)?.into_any(),
        Value::Tagged(tagged) => {
            let text = to_python(py, &tagged.value)?;
            match tagged.tag.to_string().rsplit(':').next() {
                Some("int") => py.get_type::<PyInt>().call1((text,))?,
                Some("binary") => py.import("base64")?.getattr("b64decode")?.call1((text,))?,
                Some("timestamp") => py.import("mlflight.models._times")?.getattr("parse")?.call1((text,))?,
                _ => text,
            }
        }
    })
}

/// A map as a dict.
pub fn to_dict<'py>(py: Python<'py>, keys: &Mapping) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in keys {
        dict.set_item(to_python(py, key)?, to_python(py, value)?)?;
    }
    Ok(dict)
}

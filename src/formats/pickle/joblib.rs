//! joblib's arrays: a wrapper object in the pickle, and right after the opcode that sets its state the array's bytes themselves.

use super::{
    machine::Machine,
    numpy::{dtype_of, shape_of},
};
use crate::{
    error::Result,
    formats::{
        invalid,
        npy::{Array, Kind},
        objects::{Id, Value},
        unread,
    },
};

const WRAPPER: &str = "joblib.numpy_pickle.NumpyArrayWrapper";
/// How deep arrays of objects may hold arrays of objects.
const MAX_DEPTH: usize = 16;

/// Reads the array when the object is joblib's wrapper, and puts it in the wrapper's place.
pub(super) fn array(machine: &mut Machine<'_>, object: Id) -> Result<()> {
    let Value::Object(wrapper) = machine.graph.get(object) else { return Ok(()) };
    if wrapper.class != WRAPPER {
        return Ok(());
    }
    let state = wrapper.state.map(|state| machine.graph.get(state));
    let Some(Value::Dict(entries)) = state else { return Err(invalid("joblib's array has no description")) };
    let find = |name: &str| {
        let same = |key: Id| matches!(machine.graph.get(key), Value::Text(key) if key == name);
        entries.iter().find(|(key, _)| same(*key)).map(|(_, value)| *value)
    };
    let (Some(shape), Some(dtype), Some(order)) = (find("shape"), find("dtype"), find("order")) else {
        return Err(invalid("joblib's array has no shape, dtype or order"));
    };
    let shape = shape_of(&machine.graph, shape)?;
    let dtype = dtype_of(&machine.graph, dtype)?.clone();
    let fortran = matches!(machine.graph.get(order), Value::Text(order) if order == "F");
    let aligned = find("numpy_array_alignment_bytes").is_some_and(|id| *machine.graph.get(id) != Value::None);
    let array = match dtype.kind {
        Kind::Object => {
            if machine.depth >= MAX_DEPTH {
                return Err(unread(format!("arrays of objects nest deeper than {MAX_DEPTH}")));
            }
            machine.depth += 1;
            let inner = machine.nested()?;
            machine.depth -= 1;
            let Value::Array(inner) = machine.graph.get(inner) else {
                return Err(unread("joblib's array of objects is of a class of its own"));
            };
            machine.budget.spend(inner.count() * 4)?;
            Array::clone(inner)
        }
        _ => {
            if aligned {
                let padding = machine.stream.byte()?;
                machine.stream.take(padding.into())?;
            }
            let count = shape.iter().try_fold(dtype.size, |product, &length| product.checked_mul(length));
            let bytes = machine.stream.take(count.ok_or_else(|| invalid(format!("no array can have the shape {shape:?}")))?)?;
            Array::decode(&dtype, shape, fortran, bytes, Some(machine.stream.source()))?
        }
    };
    *machine.graph.get_mut(object) = Value::Array(Box::new(array));
    Ok(())
}

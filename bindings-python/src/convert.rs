//! Python objects to JSON values and back, without JSON text between.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMapping, PyMemoryView, PySequence, PyString,
    PyTuple, PyType,
};
use serde_json::{Map, Number, Value};

use crate::import::Import;

/// How deep containers may be nested. It also ends the walk around a container that contains itself.
const DEEPEST: usize = 128;

/// What cannot be converted, and where it is.
pub(crate) struct Trouble {
    /// From the root: `[0].content`.
    pub(crate) path: String,
    /// A clause that shows types, never contents.
    pub(crate) problem: String,
    /// What Python code that was asked for data raised.
    pub(crate) cause: Option<PyErr>,
}

impl Trouble {
    fn new(problem: impl Into<String>) -> Self {
        Self { path: String::new(), problem: problem.into(), cause: None }
    }

    /// For a failure of `what`, an object that was asked for its data.
    fn raised(what: &Bound<'_, PyAny>, error: PyErr) -> Self {
        let problem = format!("reading {} raised {}", type_name(what), type_name(error.value(what.py())));
        Self { cause: Some(error), ..Self::new(problem) }
    }

    // The path grows while the error goes up, so that a walk without one pays nothing for it.
    fn at(mut self, place: &str) -> Self {
        self.path.insert_str(0, place);
        self
    }

    fn at_index(self, index: usize) -> Self {
        self.at(&format!("[{index}]"))
    }

    fn at_key(self, key: &str) -> Self {
        self.at(&format!(".{key}"))
    }

    /// The path below `root`, which may be empty.
    pub(crate) fn path_under(&self, root: &str) -> String {
        format!("{root}{}", self.path).trim_start_matches('.').to_owned()
    }
}

/// Converts plain data, mappings, sequences, dataclasses and pydantic models.
pub(crate) fn to_value(object: &Bound<'_, PyAny>) -> Result<Value, Trouble> {
    walk(object, 0)
}

/// Converts keyword arguments, of which None means that it was not given.
pub(crate) fn to_options(arguments: &Bound<'_, PyDict>) -> Result<Value, Trouble> {
    let mut map = Map::new();
    for (key, value) in arguments.items().iter().filter_map(|pair| pair.extract::<(String, Bound<'_, PyAny>)>().ok()) {
        if !value.is_none() {
            let value = walk(&value, 1).map_err(|trouble| trouble.at_key(&key))?;
            map.insert(key, value);
        }
    }
    Ok(Value::Object(map))
}

fn walk(object: &Bound<'_, PyAny>, depth: usize) -> Result<Value, Trouble> {
    if depth > DEEPEST {
        return Err(Trouble::new(format!("nested deeper than {DEEPEST} levels")));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return string(text).map(Value::String);
    }
    if let Ok(dict) = object.cast::<PyDict>() {
        // A copy of the pairs: reading a value may run Python code, which may change the dict.
        return members(&dict.items(), depth);
    }
    if let Ok(list) = object.cast::<PyList>() {
        return elements(list.iter(), depth);
    }
    if object.is_none() {
        return Ok(Value::Null);
    }
    // Before integers: a Python bool is one.
    if let Ok(truth) = object.cast::<PyBool>() {
        return Ok(Value::Bool(truth.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        return integer(object);
    }
    if let Ok(float) = object.cast::<PyFloat>() {
        return Number::from_f64(float.value())
            .map(Value::Number)
            .ok_or_else(|| Trouble::new("expected a finite number, found NaN or infinity"));
    }
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return elements(tuple.iter(), depth);
    }
    record(object, depth)
}

/// Everything that is not one of Python's own JSON types.
fn record(object: &Bound<'_, PyAny>, depth: usize) -> Result<Value, Trouble> {
    if object.is_instance_of::<PyType>() {
        return Err(Trouble::new("expected data, found a class"));
    }
    let raised = |error| Trouble::raised(object, error);
    if let Ok(mapping) = object.cast::<PyMapping>() {
        return members(&mapping.items().map_err(raised)?, depth);
    }
    if let Some(dump) = object.getattr_opt(intern!(object.py(), "model_dump")).map_err(raised)? {
        let flags = PyDict::new(object.py());
        let asked = flags
            .set_item(intern!(object.py(), "mode"), intern!(object.py(), "json"))
            .and_then(|()| flags.set_item(intern!(object.py(), "exclude_none"), true));
        let dumped = asked.and_then(|()| dump.call((), Some(&flags))).map_err(raised)?;
        return walk(&dumped, depth + 1);
    }
    if let Some(fields) = object.getattr_opt(intern!(object.py(), "__dataclass_fields__")).map_err(raised)?
        && fields.is_instance_of::<PyDict>()
    {
        return dataclass(object, depth);
    }
    let binary = object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyByteArray>()
        || object.is_instance_of::<PyMemoryView>();
    match object.cast::<PySequence>() {
        Ok(sequence) if !binary => elements(sequence.to_list().map_err(raised)?.iter(), depth),
        _ => Err(Trouble::new(format!("expected JSON data, found an object of type {}", type_name(object)))),
    }
}

/// The fields that are set: None is how a dataclass says that one is not.
fn dataclass(object: &Bound<'_, PyAny>, depth: usize) -> Result<Value, Trouble> {
    static FIELDS: Import = Import::new("dataclasses", "fields");
    let py = object.py();
    let raised = |error| Trouble::raised(object, error);
    let fields = FIELDS
        .get(py)
        .and_then(|fields| fields.call1((object,)))
        .and_then(|fields| Ok(fields.cast_into::<PyTuple>()?))
        .map_err(raised)?;
    let mut map = Map::with_capacity(fields.len());
    for field in fields.iter() {
        let name = field.getattr(intern!(py, "name")).and_then(|name| Ok(name.cast_into::<PyString>()?));
        let name = name.map_err(raised)?;
        let value = object.getattr(&name).map_err(raised)?;
        if !value.is_none() {
            let key = string(&name)?;
            let value = walk(&value, depth + 1).map_err(|trouble| trouble.at_key(&key))?;
            map.insert(key, value);
        }
    }
    Ok(Value::Object(map))
}

fn members(pairs: &Bound<'_, PyList>, depth: usize) -> Result<Value, Trouble> {
    let mut map = Map::with_capacity(pairs.len());
    for pair in pairs.iter() {
        let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
            pair.extract().map_err(|error| Trouble::raised(&pair, error))?;
        let key = match key.cast::<PyString>() {
            Ok(key) => string(key)?,
            Err(_) => {
                return Err(Trouble::new(format!("expected strings as keys, found {}", type_name(&key))));
            }
        };
        let value = walk(&value, depth + 1).map_err(|trouble| trouble.at_key(&key))?;
        map.insert(key, value);
    }
    Ok(Value::Object(map))
}

fn elements<'py>(items: impl Iterator<Item = Bound<'py, PyAny>>, depth: usize) -> Result<Value, Trouble> {
    items.enumerate().map(|(i, item)| walk(&item, depth + 1).map_err(|trouble| trouble.at_index(i))).collect()
}

fn integer(object: &Bound<'_, PyAny>) -> Result<Value, Trouble> {
    if let Ok(number) = object.extract::<i64>() {
        return Ok(number.into());
    }
    object.extract::<u64>().map(Value::from).map_err(|_| Trouble::new("expected an integer of at most 64 bits"))
}

/// A string and nothing else.
pub(crate) fn text(object: &Bound<'_, PyAny>) -> Result<String, Trouble> {
    match object.cast::<PyString>() {
        Ok(text) => string(text),
        Err(_) => Err(Trouble::new(format!("expected a string, found an object of type {}", type_name(object)))),
    }
}

fn string(text: &Bound<'_, PyString>) -> Result<String, Trouble> {
    text.to_str().map(str::to_owned).map_err(|_| Trouble::new("expected Unicode text, found a lone surrogate"))
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The value as Python's own types.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(truth) => truth.into_pyobject(py)?.to_owned().into_any(),
        Value::Number(number) => {
            if let Some(whole) = number.as_i64() {
                whole.into_pyobject(py)?.into_any()
            } else if let Some(whole) = number.as_u64() {
                whole.into_pyobject(py)?.into_any()
            } else {
                number.as_f64().into_pyobject(py)?.into_any()
            }
        }
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            list.into_any()
        }
        Value::Object(map) => {
            let dict = PyDict::new(py);
            for (key, value) in map {
                dict.set_item(key, to_python(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

//! Where mlflight does not do as MLflow does, with the reason. A cell is named `{columns} -> {declared}`.

use mlflight::score::Compat;

/// A set of cells and why they differ.
pub struct Exception {
    pub covers: fn(&str) -> bool,
    pub reason: &'static str,
}

/// Whether the first input's name starts with one of these.
fn source(cell: &str, names: &[&str]) -> bool {
    let input = cell.split('"').nth(3).unwrap_or_default();
    names.iter().any(|name| input.starts_with(name))
}

fn declared(cell: &str, parts: &[&str]) -> bool {
    let (_, declared) = cell.split_once(" -> ").unwrap();
    parts.iter().any(|part| declared.contains(part))
}

pub fn enforcement(compat: Compat) -> Vec<Exception> {
    let both = vec![
        Exception {
            covers: |cell| {
                source(cell, &["list_"])
                    && declared(
                        cell,
                        &[r#""items":{"type":"boolean"}"#, r#""items":{"type":"string"}"#, r#""items":{"type":"binary"}"#],
                    )
            },
            reason: "MLflow casts the items of a list with numpy, which turns objects into their text or truth value, a missing item \
                     into 'None' cut to the widest text, and knows ASCII bytes only; mlflight keeps the items or refuses them",
        },
        Exception {
            covers: |cell| source(cell, &["record_bin", "map_bin"]) && declared(cell, &["double"]),
            reason: "bytes read as numbers where a double is declared: MLflow hands on ints where they are whole, mlflight doubles",
        },
    ];
    let own = match compat {
        Compat::Mlflow => vec![
            Exception {
                covers: |cell| source(cell, &["list_i32_null"]) && declared(cell, &[r#""items":{"type":"double"}"#]),
                reason: "Spark hands lists of an integer column with a null as objects, in which MLflow sees 64-bit integers",
            },
            Exception {
                covers: |cell| source(cell, &["record_u8_null"]) && declared(cell, &[r#""required":false"#]),
                reason: "pyarrow (a type that Spark has not) writes integers in records as floats where one is missing",
            },
            Exception {
                covers: |cell| source(cell, &["list_list"]),
                reason: "MLflow cannot stack inner lists of different lengths (numpy's inhomogeneous shape)",
            },
        ],
        Compat::Exact => vec![
            Exception {
                covers: |cell| source(cell, &["u64_big_null"]) && declared(cell, &["double"]),
                reason: "an integer beyond 2^53 beside a null: pandas has rounded it before MLflow looks; the default names the row",
            },
            Exception {
                covers: |cell| cell.split('"').nth(3).unwrap().ends_with("_none"),
                reason: "a batch of nothing but nulls in a type that never converts: refused at planning, not by what a batch holds",
            },
        ],
    };
    both.into_iter().chain(own).collect()
}

pub fn output(compat: Compat) -> Vec<Exception> {
    let mut all = vec![
        Exception {
            covers: |cell| source(cell, &["list"]) && declared(cell, &["string"]),
            reason: "numpy's print of an array ('[1.  2.5]'); mlflight writes a Python list, and items where array<string> is asked",
        },
        Exception {
            covers: |cell| source(cell, &["str", "date", "ts", "bin"]) && declared(cell, &["boolean"]),
            reason: "numpy's truth value of a text, date or bytes in a struct's boolean field: refused",
        },
        Exception {
            covers: |cell| source(cell, &["bin", "ts"]) && declared(cell, &["struct<`0`:string>"]),
            reason: "numpy decodes bytes and pads the times of a column in a struct's string field; elsewhere MLflow writes str()",
        },
        Exception {
            covers: |cell| source(cell, &["i64_big", "f64_huge"]) && declared(cell, &["struct<`0`:int>", "struct<`0`:long>"]),
            reason: "numpy wraps an integer that is too wide and C leaves a float that is too large undefined: refused",
        },
    ];
    if compat == Compat::Exact {
        all.extend([
            Exception {
                covers: |cell| source(cell, &["bool_null", "str_null", "none"]) && declared(cell, &["string"]),
                reason: "a null would become the text 'None' or 'nan': it stays null",
            },
            Exception {
                covers: |cell| declared(cell, &[":boolean>"]),
                reason: "a number other than 0 and 1, or a null, would become a truth value: refused, or kept null",
            },
            Exception {
                covers: |cell| declared(cell, &[":int>", ":long>", ":array<long>"]),
                reason: "a fraction would be cut: refused, naming the row",
            },
            Exception {
                covers: |cell| source(cell, &["f64_huge"]) && declared(cell, &["float"]),
                reason: "a number beyond float's range would become infinity: refused, naming the row",
            },
        ]);
    }
    all
}

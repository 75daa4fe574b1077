//! Variables that a request may set in the environment of a model's workers.
//!
//! Many variables name a file or directory whose code is run by what reads them: the interpreter, the loader, a shell, a library that
//! looks for plugins. A caller who may set them, and whose files lie on this machine, runs its own code: an uploaded
//! `sitecustomize.py` by `PYTHONPATH`. They are refused where uploaded code may not run.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::denied;
use crate::error::{Error, Kind, Result};

/// Beginnings of the names of variables that make a program run code, or say where it looks for code: of the interpreter and its
/// environments, of the loader and shells, of other interpreters and of tools that libraries start.
const FAMILIES: [&str; 32] = [
    "PYTHON",
    "PYENV",
    "PYSPARK",
    "IPYTHON",
    "JUPYTER",
    "PYTEST",
    "COVERAGE",
    "COV_CORE",
    "VIRTUAL_ENV",
    "VIRTUALENV",
    "CONDA",
    "MAMBA",
    "_CE_",
    "PIP_",
    "UV_",
    "MLFLIGHT_",
    "LD_",
    "DYLD_",
    "GLIBC_",
    "BASH",
    "PERL",
    "RUBY",
    "NODE_",
    "NPM_",
    "JAVA_",
    "JDK_",
    "GIT_",
    "SPARK_",
    "HADOOP_",
    "OPENSSL_",
    "TRITON_",
    "TORCHINDUCTOR_",
];

/// Whole names of such variables: what finds programs, compilers, caches of compiled code, plugins.
const NAMES: [&str; 67] = [
    "PATH",
    "HOME",
    "ENV",
    "SHELL",
    "IFS",
    "PS4",
    "PROMPT_COMMAND",
    "ZDOTDIR",
    "GCONV_PATH",
    "LOCPATH",
    "NLSPATH",
    "HOSTALIASES",
    "RESOLV_HOST_CONF",
    "CLASSPATH",
    "_JAVA_OPTIONS",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "BROWSER",
    "CC",
    "CXX",
    "CPP",
    "LDSHARED",
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "NVCC",
    "MAKEFLAGS",
    "OMP_TOOL_LIBRARIES",
    "OCL_ICD_VENDORS",
    "OCL_ICD_FILENAMES",
    "OPENCL_VENDOR_PATH",
    "VK_ICD_FILENAMES",
    "GTK_MODULES",
    "GTK_PATH",
    "GIO_EXTRA_MODULES",
    "GIO_MODULE_DIR",
    "QT_PLUGIN_PATH",
    "GDAL_DRIVER_PATH",
    "ODBCINI",
    "ODBCSYSINI",
    "SASL_PATH",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "MPLBACKEND",
    "MPLCONFIGDIR",
    "CUDA_HOME",
    "CUDA_PATH",
    "CUDA_ROOT",
    "CUDA_CACHE_PATH",
    "NUMBA_CACHE_DIR",
    "NUMBA_CUDA_DRIVER",
    "XLA_FLAGS",
    "TF_XLA_FLAGS",
    "JAX_COMPILATION_CACHE_DIR",
    "TORCH_HOME",
    "TORCH_EXTENSIONS_DIR",
    "KERAS_HOME",
    "KERAS_BACKEND",
    "HF_HOME",
    "HF_ENDPOINT",
    "HF_HUB_CACHE",
    "HF_MODULES_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "TRANSFORMERS_CACHE",
];

/// The system's bound on one variable, `MAX_ARG_STRLEN` of Linux.
const LONGEST: usize = 128 << 10;

/// Refuses variables that would run code, and such as no process can be given. `uploads` is where callers' files lie.
pub fn check(variables: &HashMap<String, String>, uploads: Option<&Path>) -> Result<()> {
    let uploads = uploads.map(|root| root.canonicalize().unwrap_or_else(|_| root.to_owned()));
    for (name, value) in variables {
        if runs_code(name) {
            return Err(denied(
                &format!("a request may not set the environment variable '{}': it can make a program run code", shown(name)),
                "--allow-uploaded-code",
            ));
        }
        if uploads.as_ref().is_some_and(|root| leads_into(value, root)) {
            return Err(denied(
                &format!("a request may not set the environment variable '{}' to a path of the uploads", shown(name)),
                "--allow-uploaded-code",
            ));
        }
    }
    Ok(())
}

/// Refuses names and values that no process can be given.
pub fn check_form(variables: &HashMap<String, String>) -> Result<()> {
    for (name, value) in variables {
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=');
        if !plain || name.len() + value.len() + 2 > LONGEST || value.contains('\0') {
            return Err(Error::new(
                Kind::InvalidArgument,
                "EXTRA_ENV",
                format!("'{}' cannot be an environment variable", shown(name)),
            )
            .expected(format!("a name of printable ASCII without '=', a value without NUL, {LONGEST} bytes together")));
        }
    }
    Ok(())
}

fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

fn runs_code(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    NAMES.contains(&name.as_str()) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Whether any path in a value lies in `root`.
fn leads_into(value: &str, root: &Path) -> bool {
    let decoded = decoded(value);
    let pieces = [value, decoded.as_str()].into_iter().flat_map(|text| {
        let separators = |c: char| c.is_whitespace() || matches!(c, ':' | ';' | ',' | '=' | '"' | '\'');
        [text].into_iter().chain(text.split(separators))
    });
    pieces.filter(|piece| !piece.is_empty()).any(|piece| {
        let path = match (piece.strip_prefix("~/"), std::env::home_dir()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(piece),
        };
        // What is below /proc leads anywhere, for each process to another place.
        path.starts_with(root) || path.starts_with("/proc") || real(&path).starts_with(root)
    })
}

/// Where a path leads: its links are followed as far as it exists, the rest is taken as text.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let Some((above, real)) = found else { return path };
    super::plain(&real.join(path.strip_prefix(above).unwrap_or(Path::new(""))))
}

/// A text with its `%xx` decoded, as in URIs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%').then(|| tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())).flatten();
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str, uploads: Option<&Path>) -> bool {
        match check(&HashMap::from([(name.to_owned(), value.to_owned())]), uploads) {
            Ok(()) => false,
            Err(error) => {
                assert_eq!((error.kind(), error.code()), (Kind::PermissionDenied, "NOT_ALLOWED"));
                assert!(error.to_string().contains(name) && error.to_string().contains("--allow-uploaded-code"), "{error}");
                true
            }
        }
    }

    #[test]
    fn variables_that_run_code_are_refused() {
        let known = [
            "PYTHONPATH",
            "PYTHONHOME",
            "PYTHONSTARTUP",
            "PYTHONUSERBASE",
            "PYTHONINSPECT",
            "PYTHONPLATLIBDIR",
            "PYTHONPYCACHEPREFIX",
            "PYTHONBREAKPOINT",
            "PYTHONWARNINGS",
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "DYLD_INSERT_LIBRARIES",
            "PATH",
            "HOME",
            "VIRTUAL_ENV",
            "CONDA_PREFIX",
            "CONDA_EXE",
            "BASH_ENV",
            "BASH_FUNC_ls%%",
            "ENV",
            "GCONV_PATH",
            "PERL5LIB",
            "PERL5OPT",
            "NODE_OPTIONS",
            "JAVA_TOOL_OPTIONS",
            "JAVA_HOME",
            "GIT_SSH_COMMAND",
            "PIP_INDEX_URL",
            "UV_INDEX_URL",
            "NUMBA_CACHE_DIR",
            "HF_MODULES_CACHE",
            "OPENSSL_CONF",
            "OMP_TOOL_LIBRARIES",
            "KERAS_HOME",
            "TORCH_HOME",
            "pythonpath",
            "Ld_Preload",
        ];
        for name in known.into_iter().chain(NAMES).chain(FAMILIES) {
            assert!(refused(name, "x", None), "{name}");
        }
        for name in [
            "GREETING",
            "OMP_NUM_THREADS",
            "TZ",
            "LANG",
            "MLFLOW_TRACKING_URI",
            "MY_PYTHON",
            "MYPATH",
            "AWS_REGION",
            "CUDA_VISIBLE_DEVICES",
            "PIPELINE",
        ] {
            assert!(!refused(name, "x", None), "{name}");
        }
    }

    #[test]
    fn no_value_may_lead_into_the_uploads() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap().join("uploads");
        std::fs::create_dir_all(root.join("model")).unwrap();
        std::os::unix::fs::symlink(&root, directory.path().join("link")).unwrap();
        let (inside, link) = (root.join("model"), directory.path().join("link/model"));
        let (inside, link) = (inside.to_str().unwrap(), link.to_str().unwrap());
        for value in [
            inside.to_owned(),
            link.to_owned(),
            format!("/usr/lib:{inside}"),
            format!("--plugin={inside}/x.so"),
            format!("file://{inside}"),
            format!("file://{}", inside.replace("uploads", "up%6coads")),
            format!("{inside}/../model"),
            format!("{inside}/not/there"),
            format!("{}/none/../uploads/not/there", root.parent().unwrap().display()),
            format!("{link}/not/there"),
            "/proc/self/cwd/x".into(),
        ] {
            assert!(refused("GREETING", &value, Some(&root)), "{value}");
            assert!(!refused("GREETING", &value, None), "{value}");
        }
        for value in ["hello", "/usr/lib", "", ":", &format!("{}2/x", root.display())] {
            assert!(!refused("GREETING", value, Some(&root)), "{value}");
        }
    }

    #[test]
    fn only_what_a_process_can_be_given_is_taken() {
        let form = |name: &str, value: &str| check_form(&HashMap::from([(name.to_owned(), value.to_owned())]));
        form("GREETING", "hello\nthere größe").unwrap();
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "\0"), ("A B", "x"), ("A", &"x".repeat(LONGEST))] {
            assert_eq!(form(name, value).unwrap_err().code(), "EXTRA_ENV", "{name:?}");
        }
    }
}

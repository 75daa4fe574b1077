//! Errors and panics as `io.mlflight.spark.MlflightException`.

use std::{any::Any, panic::AssertUnwindSafe};

use jni::{Env, JValue, errors::ErrorPolicy, jni_sig, jni_str, objects::JThrowable};
use mlflight::error::{Error, Kind};

/// Why a native method failed: in mlflight, or in a call of the JVM.
pub enum Fault {
    Mlflight(Error),
    Jni(jni::errors::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Mlflight(error)
    }
}

impl From<jni::errors::Error> for Fault {
    fn from(error: jni::errors::Error) -> Self {
        Self::Jni(error)
    }
}

/// Throws, and returns the default value, which the JVM never looks at.
pub struct Throw;

impl<T: Default> ErrorPolicy<T, Fault> for Throw {
    type Captures<'env: 'method, 'method> = ();

    fn on_error<'env: 'method, 'method>(
        env: &mut Env<'env>,
        _captures: &mut Self::Captures<'env, 'method>,
        fault: Fault,
    ) -> jni::errors::Result<T> {
        let error = match fault {
            Fault::Mlflight(error) => error,
            Fault::Jni(error) => internal(format!("a call into the JVM failed: {error}")),
        };
        throw(env, &error)?;
        Ok(T::default())
    }

    fn on_panic<'env: 'method, 'method>(
        env: &mut Env<'env>,
        _captures: &mut Self::Captures<'env, 'method>,
        payload: Box<dyn Any + Send>,
    ) -> jni::errors::Result<T> {
        throw(env, &internal(format!("a bug in mlflight's native library: {}", text(payload))))?;
        Ok(T::default())
    }
}

fn internal(message: String) -> Error {
    Error::new(Kind::Internal, "NATIVE_LIBRARY", message)
}

/// The message of a panic, literal or formatted.
fn text(payload: Box<dyn Any + Send>) -> String {
    let text = match payload.downcast_ref::<&'static str>() {
        Some(text) => (*text).to_owned(),
        None => payload.downcast_ref::<String>().cloned().unwrap_or_else(|| "panic without a message".into()),
    };
    // A payload's own drop may panic; that one is let go of for good.
    if let Err(again) = std::panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
    text
}

/// Kind, code, message and traceback, separated by NUL: what `MlflightException.ofNative` reads.
fn wire(error: &Error) -> Vec<u8> {
    let message = error.to_string().replace('\0', "\u{fffd}");
    let traceback = error.traceback_text().unwrap_or_default().replace('\0', "\u{fffd}");
    [error.kind().mapping().name, error.code(), &message, &traceback].join("\0").into_bytes()
}

fn throw(env: &mut Env<'_>, error: &Error) -> jni::errors::Result<()> {
    if env.exception_check() {
        return Ok(());
    }
    let bytes = env.byte_array_from_slice(&wire(error))?;
    let class = env.find_class(jni_str!("io/mlflight/spark/MlflightException"))?;
    let exception = env
        .call_static_method(
            class,
            jni_str!("ofNative"),
            jni_sig!("([B)Lio/mlflight/spark/MlflightException;"),
            &[JValue::from(&bytes)],
        )?
        .l()?;
    let exception = env.cast_local::<JThrowable>(exception)?;
    match env.throw(exception) {
        // How `throw` says that it has thrown.
        Ok(()) | Err(jni::errors::Error::JavaException) => Ok(()),
        Err(error) => Err(error),
    }
}

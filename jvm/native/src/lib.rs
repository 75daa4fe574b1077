//! The JNI library of mlflight's Spark bridge: the functions of `io.mlflight.spark.library.NativeBridge`.
//!
//! Columns cross as addresses in a `long[]` ([`import`], [`export`]); streams and answers are numbers looked up in a
//! [`registry::Registry`], so a number used too late is an error. No panic crosses into the JVM ([`fault`]).
#![expect(unsafe_code, reason = "the JVM calls exported symbols and hands over addresses of its buffers")]

mod check;
mod export;
mod fault;
mod import;
mod options;
mod registry;
mod stream;

use std::sync::Arc;

use jni::{
    EnvUnowned,
    objects::{JByteArray, JClass, JLongArray},
    sys::{jint, jlong},
};
use mlflight::{error::Result, flight::local::LocalService};

use crate::{
    export::Answer,
    fault::{Fault, Throw},
    registry::Registry,
    stream::Stream,
};

static STREAMS: Registry<Stream> = Registry::new("stream");
static ANSWERS: Registry<Answer> = Registry::new("answer");

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_version<'a>(
    mut env: EnvUnowned<'a>,
    _class: JClass<'a>,
) -> JByteArray<'a> {
    env.with_env(|env| Ok::<_, Fault>(env.byte_array_from_slice(env!("CARGO_PKG_VERSION").as_bytes())?)).resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_check<'a>(
    mut env: EnvUnowned<'a>,
    _class: JClass<'a>,
    spec: JByteArray<'a>,
    input: JByteArray<'a>,
) {
    env.with_env(|env| {
        let (spec, input) = (env.convert_byte_array(&spec)?, env.convert_byte_array(&input)?);
        Ok::<_, Fault>(check::check(&spec, &input)?)
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_checkServer<'a>(
    mut env: EnvUnowned<'a>,
    _class: JClass<'a>,
    uri: JByteArray<'a>,
) {
    env.with_env(|env| Ok::<_, Fault>(check::check_server(&env.convert_byte_array(&uri)?)?)).resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_create<'a>(mut env: EnvUnowned<'a>, _class: JClass<'a>) -> jlong {
    env.with_env(|_| Ok::<_, Fault>(STREAMS.insert(Stream::default()))).resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_open<'a>(
    mut env: EnvUnowned<'a>,
    _class: JClass<'a>,
    stream: jlong,
    spec: JByteArray<'a>,
    input: JByteArray<'a>,
    output: JByteArray<'a>,
    options: JByteArray<'a>,
) {
    env.with_env(|env| {
        let spec = env.convert_byte_array(&spec)?;
        let (input, output) = (env.convert_byte_array(&input)?, env.convert_byte_array(&output)?);
        let options = env.convert_byte_array(&options)?;
        Ok::<_, Fault>(STREAMS.get(stream)?.open(&spec, &input, &output, &options)?)
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_score<'a>(
    mut env: EnvUnowned<'a>,
    _class: JClass<'a>,
    stream: jlong,
    rows: jint,
    table: JLongArray<'a>,
    prediction: JLongArray<'a>,
) -> jlong {
    env.with_env(|env| {
        let mut words = vec![0; table.len(env)?];
        table.get_region(env, 0, &mut words)?;
        // SAFETY: NativeBridge.score's contract: the addresses are live until this returns, and laid out as the schema given to
        // open says; ColumnWriter.java is the only writer of such tables.
        let answer = unsafe { STREAMS.get(stream)?.score(rows as usize, &words)? };
        prediction.set_region(env, 0, answer.words())?;
        Ok::<_, Fault>(ANSWERS.insert(answer))
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_freeResult<'a>(
    mut env: EnvUnowned<'a>,
    _class: JClass<'a>,
    result: jlong,
) {
    env.with_env(|_| {
        drop(ANSWERS.remove(result));
        Ok::<_, Fault>(())
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_cancel<'a>(
    mut env: EnvUnowned<'a>,
    _class: JClass<'a>,
    stream: jlong,
) {
    env.with_env(|_| {
        if let Ok(stream) = STREAMS.get(stream) {
            stream.cancel();
        }
        Ok::<_, Fault>(())
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_close<'a>(
    mut env: EnvUnowned<'a>,
    _class: JClass<'a>,
    stream: jlong,
) {
    env.with_env(|_| {
        let closed: Result<()> = STREAMS.remove(stream).map_or(Ok(()), |stream: Arc<Stream>| stream.close());
        Ok::<_, Fault>(closed?)
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_endServices<'a>(mut env: EnvUnowned<'a>, _class: JClass<'a>) {
    env.with_env(|_| {
        LocalService::end_all();
        Ok::<_, Fault>(())
    })
    .resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_liveStreams<'a>(
    mut env: EnvUnowned<'a>,
    _class: JClass<'a>,
) -> jlong {
    env.with_env(|_| Ok::<_, Fault>(STREAMS.len())).resolve::<Throw>()
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_mlflight_spark_library_NativeBridge_liveResults<'a>(
    mut env: EnvUnowned<'a>,
    _class: JClass<'a>,
) -> jlong {
    env.with_env(|_| Ok::<_, Fault>(ANSWERS.len())).resolve::<Throw>()
}

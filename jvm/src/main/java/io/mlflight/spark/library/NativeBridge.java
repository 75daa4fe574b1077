// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.library;

/**
 * The native library's functions (jvm/native). Each may throw {@link io.mlflight.spark.MlflightException}. Columns cross as a table of addresses:
 * five words an array node in pre-order, see {@link io.mlflight.spark.columns.ColumnWriter#NODE_WORDS}. Streams and results are numbers that the library
 * looks up, so a number used after its end is an error and never a crash.
 */
public final class NativeBridge {
  private NativeBridge() {}

  /** The library's version, UTF-8. */
  public static native byte[] version();

  /** Checks arguments of this Arrow schema (IPC message) against the model's signature: all that needs no value. */
  public static native void check(byte[] spec, byte[] input);

  /** Checks the address of a service that the session names, UTF-8. */
  public static native void checkServer(byte[] uri);

  /** A stream that is not open yet: it can be cancelled from now on. */
  public static native long create();

  /** Opens a stream. Options are NUL-terminated UTF-8 keys and values in turn. Blocks while the model is being loaded. */
  public static native void open(long stream, byte[] spec, byte[] input, byte[] output, byte[] options);

  /**
   * Scores rows whose columns lie in {@code table}; they are only read until this returns. Fills {@code prediction} with the
   * table of the answer, which lives until {@link #freeResult}.
   */
  public static native long score(long stream, int rows, long[] table, long[] prediction);

  /** Frees an answer; a number already freed is ignored. */
  public static native void freeResult(long result);

  /** Makes the stream's work stop with an error of kind CANCELLED; from any thread. */
  public static native void cancel(long stream);

  /** Closes a stream; a number already closed is ignored. */
  public static native void close(long stream);

  /** Ends the local services of this library; the next stream starts one again. */
  public static native void endServices();

  /** Streams that exist. */
  public static native long liveStreams();

  /** Answers not yet freed. */
  public static native long liveResults();
}

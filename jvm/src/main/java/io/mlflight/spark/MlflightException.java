// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark;

import java.nio.charset.StandardCharsets;

/**
 * What went wrong in mlflight: the kind says how to act on it (`INVALID_ARGUMENT`, `NOT_FOUND`, `UNAVAILABLE`, ... the table of
 * the Rust library's `Kind`), the code is a stable name for the one failure.
 *
 * <p>An IllegalArgumentException, because that is the class PySpark shows as a Python exception with the message alone instead
 * of a page of JVM stack.
 */
public final class MlflightException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  private final String kind;
  private final String code;
  private final String traceback;

  public MlflightException(String kind, String code, String message) {
    this(kind, code, message, null, null);
  }

  public MlflightException(String kind, String code, String message, Throwable cause) {
    this(kind, code, message, null, cause);
  }

  private MlflightException(
      String kind, String code, String message, String traceback, Throwable cause) {
    super(message, cause);
    this.kind = kind;
    this.code = code;
    this.traceback = traceback;
  }

  /** Called by the native library: kind, code, message and traceback in UTF-8, separated by NUL. */
  static MlflightException ofNative(byte[] wire) {
    String[] parts = new String(wire, StandardCharsets.UTF_8).split("\0", 4);
    return new MlflightException(
        parts[0], parts[1], parts[2], parts[3].isEmpty() ? null : parts[3], null);
  }

  public static MlflightException invalidArgument(String code, String message) {
    return new MlflightException("INVALID_ARGUMENT", code, message);
  }

  public static MlflightException failedPrecondition(String code, String message) {
    return new MlflightException("FAILED_PRECONDITION", code, message);
  }

  public String kind() {
    return kind;
  }

  public String code() {
    return code;
  }

  /** The traceback of a Python model that failed; null otherwise. */
  public String traceback() {
    return traceback;
  }
}

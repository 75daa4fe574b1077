// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark;

import java.util.function.Function;

/** One configuration key: what its value may be, what it means, and which value holds where none is set. */
public final class ConfEntry<T> {
  private final String key;
  private final String expected;
  private final T standard;
  private final String doc;
  private final Function<String, T> parser;
  private final Function<String, String> complaint;

  /**
   * @param expected the values there are, as they are named behind "it may be"
   * @param standard the value where none is set; null for none
   * @param parser answers null for a value that is not allowed
   * @param complaint what a value that is not allowed is said to be, behind the key
   */
  ConfEntry(
      String key,
      String expected,
      T standard,
      String doc,
      Function<String, T> parser,
      Function<String, String> complaint) {
    this.key = key;
    this.expected = expected;
    this.standard = standard;
    this.doc = doc;
    this.parser = parser;
    this.complaint = complaint;
  }

  public String key() {
    return key;
  }

  /** The values there are, in words. */
  public String expected() {
    return expected;
  }

  /** The value where none is set; null for none. */
  public T standard() {
    return standard;
  }

  public String doc() {
    return doc;
  }

  /** The value of a text, of which white space around it is no part; null and nothing at all mean that none is set. */
  public T read(String text) {
    if (text == null || text.trim().isEmpty()) {
      return standard;
    }
    T value = parser.apply(text.trim());
    if (value == null) {
      throw refusal(complaint.apply(text.trim()));
    }
    return value;
  }

  /** The error for a value that is not allowed: one sentence with the key, what it is said to be, and what it may be. */
  public MlflightException refusal(String complaint) {
    return MlflightException.invalidArgument("INVALID_SETTING", key + " " + complaint + "; it may be " + expected);
  }
}

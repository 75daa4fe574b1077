// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;

/**
 * The configuration keys. The table in docs/spark.md is made from them by {@code .ci/settings}, which compiles this class with
 * the JDK alone: nothing of Spark may be imported here.
 */
public final class MlflightConf {
  public static final String SERVICE = "service";
  public static final String EMBEDDED = "embedded";
  public static final String PYTHON = "python";

  public static final ConfEntry<String> SERVER =
      text(
          "spark.mlflight.server",
          "the address of a service",
          "the service that scores, as `grpc://host:port`, `grpc+tls://host:port` or `unix:/path`");

  public static final ConfEntry<String> MODE =
      choice("spark.mlflight.mode", SERVICE, "who scores; see above", SERVICE, EMBEDDED, PYTHON);

  public static final ConfEntry<String> ENGINE =
      choice(
          "spark.mlflight.engine",
          "auto",
          "whether mlflight's kernels score or the model's own Python; `auto`: Python where a part of the model has no kernel",
          "auto",
          "native",
          "python");

  public static final ConfEntry<Boolean> FALLBACK =
      flag("spark.mlflight.fallback.enabled", true, "`false`: an error where Spark's Python workers would score");

  /** Read by the driver's Python alone. */
  public static final ConfEntry<String> FETCH =
      choice(
          "spark.mlflight.fetch",
          "driver",
          "who brings the model: the driver sends it to the executors, or each executor's machine fetches it by its URI, checked by digest",
          "driver",
          "executor");

  public static final ConfEntry<String> NATIVE_PATH =
      text(
          "spark.mlflight.nativePath",
          "the path of a directory",
          "where the native library and the service lie on executors");

  public static final ConfEntry<String> CA_FILE =
      text(
          "spark.mlflight.tls.caFile",
          "the path of a PEM file",
          "certificate of the authority that signed the service's");

  /** Read by executors, so that it is in no plan; its name makes Spark redact it. */
  public static final ConfEntry<String> TOKEN =
      new ConfEntry<>(
          "spark.mlflight.token",
          "printable ASCII text",
          null,
          "what a service asks for; hidden by Spark's redaction",
          text -> text.chars().allMatch(c -> c >= ' ' && c <= '~') ? text : null,
          text -> "has a character that a header cannot carry");

  public static final ConfEntry<Integer> MAX_RECORDS =
      count("spark.mlflight.batch.maxRecords", 10000, "rows in a batch on the row path");

  /** Every key there is, as the documentation lists them. */
  public static final List<ConfEntry<?>> ENTRIES =
      Collections.unmodifiableList(
          Arrays.asList(SERVER, MODE, ENGINE, FALLBACK, FETCH, NATIVE_PATH, CA_FILE, TOKEN, MAX_RECORDS));

  private MlflightConf() {}

  private static ConfEntry<String> text(String key, String expected, String doc) {
    return entry(key, expected, null, doc, Function.identity());
  }

  private static ConfEntry<String> choice(String key, String standard, String doc, String... values) {
    List<String> all = Arrays.asList(values);
    int last = all.size() - 1;
    String expected = "'" + String.join("', '", all.subList(0, last)) + "' or '" + all.get(last) + "'";
    return entry(key, expected, standard, doc, text -> all.contains(text) ? text : null);
  }

  private static ConfEntry<Boolean> flag(String key, boolean standard, String doc) {
    return entry(
        key,
        "'true' or 'false'",
        standard,
        doc,
        text -> text.equalsIgnoreCase("true") ? Boolean.TRUE : text.equalsIgnoreCase("false") ? Boolean.FALSE : null);
  }

  private static ConfEntry<Integer> count(String key, int standard, String doc) {
    return entry(key, "a whole number from 1 to " + Integer.MAX_VALUE, standard, doc, MlflightConf::positive);
  }

  private static Integer positive(String text) {
    try {
      int value = Integer.parseInt(text);
      return value > 0 ? value : null;
    } catch (NumberFormatException error) {
      return null;
    }
  }

  private static <T> ConfEntry<T> entry(
      String key, String expected, T standard, String doc, Function<String, T> parser) {
    return new ConfEntry<>(key, expected, standard, doc, parser, text -> "is '" + text + "'");
  }
}

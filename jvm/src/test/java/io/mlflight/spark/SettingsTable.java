// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark;

/** Prints the configuration keys as a Markdown table: see .ci/settings. */
final class SettingsTable {
  private SettingsTable() {}

  public static void main(String[] arguments) {
    System.out.println("| key | value | default | meaning |");
    System.out.println("|---|---|---|---|");
    for (ConfEntry<?> entry : MlflightConf.ENTRIES) {
      String standard = entry.standard() == null ? "" : "`" + entry.standard() + "`";
      System.out.printf(
          "| `%s` | %s | %s | %s |%n", entry.key(), entry.expected().replace('\'', '`'), standard, entry.doc());
    }
  }
}

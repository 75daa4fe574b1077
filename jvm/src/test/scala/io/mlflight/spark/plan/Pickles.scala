// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.plan

import java.io.ByteArrayOutputStream
import java.nio.charset.StandardCharsets.{ISO_8859_1, UTF_8}
import java.util.Base64
import java.util.zip.DeflaterOutputStream

/** Parts of pickles as Python writes them. */
private[spark] object Pickles {
  def latin(text: String): Array[Byte] = text.getBytes(ISO_8859_1)

  def short(text: String): Array[Byte] = Array(0x8c.toByte, text.length.toByte) ++ latin(text)

  def long(text: String): Array[Byte] =
    Array('X'.toByte) ++ (0 until 4).map(i => (text.length >> (8 * i)).toByte) ++ latin(text)

  def global(module: String, name: String): Array[Byte] = short(module) ++ short(name) ++ latin("\u0093")

  /** `(callable(mark, "f"), "double")`, as Python pickles it. */
  def called(callable: Array[Byte], mark: String): Array[Byte] =
    latin("\u0080\u0005\u0095\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000") ++ callable ++
      latin("\u0094") ++ long(mark) ++ latin("\u0094") ++ short("f") ++ latin("\u0086\u0094R\u0094") ++ short("double") ++
      latin("\u0086\u0094.")

  val cast = global("typing", "cast")

  def text(json: String): String = {
    val bytes = new ByteArrayOutputStream
    val out = new DeflaterOutputStream(bytes)
    out.write(json.getBytes(UTF_8))
    out.close()
    s"MLFLIGHT1{${Base64.getEncoder.encodeToString(bytes.toByteArray)}}"
  }

  /** A function of ours with a mark of this JSON. */
  def marked(json: String): Array[Byte] = called(cast, text(json))
}

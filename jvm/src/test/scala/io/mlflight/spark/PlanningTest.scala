// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark

import java.nio.charset.StandardCharsets.{ISO_8859_1, UTF_8}
import java.util.Base64

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.types._
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

class PlanningTest {
  private def marked(json: String): Array[Byte] = {
    val base64 = Base64.getEncoder.encodeToString(json.getBytes(UTF_8))
    s"\u0080\u0005pickle\u008cxMLFLIGHT1{$base64}\u0094more}".getBytes(ISO_8859_1)
  }

  private val version = NativeLibrary.jarVersion

  private def mark(inputs: Option[Seq[String]], required: Option[Int] = None): Mark =
    Mark(version, "", "m", "", "auto", None, None, inputs, required)

  private def columns(types: DataType*): Seq[Expression] =
    types.zipWithIndex.map { case (dataType, i) => AttributeReference(s"c$i", dataType)() }

  private def failure(action: => Any): MlflightException =
    assertThrows(classOf[MlflightException], () => { action; () })

  @Test def theJarKnowsItsVersion(): Unit =
    assertTrue(version.matches("""\d+\.\d+\.\d+.*"""), version)

  @Test def aMarkIsFoundInsideAPickle(): Unit = {
    val found = Mark.in(marked(
      s"""{"version":"$version","spec":"AAE=","uri":"h\u00e9","digest":"d","engine":"native","mode":null,
         |"server":"unix:/s","inputs":["a","b"],"required":1}""".stripMargin))
    val expected = Mark(version, "AAE=", "h\u00e9", "d", "native", None, Some("unix:/s"), Some(Seq("a", "b")), Some(1))
    assertEquals(Some(expected), found)
  }

  @Test def otherFunctionsHaveNone(): Unit = {
    assertEquals(None, Mark.in(Array.emptyByteArray))
    assertEquals(None, Mark.in("MLFLIGHT1{ without an end".getBytes(UTF_8)))
  }

  @Test def aMarkOfAnotherVersionIsRefusedNamingBoth(): Unit = {
    val error = failure(Mark.in(marked("""{"version":"99.1.2"}""")))
    assertEquals("VERSION_MISMATCH", error.code)
    assertTrue(error.getMessage.contains(version) && error.getMessage.contains("99.1.2"), error.getMessage)
  }

  @Test def aBrokenMarkIsAnError(): Unit =
    assertEquals("BROKEN_MARK", failure(Mark.in("MLFLIGHT1{?}".getBytes(UTF_8))).code)

  @Test def columnsAreNamedInOrder(): Unit = {
    val three = columns(DoubleType, LongType, StringType)
    assertEquals(Seq("0", "1", "2"), Arguments.of(mark(None), three).names)
    val surplus = Arguments.of(mark(Some(Seq("x", "y"))), three)
    assertEquals(Seq("x", "y"), surplus.names)
    assertEquals(three.take(2), surplus.columns)
    val optional = Arguments.of(mark(Some(Seq("a", "b", "c", "d")), Some(2)), three)
    assertEquals(Seq("a", "b", "c"), optional.names)
  }

  @Test def tooFewColumnsGetMlflowsMessage(): Unit = {
    val error = failure(Arguments.of(mark(Some(Seq("a", "b"))), columns(DoubleType)))
    assertEquals(
      "Model input is missing required columns. Expected 2 required input columns ['a', 'b'], but the model received only 1 " +
        "unnamed input columns (Since the columns were passed unnamed they are expected to be in the order specified by the " +
        "schema).",
      error.getMessage)
    assertEquals("MISSING_COLUMN", failure(Arguments.of(mark(None), Nil)).code)
  }

  @Test def oneStructIsTheWholeInput(): Unit = {
    val struct = new StructType().add("p", DoubleType).add("q", StringType)
    val column = Arguments.of(mark(Some(Seq("q", "p"))), columns(struct))
    assertEquals(struct, column.schema)
    assertTrue(column.columnar)
    val Seq(a, b) = columns(DoubleType, LongType)
    val made = Arguments.of(mark(None), Seq(CreateNamedStruct(Seq(Literal("p"), a, Literal("q"), b))))
    assertEquals(Arguments(Seq("p", "q"), Seq(a, b)), made)
    assertTrue(made.columnar)
  }

  @Test def computedArgumentsTakeTheRowPath(): Unit = {
    val Seq(a) = columns(DoubleType)
    assertFalse(Arguments.of(mark(None), Seq(Add(a, a))).columnar)
  }
}

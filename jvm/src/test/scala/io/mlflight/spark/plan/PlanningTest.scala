// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.plan

import io.mlflight.spark.MlflightException
import io.mlflight.spark.exec.Arguments
import io.mlflight.spark.library.NativeLibrary
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.types._
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

class PlanningTest {
  import Pickles._

  private val version = NativeLibrary.jarVersion

  private def mark(inputs: Option[Seq[String]], required: Option[Int] = None): Mark =
    Mark(version, "", "m", "", "auto", None, None, inputs, required)

  private def columns(types: DataType*): Seq[Expression] =
    types.zipWithIndex.map { case (dataType, i) => AttributeReference(s"c$i", dataType)() }

  private def failure(action: => Any): MlflightException =
    assertThrows(classOf[MlflightException], () => { action; () })

  @Test def theJarKnowsItsVersion(): Unit =
    assertTrue(version.matches("""\d+\.\d+\.\d+.*"""), version)

  private val json =
    s"""{"version":"$version","spec":"AAE=","uri":"h\u00e9","digest":"d","engine":"native","mode":null,
       |"server":"unix:/s","inputs":["a","b"],"required":1,"result":"\\"double\\""}""".stripMargin

  @Test def aMarkIsReadFromThePickleOfAFunctionOfOurs(): Unit = {
    val expected = Mark(version, "AAE=", "h\u00e9", "d", "native", None, Some("unix:/s"), Some(Seq("a", "b")), Some(1))
    assertEquals(Some(expected), Mark.in(marked(json), DoubleType))
  }

  @Test def aUdfOfAnotherTypeIsNotOurs(): Unit =
    assertEquals(None, Mark.in(marked(json), StringType))

  @Test def otherFunctionsHaveNone(): Unit = {
    val whole = marked(json)
    val inside = cast ++ long(text(json)) ++ short("f") ++ latin("\u0086R")
    val head = latin("\u0080\u0005")
    val others = Seq(
      "empty" -> Array.emptyByteArray,
      "text" -> latin(text(json)),
      "another callable" -> called(global("typing", "casts"), text(json)),
      "another text" -> called(cast, "MLFLIGHT1{hello}"),
      "no text" -> called(cast, "double"),
      "in a closure" -> (head ++ global("m", "f") ++ inside ++ latin("\u0085R") ++ short("double") ++ latin("\u0086.")),
      "the callable" -> (head ++ inside ++ short("x") ++ latin("\u0085R") ++ short("double") ++ latin("\u0086.")),
      "with a state" -> (head ++ inside ++ latin("}b") ++ short("double") ++ latin("\u0086.")),
      "without a type" -> (head ++ inside ++ latin(".")),
      "in a list" -> (head ++ latin("](") ++ inside ++ latin("e") ++ short("double") ++ latin("\u0086.")),
      "under something" -> (head ++ short("x") ++ inside ++ short("double") ++ latin("\u0086.")))
    others.foreach { case (what, bytes) => assertEquals(None, Mark.in(bytes, DoubleType), what) }
    whole.indices.foreach(end => assertEquals(None, Mark.in(whole.take(end), DoubleType), s"the first $end bytes"))
    whole.indices.foreach { i =>
      val broken = whole.clone
      broken(i) = (broken(i) ^ 0x5a).toByte
      try Mark.in(broken, DoubleType)
      catch { case error: MlflightException => assertEquals("VERSION_MISMATCH", error.code) }
    }
  }

  @Test def aMarkOfAnotherVersionIsRefusedNamingBoth(): Unit = {
    val error = failure(Mark.in(marked("""{"version":"99.1.2","result":"\"double\""}"""), DoubleType))
    assertEquals("VERSION_MISMATCH", error.code)
    assertTrue(error.getMessage.contains(version) && error.getMessage.contains("99.1.2"), error.getMessage)
  }

  @Test def columnsAreNamedInOrder(): Unit = {
    val three = columns(DoubleType, LongType, StringType)
    assertEquals(Seq("0", "1", "2"), NamedArguments.of(mark(None), three).names)
    val surplus = NamedArguments.of(mark(Some(Seq("x", "y"))), three)
    assertEquals(Seq("x", "y"), surplus.names)
    assertEquals(three.take(2), surplus.columns)
    val optional = NamedArguments.of(mark(Some(Seq("a", "b", "c", "d")), Some(2)), three)
    assertEquals(Seq("a", "b", "c"), optional.names)
  }

  @Test def tooFewColumnsGetMlflowsMessage(): Unit = {
    val error = failure(NamedArguments.of(mark(Some(Seq("a", "b"))), columns(DoubleType)))
    assertEquals(
      "Model input is missing required columns. Expected 2 required input columns ['a', 'b'], but the model received only 1 " +
        "unnamed input columns (Since the columns were passed unnamed they are expected to be in the order specified by the " +
        "schema).",
      error.getMessage)
    assertEquals("MISSING_COLUMN", failure(NamedArguments.of(mark(None), Nil)).code)
  }

  @Test def oneStructIsTheWholeInput(): Unit = {
    val struct = new StructType().add("p", DoubleType).add("q", StringType)
    val column = NamedArguments.of(mark(Some(Seq("q", "p"))), columns(struct))
    assertEquals(struct, column.schema)
    assertTrue(column.columnar)
    val Seq(a, b) = columns(DoubleType, LongType)
    val made = NamedArguments.of(mark(None), Seq(CreateNamedStruct(Seq(Literal("p"), a, Literal("q"), b))))
    assertEquals(Arguments(Seq("p", "q"), Seq(a, b)), made)
    assertTrue(made.columnar)
  }

  @Test def computedArgumentsTakeTheRowPath(): Unit = {
    val Seq(a) = columns(DoubleType)
    assertFalse(NamedArguments.of(mark(None), Seq(Add(a, a))).columnar)
  }
}

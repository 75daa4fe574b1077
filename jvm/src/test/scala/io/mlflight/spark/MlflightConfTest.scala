// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark

import scala.collection.JavaConverters._

import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

class MlflightConfTest {
  private def refusal(entry: ConfEntry[_], text: String): String =
    assertThrows(classOf[MlflightException], () => { entry.read(text); () }).getMessage

  @Test def whatIsNotSetIsTheDefault(): Unit = MlflightConf.ENTRIES.asScala.foreach { entry =>
    Seq(null, "", "  ").foreach(text => assertEquals(entry.standard, entry.read(text), entry.key))
  }

  @Test def valuesAreReadWithoutTheSpaceAround(): Unit = {
    assertEquals("embedded", MlflightConf.MODE.read(" embedded "))
    assertEquals(7, MlflightConf.MAX_RECORDS.read("7\n"))
    assertEquals(false, MlflightConf.FALLBACK.read("False"))
    assertEquals("a b~", MlflightConf.TOKEN.read("a b~"))
    assertEquals("/dir with space", MlflightConf.NATIVE_PATH.read("/dir with space"))
  }

  @Test def aWrongValueIsNamedWithItsKeyAndWhatIsExpected(): Unit = {
    assertEquals(
      "spark.mlflight.mode is 'Fast'; it may be 'service', 'embedded' or 'python'",
      refusal(MlflightConf.MODE, "Fast"))
    assertEquals("spark.mlflight.fallback.enabled is '1'; it may be 'true' or 'false'", refusal(MlflightConf.FALLBACK, "1"))
    for (text <- Seq("0", "-1", "10k", "1.5", "2147483648", "1e3")) {
      assertEquals(
        s"spark.mlflight.batch.maxRecords is '$text'; it may be a whole number from 1 to 2147483647",
        refusal(MlflightConf.MAX_RECORDS, text))
    }
  }

  @Test def aTokenIsNotRepeated(): Unit = {
    val sentence = "spark.mlflight.token has a character that a header cannot carry; it may be printable ASCII text"
    Seq("geheim\u20ac", "a\tb", "a\u007f").foreach(text => assertEquals(sentence, refusal(MlflightConf.TOKEN, text)))
  }
}

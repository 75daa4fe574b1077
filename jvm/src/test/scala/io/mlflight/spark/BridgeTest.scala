// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark

import java.io.ByteArrayOutputStream
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path, Paths}
import java.util.{Base64, Collections}

import scala.collection.JavaConverters._

import com.fasterxml.jackson.databind.ObjectMapper
import io.mlflight.spark.columns.{ArrowTypes, OffHeap}
import io.mlflight.spark.exec.MlflightEvalExec
import io.mlflight.spark.library.{NativeBridge, NativeLibrary}
import io.mlflight.spark.plan.{MlflightStrategy, Pickles}
import org.apache.spark.sql.{DataFrame, SparkSession}
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.logical.Project
import org.apache.spark.sql.execution.QueryExecution
import org.apache.spark.sql.types._
import org.junit.jupiter.api.{AfterAll, BeforeAll, Test, TestInstance}
import org.junit.jupiter.api.Assertions._

/**
 * The whole way, from a query to a model in a service of its own and back, in this Spark version. The tests in Python go further;
 * here everything runs in one class loader, so that what is left behind can be counted.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class BridgeTest {
  private val models = Paths.get(Option(System.getenv("MLFLIGHT_TEST_MODELS")).getOrElse("../build/test-models"))
  private val python = Option(System.getenv("MLFLIGHT_TEST_PYTHON")).getOrElse("../.venv/bin/python")
  private val native = Option(System.getenv("MLFLIGHT_TEST_NATIVE")).getOrElse(System.getProperty("mlflight.test.nativeDir"))
  private val modelUri = models.resolve("linreg20/model").toAbsolutePath.toString
  private val columns = (0 until 20).map(i => s"f$i")
  private var spark: SparkSession = _
  private var directory: Path = _
  private var table: DataFrame = _
  private var expected: Seq[Double] = _

  @BeforeAll def start(): Unit = {
    directory = Files.createTempDirectory("mlflight-bridge")
    spark = SparkSession.builder
      .master("local[2]")
      .config("spark.ui.enabled", "false")
      .config("spark.sql.adaptive.enabled", "false")
      .config("spark.sql.warehouse.dir", directory.resolve("warehouse").toString)
      .getOrCreate()
    Mlflight.install(spark, Paths.get(native).toAbsolutePath.toString)
    Mlflight.install(spark, null)
    val path = models.toAbsolutePath.resolve("linreg20")
    table = spark.read.parquet(path.resolve("input.parquet").toString)
    val answers = spark.read.parquet(path.resolve("expected.parquet").toString)
    expected = answers.collect().map(row => round(row.getDouble(0))).toSeq
  }

  @AfterAll def stop(): Unit = spark.stop()

  @Test def aPlanIsScoredInBatchesOfVectors(): Unit = {
    val query = predict(table, columns)
    val node = s"MlflightEval [model=$modelUri, mode=service, engine=auto]"
    assertTrue(query.executedPlan.toString.contains(node), query.toString)
    assertTrue(scan(query).supportsColumnar)
    assertEquals(expected, predictions(query))
    assertClean()
  }

  @Test def rowsAreScoredAsVectorsAre(): Unit = {
    val query = predict(table.repartition(3), columns)
    assertFalse(scan(query).supportsColumnar)
    assertEquals(expected.sorted, predictions(query).sorted)
    assertClean()
  }

  @Test def aFailedTaskLeavesNothingBehind(): Unit = {
    val query = predict(table, columns, uri = "/no/such/model", signature = false)
    val error = assertThrows(classOf[Exception], () => { predictions(query); () })
    val causes = Iterator.iterate[Throwable](error)(_.getCause).takeWhile(_ != null).toList
    assertTrue(causes.exists(_.getMessage.contains("/no/such/model")), causes.toString)
    assertClean()
  }

  @Test def anEarlyEndLeavesNothingBehind(): Unit = {
    val query = predict(table, columns)
    assertEquals(1, query.executedPlan.executeTake(1).length)
    assertClean()
  }

  @Test def missingColumnsAreRefusedAtPlanning(): Unit = {
    val struct = CreateNamedStruct(columns.init.flatMap(name => Seq(Literal(name), attribute(table, name))))
    val error = assertThrows(
      classOf[MlflightException],
      () => { plan(table, marked(Seq(struct), modelUri, withSignature = true)).executedPlan; () })
    assertEquals("INVALID_ARGUMENT", error.kind)
    assertTrue(error.getMessage.contains("f19"), error.getMessage)
  }

  @Test def theExtensionInstallsTheStrategy(): Unit =
    assertEquals(Seq(MlflightStrategy), spark.experimental.extraStrategies)

  private def scan(query: QueryExecution): MlflightEvalExec =
    query.executedPlan.collectFirst { case node: MlflightEvalExec => node }.get

  /** The service's Python and this one may differ in the last bit of a sum. */
  private def round(value: Double): Double = math.rint(value * 1e9) / 1e9

  private def assertClean(): Unit = {
    assertEquals(0, NativeBridge.liveStreams)
    assertEquals(0, NativeBridge.liveResults)
    assertEquals(0, OffHeap.liveBytes)
  }

  private def attribute(df: DataFrame, name: String): Attribute =
    df.queryExecution.analyzed.output.find(_.name == name).get

  private def predict(df: DataFrame, names: Seq[String], uri: String = modelUri, signature: Boolean = true): QueryExecution =
    plan(df, marked(names.map(attribute(df, _)), uri, signature))

  private def plan(df: DataFrame, udf: PythonUDF): QueryExecution =
    spark.sessionState.executePlan(Project(Seq(Alias(udf, "p")()), df.queryExecution.analyzed))

  private def predictions(query: QueryExecution): Seq[Double] =
    query.executedPlan.executeCollect().map(row => round(row.getDouble(0))).toSeq

  private def marked(arguments: Seq[Expression], uri: String, withSignature: Boolean): PythonUDF = {
    val json = new ObjectMapper().writeValueAsString(
      Map[String, Any](
        "version" -> NativeLibrary.jarVersion,
        "spec" -> Base64.getEncoder.encodeToString(spec(uri, withSignature)),
        "uri" -> uri,
        "engine" -> "auto",
        "inputs" -> columns.asJava,
        "required" -> Integer.valueOf(columns.length),
        "result" -> DoubleType.json).asJava)
    PythonFunctions.udf("linreg20", Pickles.marked(json), Paths.get(python).toAbsolutePath.toString, DoubleType, arguments)
  }

  /** A ScoreSpec (proto/mlflight/v1/score.proto). */
  private def spec(uri: String, withSignature: Boolean): Array[Byte] = {
    val out = new ByteArrayOutputStream
    def varint(value: Int): Unit =
      if (value > 0x7f) { out.write(value & 0x7f | 0x80); varint(value >>> 7) } else out.write(value)
    def field(number: Int, value: Array[Byte]): Unit = {
      varint(number << 3 | 2)
      varint(value.length)
      out.write(value)
    }
    varint(1 << 3)
    varint(1)
    field(2, uri.getBytes(UTF_8))
    field(4, "auto".getBytes(UTF_8))
    field(11, ArrowTypes.schema(StructType(Seq(StructField("prediction", DoubleType)))))
    if (withSignature) {
      val inputs = columns.map(name => s"""{"type":"double","name":"$name","required":true}""").mkString("[", ",", "]")
      val text = new ObjectMapper().writeValueAsString(Collections.singletonMap("inputs", inputs))
      field(14, text.getBytes(UTF_8))
    }
    columns.foreach(name => field(15, name.getBytes(UTF_8)))
    out.toByteArray
  }
}

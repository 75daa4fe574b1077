// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.columns

import io.mlflight.spark.MlflightException
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{BoundReference, UnsafeProjection}
import org.apache.spark.sql.catalyst.util.{ArrayBasedMapData, GenericArrayData}
import org.apache.spark.sql.execution.vectorized.{OffHeapColumnVector, OnHeapColumnVector, WritableColumnVector}
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.{ColumnarBatch, ColumnVector}
import org.apache.spark.unsafe.types.UTF8String
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

/** What a writer writes, the vector of the same table must read back: the two halves of the bridge agree on its form. */
class ColumnWriterTest {
  private def text(value: String) = UTF8String.fromString(value)

  /** As Spark compares rows: through their one binary form. */
  private def binary(dataType: DataType, values: Seq[Any]): Seq[InternalRow] = {
    val project = UnsafeProjection.create(Array[DataType](dataType))
    values.map(value => project(InternalRow(value)).copy())
  }

  private def read(dataType: DataType, writer: ColumnWriter, rows: Int): Seq[InternalRow] = {
    val table = new Array[Long](writer.nodes * ColumnWriter.NODE_WORDS)
    assertEquals(table.length, writer.`export`(table, 0))
    assertEquals(writer.nodes, NativeColumnVector.nodes(dataType))
    val vector = NativeColumnVector.of(dataType, table, new Runnable { override def run(): Unit = () })
    val batch = new ColumnarBatch(Array[ColumnVector](vector), rows)
    val project = UnsafeProjection.create(Seq(BoundReference(0, dataType, nullable = true)))
    (0 until rows).map(row => project(batch.getRow(row)).copy())
  }

  private def roundTrip(dataType: DataType, values: Seq[Any]): Unit = {
    val before = OffHeap.liveBytes
    val writer = ColumnWriter.create(dataType)
    try {
      // Twice, so that what a batch leaves behind would show in the next; and without nulls once.
      for (round <- Seq(values, values.reverse, values.filter(_ != null), values)) {
        val expected = binary(dataType, round)
        expected.foreach(row => writer.append(row, 0))
        assertEquals(expected, read(dataType, writer, round.length), dataType.sql)
        writer.reset()
      }
    } finally writer.close()
    assertEquals(before, OffHeap.liveBytes, s"${dataType.sql} leaks")
  }

  private def padded(values: Any*): Seq[Any] = Seq.fill(7)(values).flatten

  @Test def scalars(): Unit = {
    roundTrip(BooleanType, padded(true, null, false, true, true))
    roundTrip(ByteType, padded(1.toByte, null, (-128).toByte))
    roundTrip(ShortType, padded(300.toShort, null))
    roundTrip(IntegerType, padded(null, 7, Int.MinValue))
    roundTrip(LongType, padded(null, null, Long.MaxValue))
    roundTrip(FloatType, padded(1.5f, Float.NaN, null))
    roundTrip(DoubleType, padded(1.5, Double.NaN, null, -0.0))
    roundTrip(DateType, padded(19000, null))
    roundTrip(TimestampType, padded(1700000000000000L, null))
    roundTrip(TimestampNTZType, padded(-1L, null))
    roundTrip(NullType, padded(null, null))
  }

  @Test def decimals(): Unit = {
    for (precision <- Seq(9, 18, 38)) {
      val dataType = DecimalType(precision, 2)
      val large = "9" * (precision - 2) + ".99"
      roundTrip(dataType, padded(Decimal(BigDecimal(large), precision, 2), null, Decimal(BigDecimal("-" + large), precision, 2)))
    }
  }

  @Test def textAndBytes(): Unit = {
    roundTrip(StringType, padded(text("a"), null, text(""), text("\u00e9\ud83d\ude00 long enough to move the buffer")))
    roundTrip(BinaryType, padded(Array[Byte](1, 0, -1), null, Array.empty[Byte]))
  }

  @Test def nested(): Unit = {
    val list = ArrayType(StringType)
    roundTrip(list, padded(new GenericArrayData(Array[Any](text("x"), null)), null, new GenericArrayData(Array.empty[Any])))
    val struct = new StructType().add("a", DoubleType).add("b", list)
    roundTrip(
      struct,
      padded(InternalRow(1.0, new GenericArrayData(Array[Any](text("y")))), null, InternalRow(null, null)))
    roundTrip(
      ArrayType(ArrayType(IntegerType)),
      padded(new GenericArrayData(Array[Any](new GenericArrayData(Array[Any](1, 2)), null)), null))
    val map = MapType(StringType, LongType)
    def entries(keys: Any*)(values: Any*) =
      new ArrayBasedMapData(new GenericArrayData(keys.toArray[Any]), new GenericArrayData(values.toArray[Any]))
    roundTrip(map, padded(entries(text("k"), text("l"))(1L, null), null, entries()()))
  }

  @Test def typesWithoutCounterpart(): Unit = {
    val error = assertThrows(
      classOf[MlflightException],
      () => ArrowTypes.schema(new StructType().add("gap", CalendarIntervalType)))
    assertEquals("UNSUPPORTED_TYPE", error.code)
    assertTrue(error.getMessage.contains("'gap'") && error.getMessage.contains("interval"), error.getMessage)
  }

  private def vectors(dataType: DataType, rows: Int): Seq[WritableColumnVector] =
    Seq(new OnHeapColumnVector(rows, dataType), new OffHeapColumnVector(rows, dataType))

  /** Whole vectors must read as their values one by one, with and without nulls. */
  @Test def vectors(): Unit = {
    val rows = 21
    val cases: Seq[(DataType, (WritableColumnVector, Int) => Unit, Int => Any)] = Seq(
      (BooleanType, (v, i) => v.putBoolean(i, i % 3 == 0), i => i % 3 == 0),
      (ByteType, (v, i) => v.putByte(i, i.toByte), i => i.toByte),
      (ShortType, (v, i) => v.putShort(i, i.toShort), i => i.toShort),
      (IntegerType, (v, i) => v.putInt(i, i), i => i),
      (LongType, (v, i) => v.putLong(i, i), i => i.toLong),
      (FloatType, (v, i) => v.putFloat(i, i), i => i.toFloat),
      (DoubleType, (v, i) => v.putDouble(i, i), i => i.toDouble),
      (StringType, (v, i) => v.putByteArray(i, s"s$i".getBytes), i => text(s"s$i")))
    for ((dataType, put, value) <- cases; withNulls <- Seq(false, true); vector <- vectors(dataType, rows)) {
      val writer = ColumnWriter.create(dataType)
      try {
        def isNull(row: Int) = withNulls && row % 5 == 1
        (0 until rows).foreach(row => if (isNull(row)) vector.putNull(row) else put(vector, row))
        for (count <- Seq(rows, 9)) {
          writer.appendVector(vector, count)
          val expected = binary(dataType, (0 until count).map(row => if (isNull(row)) null else value(row)))
          assertEquals(expected, read(dataType, writer, count), s"${dataType.sql} nulls=$withNulls")
          writer.reset()
        }
      } finally {
        writer.close()
        vector.close()
      }
    }
  }

  @Test def offHeapVectorsAreNotCopied(): Unit = {
    val vector = new OffHeapColumnVector(4, DoubleType)
    val writer = ColumnWriter.create(DoubleType)
    try {
      writer.appendVector(vector, 4)
      assertEquals(vector.valuesNativeAddress(), writer.first())
    } finally {
      writer.close()
      vector.close()
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.plan

import java.nio.charset.StandardCharsets.UTF_8

import scala.collection.mutable.ArrayBuffer

/**
 * Reads the structure of the pickle in which Spark keeps a Python function, and nothing of its values. The pickle of a function of
 * ours is
 * {{{
 *   (typing.cast("MLFLIGHT1{...}", function), type of the result)
 * }}}
 * Every instruction is followed, so a text or a function inside another function, however deep, is never taken for the whole.
 */
private[spark] object MarkedPickle {

  /** What lies on the stack of the machine that reads pickles. */
  private sealed trait Item
  private case object Other extends Item
  private case object Bracket extends Item
  private final case class Text(value: String) extends Item
  private case object Cast extends Item
  private final case class Arguments(mark: String) extends Item
  private final case class Ours(mark: String) extends Item
  private final case class Command(mark: String) extends Item

  /** The text of the mark when the command is a function of ours; bytes that are no such pickle have none. */
  def mark(command: Array[Byte]): Option[String] =
    try new MarkedPickle(command).read()
    catch {
      // It ends too early, or takes what is not there.
      case _: IndexOutOfBoundsException => None
    }
}

private final class MarkedPickle(bytes: Array[Byte]) {
  import MarkedPickle._

  private val stack = new ArrayBuffer[Item]
  private var at = 0

  /** Everything that our pickle begins with has been seen: the rest only has to leave it where it is. */
  private var begun = false

  def read(): Option[String] = {
    while (true) {
      val opcode = unsigned(1).toInt
      if (opcode == '.') {
        return stack match {
          case ArrayBuffer(Command(mark)) => Some(mark)
          case _ => None
        }
      }
      if (!step(opcode)) {
        return None
      }
    }
    None
  }

  /** Executes one instruction; false: no pickle of ours has it here. */
  private def step(opcode: Int): Boolean = {
    opcode match {
      // What protocol 5 writes: its version, frames, entries of the memo.
      case 0x80 => skip(1)
      case 0x95 => skip(8)
      case 0x94 =>
      case 'q' => skip(1)
      case 'r' => skip(4)

      case 0x8c => text(unsigned(1))
      case 'X' => text(unsigned(4))
      case 0x8d => text(unsigned(8))
      case 'C' | 'U' | 0x8a => value(unsigned(1))
      case 'B' | 'T' | 0x8b => value(unsigned(4))
      case 0x8e | 0x96 => value(unsigned(8))
      case 'N' | 0x88 | 0x89 | ')' | ']' | '}' | 0x8f => value(0)
      case 'K' | 'h' => value(1)
      case 'M' => value(2)
      case 'J' | 'j' => value(4)
      case 'G' => value(8)

      case 0x93 =>
        val name = pop()
        val module = pop()
        if (!begun) {
          if (module != Text("typing") || name != Text("cast")) return false
          begun = true
          push(Cast)
        } else {
          push(Other)
        }
      case 0x85 => pop(); push(Other)
      case 0x86 =>
        val second = pop()
        push((pop(), second) match {
          case (Text(mark), Other) => Arguments(mark)
          case (Ours(mark), _) => Command(mark)
          case _ => Other
        })
      case 0x87 => pop(); pop(); pop(); push(Other)
      case 'R' =>
        val arguments = pop()
        push((pop(), arguments) match {
          case (Cast, Arguments(mark)) => Ours(mark)
          case _ => Other
        })
      case 0x81 => pop(); pop(); push(Other)
      case 0x92 => pop(); pop(); pop(); push(Other)

      case '(' => push(Bracket)
      case 't' | 'l' | 'd' | 0x91 => popToBracket(); push(Other)
      case 'e' | 'u' | 0x90 => popToBracket(); pop(); push(Other)
      case 'a' | 'b' => pop(); pop(); push(Other)
      case 's' => pop(); pop(); pop(); push(Other)
      case '0' => pop()
      case '1' => popToBracket()
      case '2' => push(Other)

      // The instructions of older protocols, and of pickles with buffers and persistent names.
      case _ => return false
    }
    true
  }

  private def push(item: Item): Unit = stack += item

  private def pop(): Item = stack.remove(stack.length - 1)

  private def popToBracket(): Unit = while (pop() != Bracket) {}

  private def text(length: Long): Unit = {
    val start = at
    skip(length)
    // Only what may be part of the beginning is worth the copy.
    push(if (!begun || stack == ArrayBuffer(Cast)) Text(new String(bytes, start, length.toInt, UTF_8)) else Other)
  }

  private def value(length: Long): Unit = {
    skip(length)
    push(Other)
  }

  private def skip(length: Long): Unit = {
    if (length < 0 || length > bytes.length - at) throw new IndexOutOfBoundsException
    at += length.toInt
  }

  /** A little-endian number of so many bytes. */
  private def unsigned(size: Int): Long = {
    var number = 0L
    var i = 0
    while (i < size) {
      number |= (bytes(at) & 0xffL) << (8 * i)
      at += 1
      i += 1
    }
    number
  }
}

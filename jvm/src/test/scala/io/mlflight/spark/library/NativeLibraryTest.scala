// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.library

import java.io.{ByteArrayInputStream, InputStream}
import java.lang.reflect.InvocationTargetException
import java.nio.charset.StandardCharsets.US_ASCII
import java.nio.file.{Files, Path}
import java.util.Arrays

import io.mlflight.spark.MlflightException
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class NativeLibraryTest {
  @TempDir var directory: Path = _

  private def failure(action: => Any): MlflightException =
    assertThrows(classOf[MlflightException], () => { action; () })

  private def entry(name: String, content: Array[Byte]): Array[Byte] = {
    val header = new Array[Byte](512)
    def put(at: Int, text: String): Unit = System.arraycopy(text.getBytes(US_ASCII), 0, header, at, text.length)
    put(0, name)
    put(124, f"${content.length.toOctalString.toInt}%011d")
    put(156, "0")
    header ++ Arrays.copyOf(content, (content.length + 511) / 512 * 512)
  }

  private def archive(entries: Array[Byte]*): Path =
    Files.write(directory.resolve("mlflight-native-1.mlflight"), entries.toArray.flatten ++ new Array[Byte](1024))

  @Test def anArchiveIsUnpackedOnce(): Unit = {
    val library = Array.tabulate(1000)(_.toByte)
    val tar = archive(entry("./libmlflight_jni.so", library), entry("../escape", Array(1)), entry("mlflight-service", Array(2)))
    val unpacked = NativeArchive.unpack(tar)
    assertEquals(directory.resolve("mlflight-native-1"), unpacked)
    assertArrayEquals(library, Files.readAllBytes(unpacked.resolve(NativeLibrary.LIBRARY)))
    assertTrue(Files.isExecutable(unpacked.resolve(NativeLibrary.SERVICE)))
    assertFalse(Files.exists(directory.resolve("escape")))
    val inode = Files.getAttribute(unpacked, "unix:ino")
    assertEquals(inode, Files.getAttribute(NativeArchive.unpack(tar), "unix:ino"))
    assertEquals(2, Files.list(directory).count)
  }

  @Test def aBrokenArchiveIsAnError(): Unit = {
    assertTrue(failure(NativeArchive.unpack(archive(entry("other", Array(1))))).getMessage.contains("holds no libmlflight_jni.so"))
    val cut = Files.write(directory.resolve("cut.mlflight"), entry("libmlflight_jni.so", new Array[Byte](2000)).take(1024))
    assertTrue(failure(NativeArchive.unpack(cut)).getMessage.contains("ends in the middle"))
    assertFalse(Files.exists(directory.resolve("cut")))
    val text = Files.write(directory.resolve("text.mlflight"), Array.fill[Byte](1024)('x'))
    assertTrue(failure(NativeArchive.unpack(text)).getMessage.contains("no tar file"))
  }

  @Test def aLibraryForAnotherMachineIsRefusedNamingBoth(): Unit = {
    val head = new Array[Byte](64)
    System.arraycopy(Array[Byte](0x7f, 'E', 'L', 'F'), 0, head, 0, 4)
    val arch = System.getProperty("os.arch")
    head(18) = (if (arch == "aarch64") 62 else 183).toByte
    val library = Files.write(directory.resolve("foreign.so"), head)
    val error = failure(NativeLibrary.checkMachine(library))
    assertEquals("WRONG_PLATFORM", error.code)
    assertTrue(error.getMessage.contains("Linux a") && error.getMessage.contains(arch), error.getMessage)
  }

  @Test def aPathWithoutTheLibraryIsNamed(): Unit = {
    val error = failure(NativeLibrary.load(directory.toString))
    assertEquals("NATIVE_LIBRARY_NOT_FOUND", error.code)
    assertTrue(error.getMessage.contains(directory.toString) && error.getMessage.contains("spark.mlflight.nativePath"))
  }

  @Test def aLibraryOfAnotherVersionIsRefusedNamingBoth(): Unit = {
    val native = Option(System.getenv("MLFLIGHT_TEST_NATIVE")).getOrElse(System.getProperty("mlflight.test.nativeDir"))
    val error = assertThrows(classOf[InvocationTargetException], () => { new JarOf("9.9.9").load(native); () })
    val message = error.getCause.getMessage
    assertTrue(message.contains("jar of mlflight is version 9.9.9 but the native library in"), message)
    assertTrue(message.contains(s"is version ${NativeLibrary.jarVersion}; install one version"), message)
  }

  /** The classes of the jar once more, in a jar of another version. */
  private final class JarOf(version: String) extends ClassLoader(getClass.getClassLoader) {
    def load(native: String): AnyRef = {
      val method = loadClass(classOf[NativeLibrary].getName).getDeclaredMethod("load", classOf[String])
      method.setAccessible(true)
      method.invoke(null, native)
    }

    override def loadClass(name: String, resolve: Boolean): Class[_] =
      if (!name.startsWith("io.mlflight.spark.")) super.loadClass(name, resolve)
      else Option(findLoadedClass(name)).getOrElse {
        val file = getParent.getResourceAsStream(name.replace('.', '/') + ".class")
        val code = try file.readAllBytes() finally file.close()
        defineClass(name, code, 0, code.length)
      }

    override def getResourceAsStream(name: String): InputStream =
      if (name.endsWith("mlflight.properties")) new ByteArrayInputStream(s"version=$version".getBytes(US_ASCII))
      else super.getResourceAsStream(name)
  }
}

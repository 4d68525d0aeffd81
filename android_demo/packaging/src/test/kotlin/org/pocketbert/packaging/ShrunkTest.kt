package org.pocketbert.packaging

import com.android.tools.r8.ClassFileResourceProvider
import com.android.tools.r8.CompilationMode
import com.android.tools.r8.D8
import com.android.tools.r8.D8Command
import com.android.tools.r8.JdkClassFileProvider
import com.android.tools.r8.OutputMode
import com.android.tools.r8.ProgramResource
import com.android.tools.r8.R8
import com.android.tools.r8.R8Command
import com.android.tools.r8.origin.Origin
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.nio.file.Path
import java.util.zip.ZipEntry
import java.util.zip.ZipFile
import java.util.zip.ZipOutputStream
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertNotEquals
import kotlin.test.assertTrue

private const val LEAST_ANDROID = 26
private const val ENTRY = "-keep class org.pocketbert.packaging.ReadingCheckKt { void main(...); }"
private val RULES = Path.of("..", "app", "proguard-rules.pro")
private val FIXTURE = File("../core/src/test/resources")

/** One class of each part that is in the app, screens aside. */
private val PARTS = listOf(
    "org.pocketbert.packaging.ReadingCheckKt",
    "org.pocketbert.core.SelfTest",
    "org.pocketbert.engines.LiteRtFactory",
    "org.tensorflow.lite.Interpreter",
    "kotlin.Unit",
    "org.jetbrains.annotations.NotNull",
    "kotlinx.serialization.KSerializer",
    "kotlinx.serialization.json.Json",
    "org.bouncycastle.crypto.signers.Ed25519Signer",
)

/** R8 shrinks core and engines with the app's own rules; what is left still reads texts. */
class ShrunkTest(@param:TempDir private val folder: File) {
    private val android = Path.of(checkNotNull(System.getProperty("pocketbert.android")))

    @Test
    fun `what R8 leaves reads texts, keeps what natives look up, and is DEX for Android 8`() {
        val shrunk = shrunk()
        val names = ZipFile(shrunk).use { zip -> zip.entries().asSequence().map { it.name }.toSet() }
        assertContains(names, "org/pytorch/executorch/Module.class")
        assertContains(names, "org/tensorflow/lite/NativeInterpreterWrapper.class")
        val numBytes = partFiles().sumOf { it.length() }
        assertTrue(shrunk.length() < numBytes / 2, "${shrunk.length()} of $numBytes bytes are left")

        val whole = File(FIXTURE, "bundle")
        val (code, said) = read(shrunk, whole)
        assertEquals("engines: ExecuTorch, TFLite", said.trim())
        assertEquals(0, code, said)

        val damaged = File(folder, "damaged").also { whole.copyRecursively(it) }
        File(damaged, "tokenizer/vocab.txt").appendText("damaged")
        assertNotEquals(0, read(shrunk, damaged).first)

        assertDex(shrunk)
    }

    private fun shrunk(): File {
        val out = File(folder, "shrunk.jar")
        val command = R8Command.builder()
            .setMode(CompilationMode.RELEASE)
            .addLibraryResourceProvider(JavaAlone())
            .addLibraryFiles(android)
            .addProgramFiles(partFiles().map { it.toPath() })
            .addProguardConfigurationFiles(RULES)
            .addProguardConfiguration(listOf(ENTRY), Origin.unknown())
            // Without what else is in the jars: Bouncy Castle's is signed, and it is another now.
            .setOutput(out.toPath(), OutputMode.ClassFile, false)
        R8.run(command.build())
        return out
    }

    private fun assertDex(shrunk: File) {
        val out = File(folder, "dex").apply { mkdir() }
        D8.run(
            D8Command.builder()
                .setMode(CompilationMode.RELEASE)
                .addLibraryResourceProvider(JavaAlone())
                .addLibraryFiles(android)
                .addProgramFiles(shrunk.toPath())
                .setMinApiLevel(LEAST_ANDROID)
                .setOutput(out.toPath(), OutputMode.DexIndexed)
                .build(),
        )
        val dex = out.listFiles().orEmpty().single()
        assertEquals("classes.dex", dex.name)
        assertEquals("dex\n038", dex.inputStream().use { it.readNBytes(7) }.decodeToString())
    }

    /** Reads a bundle with the shrunk classes alone; returns the exit code and what was said. */
    private fun read(shrunk: File, bundle: File): Pair<Int, String> {
        val java = Path.of(System.getProperty("java.home"), "bin", "java").toString()
        val process = ProcessBuilder(
            java, "-cp", shrunk.path, "org.pocketbert.packaging.ReadingCheckKt",
            bundle.path, File(FIXTURE, "public-key.bin").path,
        ).redirectErrorStream(true).start()
        val said = process.inputStream.bufferedReader().readText()
        return process.waitFor() to said
    }

    private val packed = mutableMapOf<File, File>()

    private fun partFiles(): List<File> = PARTS.map { name ->
        val part = Class.forName(name, false, javaClass.classLoader)
        val location = part.protectionDomain.codeSource.location
        File(location.toURI()).let { if (it.isDirectory) packed.getOrPut(it) { pack(it) } else it }
    }

    private fun pack(classes: File): File {
        val jar = File(folder, "${packed.size}.jar")
        ZipOutputStream(jar.outputStream()).use { zip ->
            for (file in classes.walk().filter { it.extension == "class" }) {
                zip.putNextEntry(ZipEntry(file.relativeTo(classes).invariantSeparatorsPath))
                zip.write(file.readBytes())
            }
        }
        return jar
    }
}

/** What this JDK makes `java.*` of; Robolectric's Android lacks most. All else Android has itself. */
private class JavaAlone : ClassFileResourceProvider {
    private val jdk = JdkClassFileProvider.fromSystemJdk()

    override fun getClassDescriptors(): Set<String> =
        jdk.classDescriptors.filter(::isOfJava).toSet()

    override fun getProgramResource(descriptor: String): ProgramResource? =
        if (isOfJava(descriptor)) jdk.getProgramResource(descriptor) else null

    private fun isOfJava(descriptor: String): Boolean =
        listOf("Ljava/", "Ljdk/internal/", "Lsun/").any { descriptor.startsWith(it) }
}

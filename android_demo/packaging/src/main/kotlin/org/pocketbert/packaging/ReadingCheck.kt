package org.pocketbert.packaging

import org.pocketbert.core.SelfTest
import org.pocketbert.core.openBundle
import org.pocketbert.engines.ExecuTorchFactory
import org.pocketbert.engines.LiteRtFactory
import java.io.File
import java.nio.file.Path
import kotlin.system.exitProcess

/**
 * Opens a bundle and tests the reading of texts, as the app does on a phone.
 *
 * @param arguments the folder of a bundle, and the file of the key that signed it.
 */
fun main(arguments: Array<String>) {
    val (folder, key) = arguments
    val problems = SelfTest(openBundle(Path.of(folder), File(key).readBytes())).checkReading()
    problems.forEach(::println)
    println("engines: ${listOf(ExecuTorchFactory(), LiteRtFactory()).joinToString { it.label }}")
    exitProcess(if (problems.isEmpty()) 0 else 1)
}
